/**
 * Local files as readers, on Deno, Bun and Node alike.
 *
 * @module
 */

import fs from "node:fs";
import { resolve } from "node:path";
import { setImmediate } from "node:timers";
import { promisify } from "node:util";
import { abortable } from "../../block/abortable.ts";
import { clampRead } from "../../block/range.ts";
import type { ClosableReader, ReadOptions } from "../../block/reader.ts";
import { type ErrorCode, ReadError } from "../../errors.ts";
import { systemCode } from "./system_error.ts";

// Reads of cached data, microseconds each, best of 3 (ext4, 2 cores):
//
//              4 KiB          64 KiB         256 KiB        1 MiB
//              sync  async    sync  async    sync  async    sync  async
//   Deno 2.9   2.7   83       8     159      22    149      612   223
//   Bun 1.4    2.0   135      6     94       20    96       84    208
//   Node 20    2.4   103      7     76       22    55       443   127
//
// Up to 256 KiB a synchronous read ends 3 to 40 times sooner and blocks for 25 µs, less than the
// hop to a thread costs the event loop. Larger ones, and all where a read may wait for a network
// or a slow disk, are asynchronous.
const SYNC_BYTES = 256 << 10;

/** A synchronous read that took this long shows that the data is not in memory. */
const SLOW_MS = 2;
/** So many reads are asynchronous then, until a synchronous one is tried again. */
const SLOW_READS = 64;

/** Reads that answer at once let no timer or USB event in between: after this long, one does. */
const TURN_MS = 8;

/**
 * How long a check that the file is unchanged holds. Linux stamps changes with the clock of its
 * timer tick (4 ms at 250 Hz), a finer check would see no more; on Deno one costs 15 µs.
 */
const CHECK_MS = 4;

/** Bytes that one call reads, and the most that a cancelled read leaves to be done for nobody. */
const CHUNK_BYTES = 1 << 20;

/** File systems that ask another machine or program (`linux/magic.h`, `statfs(2)`). */
const REMOTE = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x65735546, // FUSE
  0x01021997, // 9p
  0x00c36400, // Ceph
  0x5346414f, // AFS
  0x786f4256, // VirtualBox shared folder
]);

const open = promisify(fs.open);
const close = promisify(fs.close);
const stat = promisify(fs.stat) as unknown as (
  path: string,
  options: { bigint: true },
) => Promise<fs.BigIntStats>;

/**
 * Opens a regular file.
 *
 * The identity is made of the absolute path, size, time of change and inode. A file that changes
 * while it is open is noticed by the reads that follow, at most 4 ms late: `read.changed`. One
 * that is replaced by another under the same name goes on giving the bytes it had.
 *
 * Small reads of local files are synchronous inside, as long as they are quick; with a signal,
 * larger ones cost one more copy. Open at most as many as the system has file handles.
 *
 * @throws {ReadError} `file.not-found`, `file.permission-denied`, `file.is-directory`,
 * `file.not-regular` (a device, pipe or socket), `file.open-failed`.
 * Reads: `read.changed`, `read.failed`, `read.closed`.
 *
 * @example
 * ```ts
 * import { openFile } from "./file.ts";
 *
 * const file = await openFile(import.meta.filename!);
 * await file.read(0, new Uint8Array(16));
 * await file.close();
 * ```
 */
export async function openFile(
  path: string,
  options: ReadOptions = {},
): Promise<ClosableReader> {
  options.signal?.throwIfAborted();
  try {
    // Before opening it: to open a pipe waits for who writes into it.
    checkRegular(path, await stat(path, { bigint: true }));
    const fd = await open(path, "r");
    try {
      options.signal?.throwIfAborted();
      const stats = fs.fstatSync(fd, { bigint: true });
      checkRegular(path, stats);
      return new FileReader(fd, path, stats, isRemote(path));
    } catch (error) {
      await close(fd);
      throw error;
    }
  } catch (error) {
    throw openError(path, error);
  }
}

class FileReader implements ClosableReader {
  readonly blockSize = 4096;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly #fd: number;
  readonly #path: string;
  readonly #stats: fs.BigIntStats;
  readonly #remote: boolean;
  #checked = -Infinity;
  #turn = -Infinity;
  #turning: Promise<void> | undefined;
  #asyncReads = 0;
  #pending = 0;
  #idle: () => void = () => {};
  #closing: Promise<void> | undefined;
  #spare: Uint8Array | undefined;

