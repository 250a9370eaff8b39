import { withCache } from "../block/cache.ts";
import { withCoalescing } from "../block/coalesce.ts";
import { withMerging } from "../block/merge.ts";
import { checkCount } from "../block/range.ts";
import { withReadAhead } from "../block/read_ahead.ts";
import type { BlockReader } from "../block/reader.ts";

/**
 * Bytes fetched for a small read, aligned. Taking kernel, modules and device tree out of Debian in
 * erofs costs, besides the kernel (zstd; requests, MiB): 8 KiB 64, 0.9; 16 KiB 59, 1.3; 32 KiB 54,
 * 1.9; 64 KiB 49, 3.2; 128 KiB 39, 5.0.
 */
const PAGE_SIZE = 32 << 10;
/** Reads larger than this know what they want: content, not metadata. */
const MAX_PAGED_READ = 128 << 10;
/**
 * Read along rather than asked for apart: what 50 ms are worth at 20 Mbit/s. With 128 KiB instead of
 * 32 that boot image takes 50 requests and 2 % more bytes, instead of 55.
 */
const MERGE_GAP = 128 << 10;
const MERGE_BYTES = 8 << 20;
/**
 * What is fetched ahead of a stream: 50 ms at 160 MB/s, in windows of a quarter of it. These are requests
 * of their own, so that one is used while others are under way.
 */
const AHEAD_MIN = 64 << 10;
const AHEAD_MAX = 8 << 20;
const AHEAD_STREAMS = 4;

/** Bounds of {@linkcode withHttpAccess}. */
export interface HttpAccessOptions {
  /** Most bytes of small reads to keep, at least 32 KiB; 16 MiB when absent. */
  readonly cacheBytes?: number | undefined;
}

/**
 * Makes few requests of many reads: the one stack to put on a file that is far away.
 *
 * Small reads come in pages of 32 KiB, which are kept; what is asked for at the same time, and lies
 * within 128 KiB of each other, comes by one request of up to 8 MiB; equal reads under way are done
 * once; who reads in sequence is read ahead of. Large reads, from 128 KiB on, cost the bytes that they
 * ask for. A request ends when the last one who waits for it has left.
 *
 * Identity, name, size and block size are those of `reader`; closing is still the business of who
 * opened it. Memory: `cacheBytes`, 32 MiB ahead of streams, and what is under way.
 *
 * @param reader That of `openHttp()`, or a store on it, with {@linkcode withHttpMerging} between.
 * @throws {RangeError} when `cacheBytes` is less than a page
 *
 * @example
 * ```ts
 * import { openMemory } from "../block/memory.ts";
 * import { withRecord } from "../block/record.ts";
 * import { withHttpAccess } from "./access.ts";
 *
 * const far = withRecord(openMemory(new Uint8Array(1 << 20)));
 * const reader = withHttpAccess(far);
 * const read = (offset: number) => reader.read(offset, new Uint8Array(512));
 * await Promise.all([read(1024), read(4096), read(50_000)]);
 * await read(8192);
 * console.assert(far.report.requests === 1);
 * ```
 */
export function withHttpAccess(
  reader: BlockReader,
  options: HttpAccessOptions = {},
): BlockReader {
  const maxBytes = checkCount(
    "cacheBytes",
    options.cacheBytes ?? 16 << 20,
    PAGE_SIZE,
  );
  const merged = withHttpMerging(reader);
  const ahead = withReadAhead(withCoalescing(merged), {
    min: AHEAD_MIN,
    max: AHEAD_MAX,
    streams: AHEAD_STREAMS,
  });
  return withCache(ahead, {
    pageSize: PAGE_SIZE,
    maxRead: MAX_PAGED_READ,
    maxBytes,
  });
}

/**
 * One request of reads that are asked for at the same time and lie within 128 KiB of each other, up to
 * 8 MiB: the part of {@linkcode withHttpAccess} that belongs below a store, which asks for just what it
 * lacks, in pieces.
 */
export function withHttpMerging(reader: BlockReader): BlockReader {
  return withMerging(reader, {
    gap: MERGE_GAP,
    maxBytes: MERGE_BYTES,
    // windows of who reads in sequence: several are under way
    maxRead: AHEAD_MAX / 4 - 1,
  });
}
