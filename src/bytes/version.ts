/**
 * Order of version strings.
 *
 * @module
 */

/** A part of what {@linkcode compareVersions} compares: digits, letters, or a mark that separates. */
const SKIPPED = /[^A-Za-z0-9.~^-]*/y;
const DIGITS = /[0-9]*/y;
const LETTERS = /[A-Za-z]*/y;
/**
 * What begins with a mark is older than what begins with a later one, and than what begins with
 * none. Of `^` the specification's text says the contrary; systemd and rpm do as is done here:
 * `1^2` is newer than `1`, and older than `1.1`.
 */
const MARKS = ["-", "^", "."] as const;

/**
 * Compares two versions: negative when `a` is older, positive when it is newer, 0 when they are
 * equal.
 *
 * `6.10` is newer than `6.9`, `6.12~rc1` older than `6.12`. Characters that mean nothing only
 * separate, so different strings may be equal.
 *
 * @see UAPI.10 Version Format Specification, section "Version Comparison"
 *
 * @example
 * ```ts
 * import { compareVersions } from "./version.ts";
 *
 * const releases = ["6.9.1", "6.10.0", "6.12~rc1", "6.12"].sort(compareVersions);
 * console.assert(releases.join() === "6.9.1,6.10.0,6.12~rc1,6.12");
 * ```
 */
export function compareVersions(a: string, b: string): number {
  let i = 0, j = 0;
  while (true) {
    i += prefix(SKIPPED, a, i).length;
    j += prefix(SKIPPED, b, j).length;
    const tildes = Number(b[j] === "~") - Number(a[i] === "~");
    if (tildes !== 0) return tildes;
    if (a[i] === "~") {
      i++;
      j++;
    }
    if (i >= a.length || j >= b.length) {
      return Number(i < a.length) - Number(j < b.length);
    }
    for (const mark of MARKS) {
      const marks = Number(b[j] === mark) - Number(a[i] === mark);
      if (marks !== 0) return marks;
      if (a[i] === mark) {
        i++;
        j++;
      }
    }
    const kind = isDigit(a[i]) || isDigit(b[j]) ? DIGITS : LETTERS;
    const left = prefix(kind, a, i), right = prefix(kind, b, j);
    const order = kind === DIGITS
      ? compareDigits(left, right)
      : compareLetters(left, right);
    if (order !== 0) return order;
    i += left.length;
    j += right.length;
  }
}

function prefix(kind: RegExp, text: string, at: number): string {
  kind.lastIndex = at;
  return kind.exec(text)![0];
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= "0" && character <= "9";
}

/** No digits, that is letters, are older than any; for 0 the specification's text differs again. */
function compareDigits(a: string, b: string): number {
  if (a === "" || b === "") return a.length - b.length;
  const left = a.replace(/^0+/, ""), right = b.replace(/^0+/, "");
  return left.length - right.length || compareLetters(left, right);
}

function compareLetters(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
