/**
 * The contract of everything that yields bytes, from a file to a partition inside a compressed disk.
 *
 * @module
 */

/** What every wait accepts. */
export interface ReadOptions {
  /** Stops waiting; the read rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Random-access, read-only bytes. Equal `identity` and offset means equal bytes, for ever.
 *
 * Readers are shared: any number of reads may be under way at once, and none disturbs another.
 */
export interface BlockReader {
  /** Preferred alignment in bytes, a power of two. Reads need not be aligned to it. */
  readonly blockSize: number;
  /** Bytes in all. */
  readonly size: number;
  /** What people call it, for messages: a path or a link as it was given. */
  readonly name: string;
  /** Names the content, not only the place: it differs when the bytes may differ. */
  readonly identity: string;
  /**
   * Fills `into` from byte `offset`.
   *
   * `into` belongs to the reader until the promise settles, and is left alone afterwards; when it
   * rejects, what `into` holds is undefined.
   *
   * @returns The bytes filled: `into.length`, fewer only at the end, 0 at or past the end.
   * @throws {RangeError} when `offset` is negative or not a safe integer.
   * @throws {ReadError | FormatError} when the right bytes cannot be had. Never zeros instead.
   */
  read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number>;
}

/** A reader that holds something open, such as a file handle. */
export interface ClosableReader extends BlockReader {
  /** Releases what is held. Reads that start later reject with `read.closed`; twice is fine. */
  close(): Promise<void>;
}
