/**
 * The hashes that directory indexes are sorted by, as fs/ext4/hash.c of Linux 6.12 computes them.
 *
 * @module
 */

/** `DX_HASH_*` as a directory states it; the superblock says how characters are taken. */
export const DX_HASH_LEGACY = 0;
export const DX_HASH_HALF_MD4 = 1;
export const DX_HASH_TEA = 2;

/** Start of MD4, in place of a key that is all zeros. */
const DEFAULT_KEY = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
/** `EXT4_HTREE_EOF_32BIT`, doubled: no name has it. */
const END_OF_DIRECTORY = 0xfffffffe;

/** How the names of a file system are hashed. */
export interface HashKey {
  /** `s_hash_seed`. */
  readonly seed: readonly [number, number, number, number];
  /** Whether bytes of 0x80 and more count as negative. */
  readonly signed: boolean;
}

/** The hash of a name, even as all of them are; `undefined` when `version` is not known. */
export function hashName(
  name: Uint8Array,
  version: number,
  { seed, signed }: HashKey,
): number | undefined {
  const characters = signed
    ? new Int8Array(name.buffer, name.byteOffset, name.length)
    : name;
  const state = new Uint32Array(
    seed.some((word) => word !== 0) ? seed : DEFAULT_KEY,
  );
  let hash: number;
  switch (version) {
    case DX_HASH_LEGACY:
      hash = legacy(characters);
      break;
    case DX_HASH_HALF_MD4:
      for (let at = 0; at < name.length; at += 32) {
        halfMd4(state, pack(characters.subarray(at), 8));
      }
      hash = state[1]!;
      break;
    case DX_HASH_TEA:
      for (let at = 0; at < name.length; at += 16) {
        tea(state, pack(characters.subarray(at), 4));
      }
      hash = state[0]!;
      break;
    default:
      return undefined;
  }
  const even = (hash & ~1) >>> 0;
  return even === END_OF_DIRECTORY ? END_OF_DIRECTORY - 2 : even;
}

function legacy(characters: Int8Array | Uint8Array): number {
  let last = 0x37abe8f9;
  let hash = 0x12a3fe2d;
  for (const character of characters) {
    let next = (last + (hash ^ Math.imul(character, 7152373))) >>> 0;
    if (next >= 0x80000000) next -= 0x7fffffff;
    last = hash;
    hash = next;
  }
  return (hash << 1) >>> 0;
}

/** The first `words * 4` characters as big-endian words, filled up with the number of characters left, which
 * is 255 at most. */
function pack(characters: Int8Array | Uint8Array, words: number): Uint32Array {
  const { length } = characters;
  const padding = Math.imul(length, 0x01010101);
  const packed = new Uint32Array(words).fill(padding);
  const used = Math.min(length, words * 4);
  for (let at = 0; at < used; at += 4) {
    let word = padding;
    for (let i = at; i < Math.min(at + 4, used); i++) {
      // a negative character borrows from those before it
      word = (characters[i]! + (word << 8)) | 0;
    }
    packed[at / 4] = word;
  }
  return packed;
}

/** One of the three rounds: how three words are mixed, what is added, which word when, how far it turns. */
interface Round {
  readonly mix: (x: number, y: number, z: number) => number;
  readonly constant: number;
  readonly order: readonly number[];
  readonly turns: readonly number[];
}

const ROUNDS: readonly Round[] = [
  {
    mix: (x, y, z) => z ^ (x & (y ^ z)),
    constant: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7],
    turns: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) + ((x ^ y) & z),
    constant: 0x5a827999,
    order: [1, 3, 5, 7, 0, 2, 4, 6],
    turns: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    constant: 0x6ed9eba1,
    order: [3, 7, 2, 6, 1, 5, 0, 4],
    turns: [3, 9, 11, 15],
  },
];

function halfMd4(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  for (const { mix, constant, order, turns } of ROUNDS) {
    for (let i = 0; i < order.length; i++) {
      const sum = (a + mix(b, c, d) + words[order[i]!]! + constant) | 0;
      const turn = turns[i % 4]!;
      a = d;
      d = c;
      c = b;
      b = (sum << turn) | (sum >>> (32 - turn));
    }
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

const TEA_DELTA = 0x9e3779b9;

function tea(state: Uint32Array, key: Uint32Array): void {
  let x = state[0]!;
  let y = state[1]!;
  let sum = 0;
  for (let round = 0; round < 16; round++) {
    sum = (sum + TEA_DELTA) >>> 0;
    x = (x + (((y << 4) + key[0]!) ^ (y + sum) ^ ((y >>> 5) + key[1]!))) >>> 0;
    y = (y + (((x << 4) + key[2]!) ^ (x + sum) ^ ((x >>> 5) + key[3]!))) >>> 0;
  }
  state[0]! += x;
  state[1]! += y;
}
