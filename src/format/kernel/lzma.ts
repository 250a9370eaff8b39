/**
 * The `.lzma` files of LZMA Utils, which Linux may compress its kernels as.
 *
 * @module
 */

import { struct, u32, u64, u8 } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";

/** lzma-file-format.txt, section 1.1; all fields little-endian. */
const LzmaHeader = struct("lzma header", {
  properties: u8,
  dictionarySize: u32,
  uncompressedSize: u64,
});
/** In place of the size: the end is marked in the stream. */
const SIZE_UNKNOWN = 0xffff_ffff_ffff_ffffn;

/** Where each kind of probability lies. */
const IS_MATCH = 0;
const IS_REP = IS_MATCH + 12 * 16;
const IS_REP_G0 = IS_REP + 12;
const IS_REP_G1 = IS_REP_G0 + 12;
const IS_REP_G2 = IS_REP_G1 + 12;
const IS_REP0_LONG = IS_REP_G2 + 12;
const POS_SLOT = IS_REP0_LONG + 12 * 16;
const POS_SPECIAL = POS_SLOT + 4 * 64;
const POS_ALIGN = POS_SPECIAL + 128 - 14 + 1;
const MATCH_LENGTH = POS_ALIGN + 16;
const REP_LENGTH = MATCH_LENGTH + 2 + 16 * 8 * 2 + 256;
const LITERAL = REP_LENGTH + 2 + 16 * 8 * 2 + 256;

const FIRST_OUTPUT = 1 << 20;

/**
 * Decodes a `.lzma` file.
 *
 * What follows the end of the stream is left alone, such as the word with the unpacked size that
 * Linux appends. Several times slower than liblzma: kernels in this form are rare.
 *
 * @param options.maxSize Bytes of output at which it fails.
 * @throws {FormatError} `lzma.damaged`, `lzma.truncated`, `lzma.output-limit`
 * @see lzma-specification.txt of the LZMA SDK
 */
