/**
 * Which extents of a content are kept, for what implements the contract of `store.ts`.
 *
 * @module
 */

import { checkCount } from "./range.ts";

/** One extent that is kept. */
export interface KeptExtent {
  readonly index: number;
  /** Bytes, at least 1. */
  readonly length: number;
  /** Check sum of its bytes. */
  readonly sum: number;
}

/** Extents by their index, with lengths and check sums. Memory: 9 bytes an extent. */
export class StoreExtents {
  /** Bytes of each extent but the last. */
  readonly extentSize: number;
  #size: number | undefined;
  #lengths = new Uint32Array(64);
  #sums = new Uint32Array(64);
  #trusted = new Uint8Array(64);
  #bytes = 0;

  /** An empty map; `size` is that of the content, when known. */
  constructor(extentSize: number, size?: number) {
    this.extentSize = extentSize;
    this.#size = size;
  }

  /** Bytes of the content. */
  get size(): number | undefined {
    return this.#size;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** States the size; extents that do not agree with it are forgotten. */
  finish(size: number): void {
    this.#size = size;
    for (let index = 0; index < this.#lengths.length; index++) {
      const length = this.#lengths[index]!;
      if (length > 0 && !this.#fits(index, length)) this.forget(index);
    }
  }

  /**
   * Takes an extent in, in place of what was known of it.
   *
   * @param trusted Its bytes were just compared with `sum`. What is known already stays trusted.
   * @returns `false`, and does nothing, when the content has no such extent.
   */
  keep({ index, length, sum }: KeptExtent, trusted: boolean): boolean {
    if (!this.#fits(index, length)) return false;
    this.#grow(index);
    const same = this.#lengths[index] === length && this.#sums[index] === sum;
    this.#bytes += length - this.#lengths[index]!;
    this.#lengths[index] = length;
    this.#sums[index] = sum;
    if (trusted) this.#trusted[index] = 1;
    else if (!same) this.#trusted[index] = 0;
    return true;
  }

  /** The extent is not kept any more. */
  forget(index: number): void {
    if (index >= this.#lengths.length) return;
    this.#bytes -= this.#lengths[index]!;
    this.#lengths[index] = 0;
    this.#trusted[index] = 0;
  }

  /** No extent is kept any more. */
  clear(): void {
    this.#lengths.fill(0);
    this.#trusted.fill(0);
    this.#bytes = 0;
  }

  /** What is known of an extent; `undefined` when it is not kept. */
  get(index: number): KeptExtent | undefined {
    const length = this.#lengths[index] ?? 0;
    return length === 0
      ? undefined
      : { index, length, sum: this.#sums[index]! };
  }

  /** Its bytes were compared with its sum in this program. */
  isTrusted(index: number): boolean {
    return this.#trusted[index] === 1;
  }

  /** Its bytes were compared with `sum`, and are right. */
  trust(index: number, sum: number): void {
    // it may have been replaced while they were compared
    if (this.#sums[index] === sum && this.#lengths[index]! > 0) {
      this.#trusted[index] = 1;
    }
  }

  /** Whether every extent that the range touches is kept, as far as the range goes. */
  has(offset: number, size: number): boolean {
    const end = offset + size;
    for (let at = offset; at < end;) {
      const index = Math.floor(at / this.extentSize);
      const reach = index * this.extentSize + (this.#lengths[index] ?? 0);
      if (reach <= at) return false;
      at = reach;
    }
    return true;
  }

  #fits(index: number, length: number): boolean {
    if (length === 0 || length > this.extentSize) return false;
    const start = index * this.extentSize;
    if (!Number.isSafeInteger(start)) return false;
    return this.#size === undefined ||
      length === Math.min(this.extentSize, this.#size - start);
  }

  #grow(index: number): void {
    const before = this.#lengths.length;
    if (index < before) return;
    let length = before;
    while (length <= index) length *= 2;
    if (this.#size !== undefined) {
      length = Math.min(length, Math.ceil(this.#size / this.extentSize));
    }
    this.#lengths = enlarged(this.#lengths, new Uint32Array(length));
    this.#sums = enlarged(this.#sums, new Uint32Array(length));
    this.#trusted = enlarged(this.#trusted, new Uint8Array(length));
  }
}

/** A part of some bytes that makes up one extent, at most. */
export interface ExtentPart {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * Cuts bytes that begin at `offset` into extents.
 *
 * @throws {RangeError} when `offset` is no multiple of `extentSize`.
 */
export function cutIntoExtents(
  offset: number,
  bytes: Uint8Array,
  extentSize: number,
): ExtentPart[] {
  const first = checkCount("offset in extents", offset / extentSize);
  return Array.from(
    { length: Math.ceil(bytes.length / extentSize) },
    (_, i) => ({
      index: first + i,
      bytes: bytes.subarray(i * extentSize, (i + 1) * extentSize),
    }),
  );
}

function enlarged<T extends Uint32Array | Uint8Array>(before: T, into: T): T {
  into.set(before);
  return into;
}
