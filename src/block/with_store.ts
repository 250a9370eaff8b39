import { isCoded, ReadError } from "../errors.ts";
import { withCoalescing } from "./coalesce.ts";
import { clampRead } from "./range.ts";
import { fillExactly } from "./read_exactly.ts";
import type { BlockReader, ClosableReader, ReadOptions } from "./reader.ts";
import type { ContentStore, StoredContent } from "./store.ts";

/** Most bytes of one read that are fetched, and held in memory, at once. */
const PIECE_BYTES = 16 << 20;

/** A reader with a store before it. */
export interface StoredReader extends ClosableReader {
  /** Bytes that the store answered and that had to be fetched, so far. */
  readonly report: StoreReport;
}

/** What a store was good for. */
export interface StoreReport {
  /** Bytes that callers got from the store. */
  readonly kept: number;
  /** Bytes that were fetched, in whole extents. */
  readonly fetched: number;
}

/**
 * Keeps what is read in a store, and reads it from there next time.
 *
 * Whole extents are fetched, extents side by side by one read, those apart at the same time. Extents
 * that are on their way already are waited for, not fetched twice. A read that fails or is cancelled
 * leaves nothing. A store that cannot be used is done without; what it lost is fetched again. When
 * the source says `read.changed` or `http.changed`, what the store has of it is given up.
 *
 * Name, size, identity and block size are those of `reader`. Memory: a read takes as much again for
 * what has to be fetched, 16 MiB at most.
 *
 * @returns Closing it lets what was kept outlast the program, and leaves `reader` as it is. Reads
 * after that reject with `read.closed`.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { memoryStore } from "./memory_store.ts";
 * import { withRecord } from "./record.ts";
 * import { withStore } from "./with_store.ts";
 *
 * const source = withRecord(openMemory(new Uint8Array(65536)));
 * const reader = await withStore(source, memoryStore());
 * await reader.read(0, new Uint8Array(100));
 * await reader.read(50, new Uint8Array(100));
 * console.assert(source.report.requests === 1);
 * await reader.close();
 * ```
 */
export async function withStore(
  reader: BlockReader,
  store: ContentStore,
  options: ReadOptions = {},
): Promise<StoredReader> {
  const { identity, name, size } = reader;
  let content: StoredContent | undefined;
  try {
    content = await store.open({ identity, name, size }, options);
  } catch {
    // without a place to keep it, it is read all the same
    options.signal?.throwIfAborted();
  }
  if (content !== undefined && content.size !== size) {
    await content.drop();
    await content.close();
    content = undefined;
  }
  return new Stored(reader, content);
}

/** A part of a read whose extents are all kept, or all not. */
interface Run {
  readonly start: number;
  end: number;
  readonly kept: boolean;
}

class Stored implements StoredReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly report = { kept: 0, fetched: 0 };
  readonly #content: StoredContent | undefined;
  readonly #extentSize: number;
  /** Fetches whole extents and keeps them; what is under way is shared. */
  readonly #source: BlockReader;
  readonly #writes = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(reader: BlockReader, content: StoredContent | undefined) {
    this.blockSize = reader.blockSize;
    this.size = reader.size;
    this.name = reader.name;
    this.identity = reader.identity;
    this.#content = content;
    this.#extentSize = content?.extentSize ?? 1;
    this.#source = withCoalescing({
      blockSize: reader.blockSize,
      size: reader.size,
      name: reader.name,
      identity: reader.identity,
      read: (offset, into, options) =>
        this.#fetchAndKeep(reader, offset, into, options),
    });
  }

  async read(
    offset: number,
    into: Uint8Array,
    options: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options.signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closed(this.name, offset);
    if (count === 0) return 0;
    const part = into.subarray(0, count);
    const runs = this.#runs(offset, offset + count);
    if (runs.length === 1) {
      await this.#readRun(runs[0]!, offset, part, options);
      return count;
    }
    // All have to end before the buffer is the caller's again.
    const ends = await Promise.allSettled(
      runs.map((run) => this.#readRun(run, offset, part, options)),
    );
    options.signal?.throwIfAborted();
    for (const end of ends) {
      if (end.status === "rejected") throw end.reason;
    }
    return count;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#writes);
    await this.#content?.close();
  }

  #runs(offset: number, end: number): Run[] {
    const content = this.#content;
    if (content === undefined) return [{ start: offset, end, kept: false }];
    if (content.has(offset, end - offset)) {
      return [{ start: offset, end, kept: true }];
    }
    const runs: Run[] = [];
    for (let start = offset; start < end;) {
      const index = Math.floor(start / this.#extentSize);
      const stop = Math.min(end, (index + 1) * this.#extentSize);
      const kept = content.has(start, stop - start);
      const last = runs.at(-1);
      if (last !== undefined && last.kept === kept) last.end = stop;
      else runs.push({ start, end: stop, kept });
      start = stop;
    }
    return runs;
  }

  async #readRun(
    { start, end, kept }: Run,
    offset: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<void> {
    const part = into.subarray(start - offset, end - offset);
    if (kept && await this.#readKept(start, part, options)) return;
    for (let done = 0; done < part.length;) {
      const piece = part.subarray(done, done + PIECE_BYTES);
      await this.#fetch(start + done, piece, options);
      done += piece.length;
    }
  }

  async #readKept(
    offset: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<boolean> {
    try {
      if (!await this.#content!.read(offset, into, options)) return false;
    } catch {
      options.signal?.throwIfAborted();
      return false;
    }
    this.report.kept += into.length;
    return true;
  }

  async #fetch(
    offset: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<void> {
    const unit = this.#extentSize;
    const start = Math.floor(offset / unit) * unit;
    const end = Math.min(
      this.size,
      Math.ceil((offset + into.length) / unit) * unit,
    );
    // Never the caller's buffer: he may leave, or change it while the store still writes.
    const bytes = new Uint8Array(end - start);
    await fillExactly(this.#source, start, bytes, options);
    into.set(bytes.subarray(offset - start, offset - start + into.length));
  }

  async #fetchAndKeep(
    reader: BlockReader,
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    try {
      await fillExactly(reader, offset, into, options);
    } catch (error) {
      if (isCoded(error, "read.changed", "http.changed")) {
        await this.#content?.drop();
      }
      throw error;
    }
    this.report.fetched += into.length;
    if (this.#content === undefined) return into.length;
    const write = this.#content.write(offset, into).catch(() => {});
    this.#writes.add(write);
    await write;
    this.#writes.delete(write);
    return into.length;
  }
}

function closed(name: string, offset: number): ReadError {
  return new ReadError(
    "read.closed",
    `Cannot read byte ${offset} of "${name}": it is closed`,
    { facts: { offset } },
  );
}