  constructor(
    fd: number,
    path: string,
    stats: fs.BigIntStats,
    remote: boolean,
  ) {
    this.#fd = fd;
    this.#path = path;
    this.#stats = stats;
    this.#remote = remote;
    this.size = Number(stats.size);
    this.name = path;
    this.identity = `file:${
      resolve(path)
    }:${stats.size}:${stats.mtimeNs}:${stats.dev}-${stats.ino}`;
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    signal?.throwIfAborted();
    if (this.#closing !== undefined) {
      throw new ReadError(
        "read.closed",
        `Cannot read ${this.#where(offset)}: it is closed`,
        { facts: { path: this.#path, offset } },
      );
    }
    if (count === 0) return 0;
    const sync = count <= SYNC_BYTES && this.#mayBlock();
    const start = performance.now();
    if (sync && start - this.#turn <= TURN_MS) {
      return this.#readSync(offset, into, count, start);
    }
    this.#pending++;
    try {
      if (sync) {
        await this.#letOthersIn();
        signal?.throwIfAborted();
        return this.#readSync(offset, into, count, this.#turn);
      }
      for (let done = 0; done < count;) {
        const part = into.subarray(done, Math.min(count, done + CHUNK_BYTES));
        done += signal === undefined
          ? await this.#readAsync(offset + done, part)
          : await this.#readAside(offset + done, part, signal);
      }
      this.#check(offset, performance.now());
      return count;
    } finally {
      this.#release();
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    // A handle closed under a read could be given to another file before the read uses it.
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    await close(this.#fd);
  }

  #release(): void {
    if (--this.#pending === 0) this.#idle();
  }

  #mayBlock(): boolean {
    if (this.#remote) return false;
    if (this.#asyncReads === 0) return true;
    this.#asyncReads--;
    return false;
  }

  /** Waits for one turn of the event loop; an asynchronous read is none for Deno's timers. */
  #letOthersIn(): Promise<void> {
    return this.#turning ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turning = undefined;
        this.#turn = performance.now();
        resolve();
      });
    });
  }

  #readSync(
    offset: number,
    into: Uint8Array,
    count: number,
    start: number,
  ): number {
    for (let done = 0; done < count;) {
      let got: number;
      try {
        got = fs.readSync(this.#fd, into, done, count - done, offset + done);
      } catch (error) {
        throw this.#failed(offset + done, error);
      }
      if (got === 0) throw this.#changed(offset + done);
      done += got;
    }
    const end = performance.now();
    if (end - start > SLOW_MS) this.#asyncReads = SLOW_READS;
    this.#check(offset, end);
    return count;
  }

  /** One read into `part`, at least one byte. */
  #readAsync(offset: number, part: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, part, 0, part.length, offset, (error, got) => {
        if (error) reject(this.#failed(offset, error));
        else if (got === 0) reject(this.#changed(offset));
        else resolve(got);
      });
    });
  }

  /** As above by way of other memory: a read by the system cannot be stopped. */
  async #readAside(
    offset: number,
    part: Uint8Array,
    signal: AbortSignal,
  ): Promise<number> {
    const kept = this.#spare;
    this.#spare = undefined;
    const aside = kept !== undefined && kept.length >= part.length
      ? kept
      : new Uint8Array(part.length);
    this.#pending++;
    const work = this.#readAsync(offset, aside.subarray(0, part.length))
      .then((got) => {
        if (!signal.aborted) part.set(aside.subarray(0, got));
        return got;
      })
      .finally(() => {
        // Only now: until here the system or the copy uses it.
        this.#spare = aside;
        this.#release();
      });
    return await abortable(work, signal);
  }

  #check(offset: number, now: number): void {
    if (now - this.#checked < CHECK_MS) return;
    const { size, mtimeNs } = fs.fstatSync(this.#fd, { bigint: true });
    if (size !== this.#stats.size || mtimeNs !== this.#stats.mtimeNs) {
      throw this.#changed(offset);
    }
    this.#checked = now;
  }

  #where(offset: number): string {
    return `byte ${offset} of ${JSON.stringify(this.#path)}`;
  }

  #changed(offset: number): ReadError {
    const { size } = fs.fstatSync(this.#fd, { bigint: true });
    return new ReadError(
      "read.changed",
      `Cannot read ${
        this.#where(offset)
      }: the file was changed while it was open (now ${size} bytes, ${this.size} before); start again`,
      {
        facts: { path: this.#path, offset, size: this.size, sizeNow: size },
      },
    );
  }

  #failed(offset: number, cause: unknown): ReadError {
    return new ReadError(
      "read.failed",
      `Cannot read ${this.#where(offset)}: ${systemReason(cause)}`,
      { facts: { path: this.#path, offset }, cause },
    );
  }
}

function checkRegular(path: string, stats: fs.BigIntStats): void {
  if (stats.isFile()) return;
  const shown = JSON.stringify(path);
  throw stats.isDirectory()
    ? new ReadError(
      "file.is-directory",
      `Cannot open ${shown}: found a directory, expected a file`,
      { facts: { path } },
    )
    : new ReadError(
      "file.not-regular",
      `Cannot open ${shown}: found a device, pipe or socket, expected a file; copy it into a file first`,
      { facts: { path } },
    );
}

function openError(path: string, error: unknown): unknown {
  const reasons: Record<string, [ErrorCode, string]> = {
    ENOENT: ["file.not-found", "there is no such file"],
    ENOTDIR: ["file.not-found", "part of the path is not a directory"],
    EACCES: ["file.permission-denied", "permission denied"],
    EPERM: ["file.permission-denied", "permission denied"],
  };
  const system = systemCode(error);
  if (system === "") return error;
  const [code, reason] = reasons[system] ??
    ["file.open-failed", systemReason(error)];
  return new ReadError(
    code,
    `Cannot open ${JSON.stringify(path)}: ${reason}`,
    { facts: { path, system }, cause: error },
  );
}

function systemReason(error: unknown): string {
  return systemCode(error) || String(error);
}

function isRemote(path: string): boolean {
  try {
    // 32 bits that some runtimes give with a sign.
    return REMOTE.has(fs.statfsSync(path).type >>> 0);
  } catch {
    return false;
  }
}
