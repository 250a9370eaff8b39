import type { BlockReader, ReadOptions } from "./reader.ts";
import { fillExactly } from "./read_exactly.ts";
import { checkCount, checkPowerOfTwo, clampRead } from "./range.ts";

/** Bounds of {@linkcode withCache}. */
export interface CacheOptions {
  /** Most bytes to keep, at least one page; 16 MiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes kept and dropped together, a power of two; 16 KiB or the block size when absent. */
  readonly pageSize?: number | undefined;
  /** Most bytes of one read that are kept; a quarter of `maxBytes` when absent. */
  readonly maxRead?: number | undefined;
}

/** A reader that can answer at once from what it keeps. */
export interface CachedReader extends BlockReader {
  /** Bytes kept together; pages begin at multiples of it. */
  readonly pageSize: number;
  /**
   * The bytes from `offset` when all of them lie in one page that is kept, else `undefined`.
   *
   * A view, not a copy: must not be written to. It stays valid, and holds its page in memory, for
   * as long as it is referenced, also after the page has been dropped.
   */
  readCached(offset: number, size: number): Uint8Array | undefined;
}

/**
 * Keeps the pages read last, bounded by bytes.
 *
 * Missing pages that lie side by side are fetched by one read. A read of more than `maxRead`
 * goes into the caller's buffer directly, as it is, and is not kept. Nothing of a failed or
 * cancelled read is kept. Reads under way are not shared: put
 * `withCoalescing` below for that.
 *
 * Identity and block size are those of `reader`. Memory: `maxBytes`, plus the pages of the reads
 * under way.
 *
 * @throws {RangeError} when `pageSize` is not a power of two or `maxBytes` is less than a page.
 *
 * @example
 * ```ts
 * import { withCache } from "./cache.ts";
 * import { openMemory } from "./memory.ts";
 *
 * const reader = withCache(openMemory(new Uint8Array(65536)), { maxBytes: 1 << 20 });
 * await reader.read(0, new Uint8Array(4));
 * console.assert(reader.readCached(100, 8)?.length === 8);
 * ```
 */
export function withCache(
  reader: BlockReader,
  options: CacheOptions = {},
): CachedReader {
  const pageSize = checkPowerOfTwo(
    "pageSize",
    options.pageSize ?? Math.max(reader.blockSize, 16384),
  );
  const maxBytes = checkCount(
    "maxBytes",
    options.maxBytes ?? Math.max(16 << 20, pageSize),
    pageSize,
  );
  const maxRead = checkCount(
    "maxRead",
    options.maxRead ?? Math.max(pageSize, Math.floor(maxBytes / 4)),
  );
  return new PageCache(reader, pageSize, maxBytes, maxRead);
}

interface Page {
  readonly index: number;
  readonly bytes: Uint8Array;
  newer: Page | undefined;
  older: Page | undefined;
}

