/**
 * The check sums of ext4: CRC-32C of everything since `metadata_csum`, CRC-16 of group descriptors
 * before, CRC-32 of the first checksummed journals.
 *
 * @module
 */

import { type Core, loadCore } from "../../wasm/instance.ts";

/** Bytes handed to the core at once; the largest block fits. */
const PIECE = 65536;

const loaded = new WeakMap<Core, Crc32c>();

/** CRC-32C as Linux' `crc32c()` computes it: neither start nor result inverted. */
export class Crc32c {
  readonly #core: Core;
  readonly #pointer: number;

  private constructor(core: Core) {
    this.#core = core;
    this.#pointer = core.alloc(PIECE);
  }

  /** Gets it ready, once for each core: what it gives is used without waiting. */
  static async load(): Promise<Crc32c> {
    const core = await loadCore();
    let crc = loaded.get(core);
    if (crc === undefined) {
      crc = new Crc32c(core);
      loaded.set(core, crc);
    }
    return crc;
  }

  /** The sum of `bytes`, going on from `before`. */
  sum(before: number, bytes: Uint8Array): number {
    let value = ~before >>> 0;
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      this.#core.view(this.#pointer, piece.length).set(piece);
      value = this.#core.exports.fb_crc32c(value, this.#pointer, piece.length);
    }
    return ~value >>> 0;
  }

  /** The sum of a number of 32 bits, little-endian. */
  sumU32(before: number, value: number): number {
    return this.sum(before, littleEndian(value));
  }
}

/** Where every sum of ext4 starts. */
export const CRC_START = 0xffffffff;

/** A number of 32 bits as bytes. */
export function littleEndian(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

/** CRC-16 with the reflected polynomial 0xa001, as Linux' `crc16()`. Of a few dozen bytes. */
export function crc16(before: number, bytes: Uint8Array): number {
  let sum = before;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      sum = sum & 1 ? (sum >>> 1) ^ 0xa001 : sum >>> 1;
    }
  }
  return sum;
}

let bigEndianTable: Int32Array | undefined;

/** CRC-32 with the highest bit first, as Linux' `crc32_be()`: of journals without CRC-32C. */
export function crc32BigEndian(before: number, bytes: Uint8Array): number {
  const table = bigEndianTable ??= Int32Array.from({ length: 256 }, (_, i) => {
    let sum = i << 24;
    for (let bit = 0; bit < 8; bit++) {
      sum = sum < 0 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
    }
    return sum;
  });
  let sum = before | 0;
  for (const byte of bytes) sum = (sum << 8) ^ table[(sum >>> 24) ^ byte]!;
  return sum >>> 0;
}
