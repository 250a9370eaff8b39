/**
 * The file of bytes of a cache entry: positional reads and writes that end before it is closed.
 *
 * @module
 */

import fs from "node:fs";
import { setImmediate } from "node:timers";
import { promisify } from "node:util";
import { abortable } from "../../block/abortable.ts";

// As in file.ts, where the figures stand: what is in the system's memory is read sooner at once than
// by way of a thread.
const SYNC_BYTES = 256 << 10;
/** From a disk, one large read ends sooner than several small ones. */
const ASYNC_BYTES = 1 << 20;
const SLOW_MS = 2;
const SLOW_READS = 64;
const TURN_MS = 8;

const open = promisify(fs.open);
const close = promisify(fs.close);
const sync = promisify(fs.fdatasync);

/** An open file that is read and written anywhere. Errors are those of the system. */
export class DataFile {
  readonly #fd: number;
  #slowReads = 0;
  #turn = performance.now();
  #pending = 0;
  #idle: () => void = () => {};

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a file that is there, for reading, and with `write` for both. */
  static async open(path: string, write: boolean): Promise<DataFile> {
    return new DataFile(await open(path, write ? "r+" : "r"));
  }

  /** Bytes of the file. */
  get size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  /**
   * Fills `into`; when it rejects with `signal.reason`, `into` is left alone from then on.
   *
   * @returns `false` when the file ends before.
   */
  async read(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    this.#pending++;
    try {
      for (let done = 0; done < into.length;) {
        if (performance.now() - this.#turn > TURN_MS) {
          // reads that answer at once let no timer or USB event in between
          await new Promise<void>((resolve) => setImmediate(resolve));
          this.#turn = performance.now();
          signal?.throwIfAborted();
        }
        const at = offset + done;
        const got = this.#slowReads > 0
          ? await this.#readAside(
            at,
            into.subarray(done, done + ASYNC_BYTES),
            signal,
          )
          : this.#readSync(at, into.subarray(done, done + SYNC_BYTES));
        if (got === 0) return false;
        done += got;
      }
      return true;
    } finally {
      this.#release();
    }
  }

  /** Writes all of `bytes`. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#pending++;
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.#write(offset + done, bytes.subarray(done));
      }
    } finally {
      this.#release();
    }
  }

  /** What was written outlasts a loss of power from now on. */
  async sync(): Promise<void> {
    this.#pending++;
    try {
      await sync(this.#fd);
    } finally {
      this.#release();
    }
  }

  /** Waits for what is under way: a handle closed under it could be given to another file. */
  async close(): Promise<void> {
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    await close(this.#fd);
  }

  #readSync(offset: number, part: Uint8Array): number {
    const start = performance.now();
    const got = fs.readSync(this.#fd, part, 0, part.length, offset);
    if (performance.now() - start > SLOW_MS) this.#slowReads = SLOW_READS;
    return got;
  }

  /** By way of other memory: a read by the system cannot be stopped. */
  async #readAside(
    offset: number,
    part: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    this.#slowReads--;
    const aside = signal === undefined ? part : new Uint8Array(part.length);
    this.#pending++;
    const work = new Promise<number>((resolve, reject) =>
      fs.read(
        this.#fd,
        aside,
        0,
        aside.length,
        offset,
        (error, got) => error ? reject(error) : resolve(got),
      )
    ).finally(() => this.#release());
    const got = await abortable(work, signal);
    if (aside !== part) part.set(aside.subarray(0, got));
    return got;
  }

  #write(offset: number, bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) =>
      fs.write(
        this.#fd,
        bytes,
        0,
        bytes.length,
        offset,
        (error, count) => error ? reject(error) : resolve(count),
      )
    );
  }

  #release(): void {
    if (--this.#pending === 0) this.#idle();
  }
}
