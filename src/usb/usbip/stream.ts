/**
 * Bytes both ways: what USB/IP runs over.
 *
 * @module
 */

import { concat } from "../../bytes/concat.ts";

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

/** Closes a stream that the other side may have closed first, which some runtimes throw at. */
export function closeStream(stream: ByteStream): void {
  try {
    stream.close();
  } catch {
    // It is closed.
  }
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
/** Chunk made by joining, about. */
const JOINED_BYTES = 64 << 10;

/** A header, and data behind it that is not copied unless it is short. */
interface Message {
  readonly header: Uint8Array;
  readonly data: Uint8Array | undefined;
}

/**
 * Writes messages in order; short ones that were given in one turn of the event loop go out together.
 */
export class ByteSink {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onError: (error: unknown) => void;
  #queue: Message[] = [];
  /** Settles when nothing is being written. */
  #writing: Promise<void> | undefined;
  #over = false;

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

  /** Puts a message behind all that were given before. It must not change until it is written. */
  write(header: Uint8Array, data?: Uint8Array): void {
    if (this.#over) return;
    this.#queue.push({ header, data });
    this.#writing ??= this.#run();
  }

  /** Drops what was not begun, and ends the stream behind the last whole message. */
  async end(): Promise<void> {
    this.#over = true;
    this.#queue = [];
    await this.#writing;
    await this.#writer.close().catch(() => {});
  }

  /** Drops what was not written, and the connection. */
  abort(): void {
    this.#over = true;
    this.#queue = [];
    this.#writer.abort().catch(() => {});
  }

  async #run(): Promise<void> {
    try {
      await undefined; // the rest of this turn may give more
      while (this.#queue.length > 0) {
        for (const chunk of this.#take()) await this.#writer.write(chunk);
      }
      this.#writing = undefined;
    } catch (error) {
      this.#over = true;
      this.#queue = [];
      this.#onError(error);
    }
  }

  /** Whole messages: short ones as one chunk, and one that is not short behind them. */
  #take(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let size = 0;
    let count = 0;
    let large: Uint8Array | undefined;
    while (count < this.#queue.length && size < JOINED_BYTES && !large) {
      const { header, data } = this.#queue[count++]!;
      pieces.push(header);
      size += header.length;
      if (data === undefined) continue;
      if (data.length > JOIN_BYTES) large = data;
      else {
        pieces.push(data);
        size += data.length;
      }
    }
    this.#queue.splice(0, count);
    const chunk = pieces.length === 1 ? pieces[0]! : concat(pieces);
    return large === undefined ? [chunk] : [chunk, large];
  }
}
