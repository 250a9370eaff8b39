/**
 * The candidate that looks most like `word`, as a person would mean it, or `undefined`.
 *
 * Case, `-` and `_` do not count; otherwise one change for each three characters is allowed, at
 * least one. A swap of neighbours is one change.
 */
export function findNearest(
  word: string,
  candidates: Iterable<string>,
): string | undefined {
  // no key is this long: nothing near, at a cost that grows with the square
  if (word.length > 100) return undefined;
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const changes = countChanges(fold(word), fold(candidate));
    const allowed = Math.max(
      1,
      Math.floor(Math.max(word.length, candidate.length) / 3),
    );
    if (changes <= allowed && changes < least) {
      best = candidate;
      least = changes;
    }
  }
  return best;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll("-", "_").replaceAll(" ", "_");
}

/** Optimal string alignment distance. */
function countChanges(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      ) {
        least = Math.min(least, before[j - 2]! + 1);
      }
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
