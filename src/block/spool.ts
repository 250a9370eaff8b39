import { FormatError, isCoded, ReadError } from "../errors.ts";
import { abortable, onAbort } from "./abortable.ts";
import { memoryStore } from "./memory_store.ts";
import { clampRead } from "./range.ts";
import type { ClosableReader, ReadOptions } from "./reader.ts";
import { type Sink, SpoolPass } from "./spool_pass.ts";
import type { SpoolOptions, StoredContent, StoreKey } from "./store.ts";

/** Most that is kept in memory when there is no store. */
const MEMORY_BYTES = 256 << 20;
/** Bytes that work goes on ahead of who reads, unless told otherwise. */
const AHEAD_BYTES = 4 << 20;
/** Between two reports of progress. */
const PROGRESS_MS = 100;

/** Content that can only be made from its start to its end, and how it is made. */
export interface Spoolable extends SpoolOptions {
  /** What it is; without a size, nothing can be read before all of it was made once. */
  readonly key: StoreKey;
  /**
   * Starts the work: gives the content from its first byte on. May be called again, when what was
   * kept is lost, and must give the same then. `signal` ends the work.
   */
  readonly source: (
    signal: AbortSignal,
  ) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>;
  /**
   * Bytes that the work goes on ahead of who reads; `Infinity` to do all of it at once, 4 MiB when
   * absent.
   */
  readonly ahead?: number | undefined;
}

/**
 * Opens content that can only be made from its start, such as a compressed stream, for random access.
 *
 * What was made is kept in `store`. Reads behind the front of the work are answered from there; reads
 * before it wait for it. The work rests when nobody waits and it is `ahead` of all who read: it goes
 * on from there with the next read, and ends with `close()`. When the store has everything already,
 * no work is done at all. What the store lost or had no room for is made again from the start.
 *
 * With `key.size` it opens at once. Without, the work runs to its end first, which
 * `options.signal` cancels. Without a store at most 256 MiB are kept, in memory.
 *
 * When the work fails, those who wait for it fail with its error, and the next read starts it anew.
 * When it fails because the content is damaged (any {@linkcode FormatError}) or not what it was any
 * more (`read.changed`, `http.changed`), all that was kept of it is given up.
 *
 * @returns Reader with identity and name of `key`. Memory: 1 MiB, and what the work takes.
 * @throws {ReadError} `store.no-room` when there is no store, and more than 256 MiB to keep.
 * Reads, and opening without a size: the errors of the work, {@linkcode FormatError}
 * `spool.wrong-size` when it ends before or after `key.size`; `read.closed`.
 *
 * @example
 * ```ts
 * import { openSpooled } from "./spool.ts";
 *
 * const reader = await openSpooled({
 *   key: { identity: "hello:1", name: "hello" },
 *   source: () => new Blob(["hello"]).stream(),
 * });
 * console.assert(reader.size === 5);
 * await reader.close();
 * ```
 */
export async function openSpooled(content: Spoolable): Promise<ClosableReader> {
  const { key, store, signal } = content;
  signal?.throwIfAborted();
  let kept: StoredContent | undefined;
  try {
    kept = await store?.open(key, { signal });
    if (
      kept?.size !== undefined && key.size !== undefined &&
      kept.size !== key.size
    ) {
      await kept.drop();
      await kept.close();
      kept = undefined;
    }
  } catch {
    signal?.throwIfAborted();
  }
  const inMemory = kept === undefined;
  if (inMemory && (key.size ?? 0) > MEMORY_BYTES) throw noRoom(key);
  kept ??= await memoryStore({ maxBytes: MEMORY_BYTES }).open(key);
  const spool = new Spool(content, kept, inMemory);
  try {
    if (kept.size === undefined) await spool.makeAll(signal);
    else if (content.ahead === Infinity) spool.begin();
    return spool;
  } catch (error) {
    await spool.close();
    throw error;
  }
}

/** A read that waits for bytes that the work has not come to. */
interface Waiter {
  /** First byte not yet filled. */
  at: number;
  readonly end: number;
  /** Takes bytes from `at`. */
  take(bytes: Uint8Array): void;
  done(): void;
  fail(error: unknown): void;
}