class PageCache implements CachedReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly pageSize: number;
  readonly #inner: BlockReader;
  readonly #maxPages: number;
  readonly #bypass: number;
  readonly #pages = new Map<number, Page>();
  // Least recently used order as a list, because moving a key within a Map costs ten times a hit.
  #newest: Page | undefined;
  #oldest: Page | undefined;

  constructor(
    inner: BlockReader,
    pageSize: number,
    maxBytes: number,
    maxRead: number,
  ) {
    this.#inner = inner;
    this.blockSize = inner.blockSize;
    this.size = inner.size;
    this.name = inner.name;
    this.identity = inner.identity;
    this.pageSize = pageSize;
    this.#maxPages = Math.floor(maxBytes / pageSize);
    this.#bypass = maxRead;
  }

  readCached(offset: number, size: number): Uint8Array | undefined {
    const index = Math.floor(offset / this.pageSize);
    const page = this.#find(index);
    if (page === undefined) return undefined;
    const start = offset - index * this.pageSize;
    const end = start + size;
    if (end > page.bytes.length) return undefined;
    return page.bytes.subarray(start, end);
  }

  read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    // The whole range in one kept page is by far the most frequent case: no `async` frame for it.
    if (offset >= 0 && into.length > 0 && !options?.signal?.aborted) {
      const bytes = this.readCached(offset, into.length);
      if (bytes !== undefined && Number.isSafeInteger(offset)) {
        into.set(bytes);
        return Promise.resolve(into.length);
      }
    }
    return this.#readPages(offset, into, options);
  }

  async #readPages(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options?.signal?.throwIfAborted();
    if (count === 0) return 0;
    const first = Math.floor(offset / this.pageSize);
    const end = Math.floor((offset + count - 1) / this.pageSize) + 1;
    // Kept pages are copied now, they may be dropped while the others are fetched.
    const runs: { first: number; end: number }[] = [];
    for (let index = first; index < end; index++) {
      const page = this.#find(index);
      const run = runs.at(-1);
      if (page !== undefined) {
        copyOverlap(page.bytes, index * this.pageSize, into, offset, count);
      } else if (run?.end === index) run.end++;
      else runs.push({ first: index, end: index + 1 });
    }
    const head = runs[0];
    const tail = runs.at(-1);
    if (head === undefined || tail === undefined) return count;
    if (count > this.#bypass) {
      const start = Math.max(offset, head.first * this.pageSize);
      const stop = Math.min(offset + count, tail.end * this.pageSize);
      const part = into.subarray(start - offset, stop - offset);
      await fillExactly(this.#inner, start, part, options);
      return count;
    }
    const fetched = runs.length === 1
      ? [await this.#fetch(head.first, head.end, options)]
      : await Promise.all(
        runs.map((run) => this.#fetch(run.first, run.end, options)),
      );
    for (const [i, run] of runs.entries()) {
      const bytes = fetched[i]!;
      copyOverlap(bytes, run.first * this.pageSize, into, offset, count);
    }
    return count;
  }

  /** Fetches the pages from `first` up to `end` by one read and keeps them. */
  async #fetch(
    first: number,
    end: number,
    options: ReadOptions | undefined,
  ): Promise<Uint8Array> {
    const start = first * this.pageSize;
    const stop = Math.min(end * this.pageSize, this.size);
    const bytes = new Uint8Array(stop - start);
    await fillExactly(this.#inner, start, bytes, options);
    if (end - first === 1) this.#keep(first, bytes);
    else {
      // Copies: one kept page must not hold the memory of the whole run.
      for (let index = first; index < end; index++) {
        const from = (index - first) * this.pageSize;
        this.#keep(index, bytes.slice(from, from + this.pageSize));
      }
    }
    return bytes;
  }

  #find(index: number): Page | undefined {
    const newest = this.#newest;
    if (newest !== undefined && newest.index === index) return newest;
    const page = this.#pages.get(index);
    if (page !== undefined) {
      this.#unlink(page);
      this.#linkNewest(page);
    }
    return page;
  }

  #keep(index: number, bytes: Uint8Array): void {
    if (this.#pages.has(index)) return;
    const page: Page = { index, bytes, newer: undefined, older: undefined };
    this.#pages.set(index, page);
    this.#linkNewest(page);
    const oldest = this.#oldest;
    if (this.#pages.size > this.#maxPages && oldest !== undefined) {
      this.#pages.delete(oldest.index);
      this.#unlink(oldest);
    }
  }

  #linkNewest(page: Page): void {
    page.older = this.#newest;
    page.newer = undefined;
    if (this.#newest === undefined) this.#oldest = page;
    else this.#newest.newer = page;
    this.#newest = page;
  }

  #unlink(page: Page): void {
    if (page.newer === undefined) this.#newest = page.older;
    else page.newer.older = page.older;
    if (page.older === undefined) this.#oldest = page.newer;
    else page.older.newer = page.newer;
    page.newer = page.older = undefined;
  }
}

/** Copies what `bytes`, which begin at `start`, share with the `count` bytes wanted at `offset`. */
function copyOverlap(
  bytes: Uint8Array,
  start: number,
  into: Uint8Array,
  offset: number,
  count: number,
): void {
  const from = Math.max(start, offset);
  const to = Math.min(start + bytes.length, offset + count);
  into.set(bytes.subarray(from - start, to - start), from - offset);
}
