/**
 * Codecs, check sums and cpio packing, done by the WASM core.
 *
 * Each call is asynchronous only until the core is loaded; then it works on the caller's thread. For
 * work off it, see `pool.ts`. Output limits are the caller's: no header is trusted with memory.
 *
 * @module
 */
export { bzip2Decode, bzip2DecodeStream } from "./bzip2.ts";
export { crc32, crc32c } from "./checksum.ts";
export { type CpioEntry, packCpio } from "./cpio.ts";
export {
  deflateRaw,
  gunzip,
  gunzipStream,
  gzip,
  inflateRaw,
  inflateZlib,
  KERNEL_GZIP_LEVEL,
} from "./deflate.ts";
export { CoreError } from "./errors.ts";
export {
  lz4DecodeBlock,
  lz4FrameDecode,
  lz4FrameDecodeStream,
  lz4FrameEncode,
  lz4LegacyDecode,
  lz4LegacyEncode,
} from "./lz4.ts";
export {
  decodeMicroLzma,
  decodeXzBlock,
  lzmaDecode,
  type XzBlockOptions,
  xzBlockStream,
  xzDecode,
  type XzDecodeOptions,
  xzDecodeStream,
} from "./xz.ts";
export {
  decodeXzIndex,
  parseXzStreamFooter,
  parseXzStreamHeader,
  XZ_STREAM_HEADER_SIZE,
  type XzBlock,
  type XzCheck,
  type XzIndex,
  type XzStreamFooter,
  type XzStreamHeader,
} from "./xz_index.ts";
export {
  zstdDecode,
  type ZstdDecodeOptions,
  zstdDecodeStream,
  zstdEncode,
} from "./zstd.ts";
