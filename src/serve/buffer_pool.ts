/** Least bytes of a buffer: smaller ones would save nothing. */
const MIN_BYTES = 4096;

/**
 * Buffers that are used again. Fresh memory of 1 MiB costs more than filling it.
 *
 * Keeps at most `maxBytes` for later. A buffer that is never given back is collected as usual.
 */
export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** Makes an empty pool. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Gives `length` bytes that hold anything. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const size = sizeOf(length);
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) {
      return new Uint8Array(new ArrayBuffer(size), 0, length);
    }
    this.#bytes -= size;
    return new Uint8Array(buffer, 0, length);
  }

  /** Takes back what {@linkcode take} gave; nobody may use it any more. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength;
    if (this.#bytes + size > this.#maxBytes) return;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
    this.#bytes += size;
  }
}

/** A power of two, so that buffers fit again. */
function sizeOf(length: number): number {
  let size = MIN_BYTES;
  while (size < length) size *= 2;
  return size;
}
