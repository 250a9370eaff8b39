/**
 * What all readers of compressed images have in common.
 *
 * @module
 */
import { checkCount } from "../../block/range.ts";
import type { ClosableReader } from "../../block/reader.ts";
import type { SpoolOptions } from "../../block/store.ts";
import type { CodecPool } from "../../wasm/pool.ts";

/** Formats of compression that are opened as readers. */
export type CompressedFormat = "bzip2" | "gzip" | "lz4" | "xz" | "zstd";

/** How a compressed image is read. */
export interface DecodeOptions extends SpoolOptions {
  /** Most bytes of decoded content to keep in memory, at least 1 MiB; 64 MiB when absent. */
  readonly maxCachedBytes?: number | undefined;
  /**
   * Decodes in its workers. Without it, on the caller's thread, 10 ms at a time.
   *
   * @ignore
   */
  readonly pool?: CodecPool | undefined;
}

/**
 * Decoded content. Close it when done: it may hold decoders and an entry of the store. The image below
 * stays open.
 */
export interface CompressedReader extends ClosableReader {
  /** What it is compressed with. */
  readonly format: CompressedFormat;
  /**
   * `random`: any byte costs decoding one part of many, alone. `forward`: all of it hangs together; it
   * is decoded from its start, and kept in the store on the way.
   */
  readonly access: "random" | "forward";
  /** Bytes of the image. */
  readonly storedSize: number;
  /** Parts that can be decoded alone, where that is known: blocks, frames, members. */
  readonly parts: number | undefined;
}

const MAX_CACHED_BYTES = 64 << 20;
const LEAST_CACHED_BYTES = 1 << 20;

/** The bound that `options` state. */
export function cachedBytes(options: DecodeOptions): number {
  return checkCount(
    "maxCachedBytes",
    options.maxCachedBytes ?? MAX_CACHED_BYTES,
    LEAST_CACHED_BYTES,
  );
}
