/**
 * Types of the functions of `wasm/fastboop.h`, in its order. Pointers and sizes are numbers.
 *
 * @module
 */

/** `enum fb_status` */
export const Status = {
  OK: 0,
  DAMAGED: -1,
  TRUNCATED: -2,
  OUTPUT_LIMIT: -3,
  NO_MEMORY: -4,
  UNSUPPORTED: -5,
  BAD_ARGUMENT: -6,
  CHECKSUM: -7,
} as const;

/** `enum fb_block_algorithm` */
export const BlockAlgorithm = {
  LZ4: 0,
  LZMA: 1,
  DEFLATE: 2,
  ZSTD: 3,
} as const;

/** What the core exports. */
export interface CoreExports extends ErofsExports {
  fb_alloc(size: number): number;
  fb_free(pointer: number): number;
  fb_block_decode(
    algorithm: number,
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
    exact: number,
  ): number;
}

/** Parsing of erofs structures, typed where they are used. */
export interface ErofsExports {
  readonly [name: `fb_erofs_${string}`]: (...args: number[]) => number;
}
