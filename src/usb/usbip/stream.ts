/**
 * Bytes both ways: what USB/IP runs over.
 *
 * @module
 */

/**
 * A connection: a socket of any runtime, a WebSocket, two pipes in memory. `Deno.Conn` fits as it is.
 *
 * Back-pressure is that of the streams. A chunk that was handed over by `readable` is never touched
 * again by the stream; one that was given to `writable` must stay as it is until it was written.
 */
export interface ByteStream {
  /** Ends when the other side closes; errors when the connection breaks. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Errors when the connection breaks. */
  readonly writable: WritableStream<Uint8Array>;
  /** Ends both directions at once. May be called again, and may throw then. */
  close(): void;
}

/** Reads a stream by lengths instead of by chunks; each byte is copied once, to where it is wanted. */
export class ByteSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** Locks `readable`. */
  constructor(readable: ReadableStream<Uint8Array>) {
    this.#reader = readable.getReader();
  }

  /**
   * Fills `into`.
   *
   * @returns Bytes filled, fewer only when the stream ended.
   */
  async fill(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const left = this.#chunk.length - this.#at;
      if (left === 0) {
        const { value, done } = await this.#reader.read();
        if (done) break;
        this.#chunk = value;
        this.#at = 0;
        continue;
      }
      const length = Math.min(left, into.length - filled);
      into.set(this.#chunk.subarray(this.#at, this.#at + length), filled);
      this.#at += length;
      filled += length;
    }
    return filled;
  }

  /** Stops reading; a `fill` that waits ends. */
  cancel(): void {
    this.#chunk = new Uint8Array(0);
    this.#at = 0;
    this.#reader.cancel().catch(() => {});
  }

  /** Gives the stream back with the bytes read too far, for whoever reads on. */
  release(): Uint8Array {
    this.#reader.releaseLock();
    return this.#chunk.subarray(this.#at);
  }
}

/** Messages up to this length are joined with their neighbours, larger ones are written as they are. */
const JOIN_BYTES = 16 << 10;
/** Chunk made by joining, at most. */
const JOINED_BYTES = 64 << 10;

/**
 * Writes byte strings in order; those given in one turn of the event loop go out together, and
 * nothing is copied but short ones.
 */
export class ByteSink {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onError: (error: unknown) => void;
  #queue: Uint8Array[] = [];
  #writing = false;

  /**
   * Locks `writable`.
   *
   * @param onError Called once when a write fails; nothing is written after that.
   */
  constructor(
    writable: WritableStream<Uint8Array>,
    onError: (error: unknown) => void,
  ) {
    this.#writer = writable.getWriter();
    // Failures come to light in `write`.
    this.#writer.closed.catch(() => {});
    this.#onError = onError;
  }

  /** Puts `pieces` behind all that was given before. They must not change until they are written. */
  write(...pieces: Uint8Array[]): void {
    this.#queue.push(...pieces);
    if (!this.#writing) this.#run();
  }

  /** Drops what was not written, and the connection. */
  abort(): void {
    this.#queue = [];
    this.#writer.abort().catch(() => {});
  }

  async #run(): Promise<void> {
    this.#writing = true;
    try {
      await undefined; // the rest of this turn may give more
      while (this.#queue.length > 0) {
        const pieces = this.#queue;
        this.#queue = [];
        for (const chunk of joinShort(pieces)) await this.#writer.write(chunk);
      }
    } catch (error) {
      this.#queue = [];
      this.#onError(error);
      return;
    }
    this.#writing = false;
  }
}

/** Joins neighbours that are short. */
function* joinShort(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let first = 0;
  while (first < pieces.length) {
    let size = 0;
    let end = first;
    while (end < pieces.length) {
      const { length } = pieces[end]!;
      if (length > JOIN_BYTES || size + length > JOINED_BYTES) break;
      size += length;
      end++;
    }
    if (end - first < 2) {
      yield pieces[first++]!;
      continue;
    }
    const joined = new Uint8Array(size);
    for (let at = 0; first < end; first++) {
      joined.set(pieces[first]!, at);
      at += pieces[first]!.length;
    }
    yield joined;
  }
}