export function lzmaDecode(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Uint8Array<ArrayBuffer> {
  const { maxSize } = options;
  if (data.length < LzmaHeader.size + 5) throw truncated(data.length);
  const header = LzmaHeader.read(data);
  const size = header.uncompressedSize === SIZE_UNKNOWN
    ? undefined
    : header.uncompressedSize;
  if (header.properties >= 9 * 5 * 5) {
    throw damaged(0, `its properties are ${header.properties}, expected < 225`);
  }
  if (size !== undefined && size > BigInt(maxSize)) throw tooLarge(maxSize);
  return new LzmaDecoder(data, header, maxSize).run(
    size === undefined ? undefined : Number(size),
  );
}

class LzmaDecoder {
  readonly #data: Uint8Array;
  readonly #maxSize: number;
  readonly #dictionarySize: number;
  readonly #lc: number;
  readonly #lp: number;
  readonly #pb: number;
  readonly #probabilities: Uint16Array;
  /** The range coder's range and code, in an array that engines keep unboxed. */
  readonly #coder = Uint32Array.of(0xffffffff, 0);
  #at: number;
  #output: Uint8Array<ArrayBuffer>;
  #size = 0;

  constructor(
    data: Uint8Array,
    header: { properties: number; dictionarySize: number },
    maxSize: number,
  ) {
    this.#data = data;
    this.#maxSize = maxSize;
    this.#dictionarySize = Math.max(header.dictionarySize, 1 << 12);
    this.#lc = header.properties % 9;
    this.#lp = Math.floor(header.properties / 9) % 5;
    this.#pb = Math.floor(header.properties / 45);
    this.#probabilities = new Uint16Array(
      LITERAL + (0x300 << (this.#lc + this.#lp)),
    ).fill(1024);
    this.#output = new Uint8Array(Math.min(FIRST_OUTPUT, maxSize));
    this.#at = LzmaHeader.size;
    if (data[this.#at++] !== 0) {
      throw damaged(this.#at - 1, "the first byte is not 0");
    }
    for (let i = 0; i < 4; i++) {
      this.#coder[1] = this.#coder[1]! << 8 | data[this.#at++]!;
    }
  }

  run(size: number | undefined): Uint8Array<ArrayBuffer> {
    const posMask = (1 << this.#pb) - 1;
    let state = 0;
    let rep0 = 0, rep1 = 0, rep2 = 0, rep3 = 0;
    while (size === undefined || this.#size < size) {
      if (this.#at > this.#data.length) throw truncated(this.#data.length);
      const posState = this.#size & posMask;
      if (this.#bit(IS_MATCH + state * 16 + posState) === 0) {
        this.#literal(state >= 7 ? rep0 + 1 : 0);
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let length: number;
      if (this.#bit(IS_REP + state) === 0) {
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        length = this.#length(MATCH_LENGTH, posState);
        state = state < 7 ? 7 : 10;
        rep0 = this.#distance(length);
        if (rep0 === 0xffffffff) {
          if (size !== undefined) throw this.#damaged("it ends too early");
          break;
        }
      } else {
        if (this.#bit(IS_REP_G0 + state) === 0) {
          if (this.#bit(IS_REP0_LONG + state * 16 + posState) === 0) {
            state = state < 7 ? 9 : 11;
            this.#copy(rep0 + 1, 1, size);
            continue;
          }
        } else {
          let distance: number;
          if (this.#bit(IS_REP_G1 + state) === 0) distance = rep1;
          else {
            if (this.#bit(IS_REP_G2 + state) === 0) distance = rep2;
            else {
              distance = rep3;
              rep3 = rep2;
            }
            rep2 = rep1;
          }
          rep1 = rep0;
          rep0 = distance;
        }
        length = this.#length(REP_LENGTH, posState);
        state = state < 7 ? 8 : 11;
      }
      this.#copy(rep0 + 1, length + 2, size);
    }
    if (this.#at > this.#data.length) throw truncated(this.#data.length);
    return this.#output.subarray(0, this.#size);
  }

  #bit(index: number): 0 | 1 {
    const coder = this.#coder, probabilities = this.#probabilities;
    const probability = probabilities[index]!;
    let range = coder[0]!, code = coder[1]!;
    const bound = (range >>> 11) * probability;
    let bit: 0 | 1;
    if (code < bound) {
      range = bound;
      probabilities[index] = probability + (2048 - probability >>> 5);
      bit = 0;
    } else {
      range -= bound;
      code -= bound;
      probabilities[index] = probability - (probability >>> 5);
      bit = 1;
    }
    if (range < 0x1000000) {
      range = range << 8;
      code = code << 8 | this.#data[this.#at++]!;
    }
    coder[0] = range;
    coder[1] = code;
    return bit;
  }

  /** A bit of even chance. */
  #direct(): number {
    const coder = this.#coder;
    let range = coder[0]! >>> 1, code = coder[1]!;
    const bit = code >= range ? 1 : 0;
    if (bit === 1) code -= range;
    if (range < 0x1000000) {
      range = range << 8;
      code = code << 8 | this.#data[this.#at++]!;
    }
    coder[0] = range;
    coder[1] = code;
    return bit;
  }

  #tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) {
      symbol = symbol << 1 | this.#bit(base + symbol);
    }
    return symbol - (1 << bits);
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1, value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol);
      symbol = symbol << 1 | bit;
      value |= bit << i;
    }
    return value;
  }

  #length(base: number, posState: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + 2 + posState * 8, 3);
    if (this.#bit(base + 1) === 0) {
      return 8 + this.#tree(base + 2 + 128 + posState * 8, 3);
    }
    return 16 + this.#tree(base + 2 + 256, 8);
  }

  /** One less than the distance; 0xffffffff marks the end. */
  #distance(length: number): number {
    const slot = this.#tree(POS_SLOT + Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | slot & 1) << bits >>> 0;
    if (slot < 14) {
      return high + this.#reverseTree(POS_SPECIAL + high - slot, bits);
    }
    let middle = 0;
    for (let i = 0; i < bits - 4; i++) middle = middle << 1 | this.#direct();
    return high + (middle * 16) + this.#reverseTree(POS_ALIGN, 4);
  }

  /** @param distance Of the byte that a match would have given, 0 after a literal. */
  #literal(distance: number): void {
    const at = this.#size;
    const before = at === 0 ? 0 : this.#output[at - 1]!;
    const context = ((at & (1 << this.#lp) - 1) << this.#lc) +
      (before >> 8 - this.#lc);
    const base = LITERAL + 0x300 * context;
    let symbol = 1;
    if (distance > 0) {
      this.#checkDistance(distance);
      let match = this.#output[at - distance]!;
      while (symbol < 0x100) {
        const expected = match >> 7 & 1;
        match <<= 1;
        const bit = this.#bit(base + (1 + expected << 8) + symbol);
        symbol = symbol << 1 | bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = symbol << 1 | this.#bit(base + symbol);
    this.#reserve(1);
    this.#output[this.#size++] = symbol;
  }

  #copy(distance: number, length: number, size: number | undefined): void {
    this.#checkDistance(distance);
    if (size !== undefined && this.#size + length > size) {
      throw this.#damaged("a match goes beyond the end");
    }
    this.#reserve(length);
    const output = this.#output;
    let at = this.#size;
    for (let i = 0; i < length; i++, at++) output[at] = output[at - distance]!;
    this.#size = at;
  }

  #checkDistance(distance: number): void {
    if (distance > this.#size || distance > this.#dictionarySize) {
      throw this.#damaged("a match begins before the start");
    }
  }

  #reserve(length: number): void {
    const size = this.#size + length;
    if (size <= this.#output.length) return;
    if (size > this.#maxSize) throw tooLarge(this.#maxSize);
    const grown = new Uint8Array(
      Math.min(this.#maxSize, this.#output.length * 2),
    );
    grown.set(this.#output.subarray(0, this.#size));
    this.#output = grown;
  }

  #damaged(what: string): FormatError {
    // Bytes past the end read as zeros, and what they decode to may be wrong in any way.
    return this.#at > this.#data.length
      ? truncated(this.#data.length)
      : damaged(this.#at, what);
  }
}

function damaged(offset: number, what: string): FormatError {
  return new FormatError(
    "lzma.damaged",
    `Cannot decode lzma data at or before byte ${offset}: ${what}; the file may be damaged`,
    { facts: { offset } },
  );
}

function truncated(offset: number): FormatError {
  return new FormatError(
    "lzma.truncated",
    `Cannot decode lzma data: it ends after ${offset} bytes, expected more; the file may be cut short`,
    { facts: { offset } },
  );
}

function tooLarge(maxSize: number): FormatError {
  return new FormatError(
    "lzma.output-limit",
    `Cannot decode lzma data: it holds more bytes than the limit, expected at most ${maxSize}`,
    { facts: { maxSize } },
  );
}