class Spool implements ClosableReader, Sink {
  readonly blockSize = 4096;
  readonly name: string;
  readonly identity: string;
  readonly #content: Spoolable;
  readonly #kept: StoredContent;
  readonly #inMemory: boolean;
  readonly #ahead: number;
  readonly #waiters = new Set<Waiter>();
  #size: number | undefined;
  #pass: SpoolPass | undefined;
  /** Where the last read ended: the work goes `ahead` of it. */
  #wanted = 0;
  #told = -Infinity;
  #closing: Promise<void> | undefined;

  constructor(content: Spoolable, kept: StoredContent, inMemory: boolean) {
    this.#content = content;
    this.#kept = kept;
    this.#inMemory = inMemory;
    this.#ahead = content.ahead ?? AHEAD_BYTES;
    this.#size = kept.size;
    this.name = content.key.name;
    this.identity = content.key.identity;
  }

  get size(): number {
    return this.#size ?? 0;
  }

  async read(
    offset: number,
    into: Uint8Array,
    options: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options.signal?.throwIfAborted();
    this.#checkOpen(offset);
    const kept = this.#kept;
    const unit = kept.extentSize;
    let unreadable = false;
    for (let done = 0; done < count;) {
      const at = offset + done;
      const rest = into.subarray(done, count);
      // extent by extent, where a part is kept and a part still to be made
      const part = kept.has(at, rest.length)
        ? rest
        : rest.subarray(0, unit - at % unit);
      if (!unreadable && kept.has(at, part.length)) {
        if (await this.#readKept(at, part, options)) done += part.length;
        else unreadable = kept.has(at, part.length);
        this.#checkOpen(at);
        continue;
      }
      const made = this.#pass?.copy(at, rest) ?? 0;
      if (made > 0) {
        done += made;
        const end = at + made;
        // behind the last byte the work may still find damage
        if (end === this.#size) {
          await this.#waitFor(end, new Uint8Array(0), options.signal);
        }
        continue;
      }
      const missing = rest.subarray(0, this.#missing(at, rest.length));
      await this.#waitFor(at, missing, options.signal);
      done += missing.length;
    }
    return count;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Starts the work, when it is not done. */
  begin(): void {
    if (!this.#kept.has(0, this.size)) this.#work();
  }

  /** Does the work to its end. */
  async makeAll(signal: AbortSignal | undefined): Promise<void> {
    this.#wanted = Infinity;
    const end = new Promise<void>((resolve, reject) => {
      this.#waiters.add({
        at: Infinity,
        end: Infinity,
        take: () => {},
        done: resolve,
        fail: reject,
      });
    });
    this.#work();
    await abortable(end, signal);
    this.#wanted = 0;
  }

  /** As far as the work shall go now, of the pass. */
  get target(): number {
    let target = this.#wanted;
    for (const { end } of this.#waiters) target = Math.max(target, end);
    target += this.#ahead;
    // only what comes behind the last byte shows that it was the last, and that it was right
    return this.#size !== undefined && target >= this.#size ? Infinity : target;
  }

  /** Whether the work should rather start anew: all who wait, wait for what it has passed. */
  get passed(): boolean {
    if (this.#waiters.size === 0) return false;
    const position = this.#pass?.position ?? 0;
    for (const { at } of this.#waiters) if (at >= position) return false;
    return true;
  }

  take(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (this.#size !== undefined && end > this.#size) {
      throw this.#wrongSize(end);
    }
    if (this.#inMemory && end > MEMORY_BYTES) throw noRoom(this.#content.key);
    for (const waiter of this.#waiters) {
      if (waiter.at < position || waiter.at >= end) continue;
      const part = bytes.subarray(waiter.at - position, waiter.end - position);
      waiter.take(part);
      waiter.at += part.length;
      // who reads the last byte is kept until the work has proved to be at its end
      if (waiter.at === waiter.end && waiter.end !== this.#size) {
        this.#waiters.delete(waiter);
        waiter.done();
      }
    }
    this.#tell(end, false);
  }

  async keep(position: number, bytes: Uint8Array): Promise<void> {
    if (this.#kept.has(position, bytes.length)) return;
    // what is not kept can be made again
    await this.#kept.write(position, bytes).catch(() => {});
  }

  async ended(position: number): Promise<void> {
    if (this.#size !== undefined && position !== this.#size) {
      throw this.#wrongSize(position);
    }
    if (this.#size === undefined) {
      await this.#kept.finish(position).catch(() => {});
    }
    this.#size = position;
    this.#tell(position, true);
  }

  get extentSize(): number {
    return this.#kept.extentSize;
  }

  get end(): number {
    return this.#size ?? Infinity;
  }

  async #close(): Promise<void> {
    const error = this.#closed(0);
    const pass = this.#pass;
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
    pass?.stop(error);
    await pass?.over;
    await this.#kept.close();
  }

  async #readKept(
    offset: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<boolean> {
    try {
      if (!await this.#kept.read(offset, into, options)) return false;
    } catch {
      // it can be made again
      options.signal?.throwIfAborted();
      return false;
    }
    // behind the front it is a reader that goes on, before it one that has no need of the work
    const end = offset + into.length;
    if (end <= (this.#pass?.position ?? 0)) this.#goOn(end);
    return true;
  }

  /** Bytes from `offset`, of `size`, up to the next that are kept. */
  #missing(offset: number, size: number): number {
    const unit = this.#kept.extentSize;
    const end = offset + size;
    let at = (Math.floor(offset / unit) + 1) * unit;
    while (at < end && !this.#kept.has(at, Math.min(unit, end - at))) {
      at += unit;
    }
    return Math.min(at, end) - offset;
  }

  async #waitFor(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    this.#checkOpen(offset);
    await new Promise<void>((resolve, reject) => {
      let done = 0;
      const end = () => {
        forget();
        this.#goOn(waiter.end);
        resolve();
      };
      const fail = (error: unknown) => {
        forget();
        reject(error);
      };
      const waiter: Waiter = {
        at: offset,
        end: offset + into.length,
        take: (bytes) => {
          into.set(bytes, done);
          done += bytes.length;
        },
        done: end,
        fail,
      };
      const forget = signal === undefined ? () => {} : onAbort(signal, () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
        this.#pass?.wake();
      });
      this.#waiters.add(waiter);
      this.#work();
    });
  }

  /** Somebody has read up to `end`. */
  #goOn(end: number): void {
    if (end > this.#wanted) this.#wanted = end;
    this.#pass?.wake();
  }

  /** Starts the work when it does not run. */
  #work(): void {
    if (this.#pass !== undefined) return this.#pass.wake();
    const pass = this.#pass = new SpoolPass(this.#content.source, this);
    pass.over.then(async (error) => {
      const changed = isCoded(error, "read.changed", "http.changed");
      if (changed || error instanceof FormatError) await this.#kept.drop();
      this.#pass = undefined;
      for (const waiter of [...this.#waiters]) {
        // who waits for the end has it; who came too late for this pass waits for the next
        const ended = waiter.at === waiter.end;
        if (error === undefined && !ended) continue;
        this.#waiters.delete(waiter);
        if (error === undefined) waiter.done();
        else waiter.fail(error);
      }
      if (this.#waiters.size > 0) this.#work();
    });
  }

  #tell(done: number, last: boolean): void {
    const { onProgress, key } = this.#content;
    if (onProgress === undefined) return;
    const now = performance.now();
    if (!last && now - this.#told < PROGRESS_MS) return;
    this.#told = now;
    onProgress({ name: key.name, done, size: this.#size });
  }

  #checkOpen(offset: number): void {
    if (this.#closing !== undefined) throw this.#closed(offset);
  }

  #closed(offset: number): ReadError {
    return new ReadError(
      "read.closed",
      `Cannot read byte ${offset} of "${this.name}": it is closed`,
      { facts: { offset } },
    );
  }

  #wrongSize(found: number): FormatError {
    const size = this.#size;
    const more = found > this.size ? "at least " : "";
    return new FormatError(
      "spool.wrong-size",
      `Cannot use "${this.name}": found ${more}${found} bytes, expected ${size}; it may be damaged or cut short`,
      { facts: { found, size } },
    );
  }
}

function noRoom({ name, size }: StoreKey): ReadError {
  const found = size === undefined ? `more than ${MEMORY_BYTES}` : size;
  return new ReadError(
    "store.no-room",
    `Cannot keep "${name}" in memory: found ${found} bytes, expected at most ${MEMORY_BYTES}; it can only be read from its start to its end, so give a cache on disk room for it, or unpack it into a file first`,
    { facts: { size, maxBytes: MEMORY_BYTES } },
  );
}
