/**
 * Parts of an image that can each be decoded alone: xz blocks, zstd frames, gzip members, lz4 blocks.
 *
 * @module
 */
import type { ErrorCode } from "../../errors.ts";
import type { PieceSpec } from "../../wasm/pieces.ts";

/** Numbers of one part in the table. */
const FIELDS = 3;

/**
 * Where the parts are stored and what they hold, in the order of the content. 24 bytes each; parts
 * without content are left out.
 */
export class PartTable {
  readonly #merged: number;
  #numbers = new Float64Array(FIELDS * 16);
  #count = 0;
  #size = 0;
  #largest = 0;
  #added = 0;

  /**
   * @param merged Parts that lie side by side become one as long as that holds no more bytes of content
   * than this: for formats whose decoders take several at once. None when 0.
   */
  constructor(merged = 0) {
    this.#merged = merged;
  }

  /** Adds a part behind the others: its bytes in the image, and bytes of content. */
  add(offset: number, size: number, contentSize: number): void {
    if (contentSize === 0) return;
    this.#added++;
    if (this.#merge(offset, size, contentSize)) return;
    const at = this.#count * FIELDS;
    if (at === this.#numbers.length) {
      const larger = new Float64Array(at * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[at] = offset;
    this.#numbers[at + 1] = size;
    this.#numbers[at + 2] = this.#size;
    this.#count++;
    this.#size += contentSize;
    this.#largest = Math.max(this.#largest, contentSize);
  }

  #merge(offset: number, size: number, contentSize: number): boolean {
    const last = this.#count - 1;
    if (last < 0 || this.offset(last) + this.storedSize(last) !== offset) {
      return false;
    }
    const together = this.#size - this.start(last) + contentSize;
    if (together > this.#merged) return false;
    this.#numbers[last * FIELDS + 1]! += size;
    this.#size += contentSize;
    this.#largest = Math.max(this.#largest, together);
    return true;
  }

  get count(): number {
    return this.#count;
  }

  /** Parts with content that were added, merged or not. */
  get added(): number {
    return this.#added;
  }

  /** Bytes of content in all. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of content of the largest part. */
  get largest(): number {
    return this.#largest;
  }

  /** First byte of the part in the image. */
  offset(part: number): number {
    return this.#numbers[part * FIELDS]!;
  }

  /** Bytes of the part in the image. */
  storedSize(part: number): number {
    return this.#numbers[part * FIELDS + 1]!;
  }

  /** First byte of its content. */
  start(part: number): number {
    return this.#numbers[part * FIELDS + 2]!;
  }

  /** Byte behind the last one of its content. */
  end(part: number): number {
    return part + 1 < this.#count ? this.start(part + 1) : this.#size;
  }

  /** The part that holds byte `position` of the content, which must lie in one. */
  indexOf(position: number): number {
    let low = 0, high = this.#count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.start(middle) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Content of small parts that is worth one read and one call of a decoder. */
export const MERGED_BYTES = 512 << 10;

/** How a part is decoded. */
export interface PartCoding {
  /** What messages call it: `block 3`. */
  readonly name: string;
  readonly spec: PieceSpec;
  /** Given to the decoder before what is stored, and after it. */
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
  /** What it means when it holds more than it should; damage when absent. */
  readonly excess?: { readonly code: ErrorCode; readonly text: string };
  /** The format has no check sum over it: nothing is gained by decoding it whole first. */
  readonly unchecked?: boolean;
}

/** A part, as it lies in its image. */
export interface Part extends PartCoding {
  /** First byte in the image. */
  readonly offset: number;
  /** Bytes in the image. */
  readonly size: number;
  /** Bytes of content; undefined when only its end will tell. */
  readonly contentSize: number | undefined;
}
