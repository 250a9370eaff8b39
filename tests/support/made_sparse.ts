/**
 * Android sparse images, chunk by chunk.
 *
 * @module
 */

import { ChunkHeader, SparseHeader } from "../../src/format/sparse/layout.ts";
import { crc32 } from "../../src/wasm/checksum.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One chunk to make. */
export type MadeChunk =
  | { readonly raw: Uint8Array }
  | { readonly fill: number; readonly blocks: number }
  | { readonly skip: number }
  | { readonly crc: number | "right" };

/** What an image is made with, besides its chunks. */
export interface MadeSparseOptions {
  /** 4096 when absent. */
  readonly blockSize?: number;
  /** Bytes of headers, what is more than usual filled with 0xee. */
  readonly fileHeaderSize?: number;
  readonly chunkHeaderSize?: number;
  readonly imageChecksum?: number | "right";
}

/** Makes an image and the content that it stands for. */
export async function madeSparse(
  chunks: readonly MadeChunk[],
  options: MadeSparseOptions = {},
): Promise<{ image: Bytes; content: Bytes }> {
  const { blockSize = 4096, fileHeaderSize = 28, chunkHeaderSize = 12 } =
    options;
  const pieces: Bytes[] = [];
  const content: Bytes[] = [];
  let blocks = 0;
  for (const chunk of chunks) {
    let data: Uint8Array = new Uint8Array(0);
    let count = 0;
    let type = 0xcac3;
    if ("raw" in chunk) {
      [type, data, count] = [0xcac1, chunk.raw, chunk.raw.length / blockSize];
      content.push(chunk.raw.slice() as Bytes);
    } else if ("fill" in chunk) {
      [type, data, count] = [0xcac2, word(chunk.fill), chunk.blocks];
      const filled = new Uint32Array(count * blockSize / 4).fill(chunk.fill);
      content.push(new Uint8Array(filled.buffer));
    } else if ("skip" in chunk) {
      count = chunk.skip;
      content.push(new Uint8Array(count * blockSize));
    } else {
      const sum = chunk.crc === "right"
        ? await crc32(joined(content))
        : chunk.crc;
      [type, data] = [0xcac4, word(sum)];
    }
    blocks += count;
    const header = new Uint8Array(chunkHeaderSize).fill(0xee);
    ChunkHeader.write({
      chunkType: type,
      reserved: 0,
      chunkBlocks: count,
      totalSize: chunkHeaderSize + data.length,
    }, header);
    pieces.push(header, data.slice() as Bytes);
  }
  const all = joined(content);
  const { imageChecksum = 0 } = options;
  const header = new Uint8Array(fileHeaderSize).fill(0xee);
  SparseHeader.write({
    magic: 0xed26ff3a,
    majorVersion: 1,
    minorVersion: 0,
    fileHeaderSize,
    chunkHeaderSize,
    blockSize,
    totalBlocks: blocks,
    totalChunks: chunks.length,
    imageChecksum: imageChecksum === "right" ? await crc32(all) : imageChecksum,
  }, header);
  return { image: joined([header, ...pieces]), content: all };
}

function word(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Bytes {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
