/** Numbers in 0 ≤ n < 2^32 that depend on `seed` alone (splitmix32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

/** Values at which programs go wrong. */
const EDGES = [
  0,
  1,
  2,
  3,
  7,
  0x7f,
  0xff,
  0x7fff,
  0xffff,
  0x7fffffff,
  0x80000000,
  0xffffffff,
];

/**
 * A damaged copy of `bytes`: one to six changes, near `spots` half of the time. A change is a flipped
 * bit, another byte, an edge value of 16 or 32 bits, bytes copied from elsewhere, an entry of a table
 * moved, or the end cut off.
 */
export function mutate(
  bytes: Uint8Array,
  spots: readonly number[],
  next: () => number,
): Uint8Array<ArrayBuffer> {
  let copy = bytes.slice() as Uint8Array<ArrayBuffer>;
  for (let changes = 1 + next() % 6; changes > 0; changes--) {
    if (copy.length === 0) return copy;
    const near = spots.length > 0 && next() % 2 === 0;
    const at = (near ? spots[next() % spots.length]! + next() % 64 : next()) %
      copy.length;
    switch (next() % 8) {
      case 0:
      case 1:
        copy[at]! ^= 1 << (next() % 8);
        break;
      case 2:
        copy[at] = next();
        break;
      case 3: {
        const view = new DataView(copy.buffer);
        const value = EDGES[next() % EDGES.length]!;
        if (at + 4 <= copy.length) view.setUint32(at, value, true);
        break;
      }
      case 4: {
        const from = next() % copy.length;
        copy.copyWithin(at, from, Math.min(copy.length, from + next() % 128));
        break;
      }
      case 5: {
        // a field of a header, an index or a directory entry, which are all aligned
        const even = at & ~1;
        const value = EDGES[next() % EDGES.length]!;
        const view = new DataView(copy.buffer);
        if (even + 2 <= copy.length) view.setUint16(even, value, true);
        break;
      }
      case 6: {
        const to = at & ~7;
        const from = Math.max(0, to + 8 * (next() % 33 - 16));
        copy.copyWithin(to, from, Math.min(copy.length, from + 8));
        break;
      }
      default:
        if (next() % 8 === 0) copy = copy.slice(0, at);
    }
  }
  return copy;
}
