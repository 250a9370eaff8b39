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
  MEMORY_LIMIT_REACHED: -8,
} as const;

/** `enum fb_block_algorithm` */
export const BlockAlgorithm = {
  LZ4: 0,
  LZMA: 1,
  DEFLATE: 2,
  ZSTD: 3,
} as const;

/** `enum fb_wrapper` */
export const Wrapper = { RAW: 0, ZLIB: 1, GZIP: 2 } as const;

/** `enum fb_stream_kind` */
export const StreamKind = {
  GZIP: 0,
  ZSTD: 1,
  LZ4: 2,
  XZ: 3,
  XZ_BLOCK: 4,
  RAW: 5,
  ZLIB: 6,
  LZMA: 7,
  BZIP2: 8,
} as const;

/** `struct fb_progress`: consumed, produced; two numbers of 32 bits. */
export const PROGRESS_SIZE = 8;

/** `struct fb_cpio_record`: nine numbers of 32 bits. */
export const CPIO_RECORD_SIZE = 36;

/** `struct fb_fdt_fault`: three numbers of 32 bits, then text that ends with a zero. */
export const FDT_FAULT_SIZE = 268;

/** What the core exports. */
export interface CoreExports extends ErofsExports, FdtExports {
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
  fb_crc32(sum: number, input: number, size: number): number;
  fb_crc32c(sum: number, input: number, size: number): number;
  fb_deflate_bound(size: number): number;
  fb_lz4_bound(size: number): number;
  fb_lz4_frame_bound(size: number): number;
  fb_zstd_bound(size: number): number;
  fb_deflate(
    wrapper: number,
    level: number,
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
  ): number;
  fb_lz4_encode: Encode;
  fb_lz4_frame_encode: Encode;
  fb_zstd_encode: Encode;
  fb_inflate_whole(
    wrapper: number,
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
    progress: number,
  ): number;
  fb_lz4_decode(
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
    partial: number,
  ): number;
  fb_stream_open(kind: number, option: number, memoryLimit: number): number;
  fb_stream_close(stream: number): number;
  fb_stream_run(
    stream: number,
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
    finish: number,
    progress: number,
  ): number;
  fb_cpio_heads(
    records: number,
    size: number,
    output: number,
    outputSize: number,
  ): number;
}

/** Compresses a whole buffer at a level. */
export type Encode = (
  level: number,
  input: number,
  inputSize: number,
  output: number,
  outputSize: number,
) => number;

/** Parsing of erofs structures; numbers that are not sizes or pointers are doubles. */
export interface ErofsExports {
  fb_erofs_super(input: number, size: number, out: number): number;
  fb_erofs_inode(input: number, size: number, out: number): number;
  fb_erofs_dirents(block: number, size: number, out: number): number;
  fb_erofs_lookup(
    block: number,
    size: number,
    name: number,
    nameSize: number,
    nid: number,
  ): number;
  fb_erofs_map_header(
    input: number,
    position: number,
    fileSize: number,
    compact: number,
    blockBits: number,
    map: number,
  ): number;
  fb_erofs_index_range(
    map: number,
    first: number,
    last: number,
    out: number,
  ): number;
  fb_erofs_extents(
    map: number,
    index: number,
    indexSize: number,
    indexStart: number,
    first: number,
    last: number,
    out: number,
  ): number;
  fb_erofs_decode(
    input: number,
    inputSize: number,
    inputStart: number,
    extents: number,
    count: number,
    zeroPadding: number,
    blockBits: number,
    out: number,
    outSize: number,
  ): number;
}

/** Device trees; see `enum fb_fdt_reason` for what a fault says. */
export interface FdtExports {
  fb_fdt_check(tree: number, size: number, fault: number): number;
  fb_fdt_apply(
    base: number,
    baseSize: number,
    overlay: number,
    overlaySize: number,
    output: number,
    outputSize: number,
    fault: number,
  ): number;
  fb_fdt_find(
    tree: number,
    size: number,
    by: number,
    text: number,
    textSize: number,
    fault: number,
  ): number;
  fb_fdt_get(
    tree: number,
    size: number,
    node: number,
    name: number,
    nameSize: number,
    out: number,
    fault: number,
  ): number;
  fb_fdt_set(
    tree: number,
    size: number,
    node: number,
    name: number,
    value: number,
    valueSize: number,
    output: number,
    outputSize: number,
    fault: number,
  ): number;
}
