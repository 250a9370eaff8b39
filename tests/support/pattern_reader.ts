/**
 * An export whose bytes say where they are from, and that can fail or be slow.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import { ReadError } from "../../src/errors.ts";

/** Fills `into` with the pattern from byte `offset` on, a multiple of 4: word i is i * 0x9e3779b1. */
export function fillPattern(offset: number, into: Uint8Array): void {
  if (offset % 4 !== 0 || into.byteOffset % 4 !== 0 || into.length % 4 !== 0) {
    throw new RangeError(`Cannot fill ${into.length} bytes at ${offset}`);
  }
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length / 4);
  let value = Math.imul(offset / 4, 0x9e3779b1);
  for (let i = 0; i < words.length; i++) {
    words[i] = value;
    value = (value + 0x9e3779b1) | 0;
  }
}

/** The pattern that the test guest compares with, as a disk. */
export class PatternReader implements BlockReader {
  readonly blockSize = 4096;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  /** Reads that touch one of these ranges fail. Bytes, with start and without end. */
  failing: { start: number; end: number }[] = [];
  /** Waited for before each read; 0 is not. */
  delayMs = 0;
  /** Reads under way, and the most that ever were. */
  running = 0;
  most = 0;
  reads = 0;

  /** @param size Bytes, at most 16 GiB. */
  constructor(size: number, name = "pattern") {
    this.size = size;
    this.name = name;
    this.identity = `${name}:${size}`;
  }

  async read(
    offset: number,
    into: Uint8Array,
    options: ReadOptions = {},
  ): Promise<number> {
    options.signal?.throwIfAborted();
    this.reads++;
    this.most = Math.max(this.most, ++this.running);
    try {
      if (this.delayMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, this.delayMs));
        options.signal?.throwIfAborted();
      }
      const length = Math.max(0, Math.min(into.length, this.size - offset));
      const end = offset + length;
      if (this.failing.some((one) => one.start < end && one.end > offset)) {
        throw new ReadError(
          "read.failed",
          `Cannot read ${length} bytes at byte ${offset} of "${this.name}": they are bad on purpose`,
        );
      }
      fillPattern(offset, into.subarray(0, length));
      return length;
    } finally {
      this.running--;
    }
  }
}
