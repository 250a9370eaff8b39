/**
 * Android sparse images on disk, see AOSP system/core/libsparse/sparse_format.h. All little-endian.
 *
 * @module
 */

import { struct, u16, u32 } from "../../bytes/struct.ts";

/** First four bytes. */
export const SPARSE_HEADER_MAGIC = 0xed26ff3a;
/** Blocks as they are follow. */
export const CHUNK_TYPE_RAW = 0xcac1;
/** Four bytes follow, which are repeated. */
export const CHUNK_TYPE_FILL = 0xcac2;
/** Nothing follows: the blocks may hold anything, we give zeros. */
export const CHUNK_TYPE_DONT_CARE = 0xcac3;
/** CRC-32 of all content before it follows. */
export const CHUNK_TYPE_CRC32 = 0xcac4;

/** Of the file. */
export const SparseHeader = struct("sparse header", {
  magic: u32,
  majorVersion: u16,
  minorVersion: u16,
  fileHeaderSize: u16,
  chunkHeaderSize: u16,
  blockSize: u32,
  totalBlocks: u32,
  totalChunks: u32,
  imageChecksum: u32,
});

/** Of each chunk. */
export const ChunkHeader = struct("chunk header", {
  chunkType: u16,
  reserved: u16,
  /** Blocks of content. */
  chunkBlocks: u32,
  /** Bytes in the file, this header included. */
  totalSize: u32,
});
