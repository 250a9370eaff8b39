/**
 * The compressed parts that Linux accepts one after the other in an initramfs: where each ends, and
 * what it holds.
 *
 * @module
 */

import { concat } from "../../bytes/concat.ts";
import { FormatError, isCoded } from "../../errors.ts";
import {
  decodeXzIndex,
  lz4DecodeBlock,
  lz4FrameDecode,
  parseXzStreamFooter,
  XZ_STREAM_HEADER_SIZE,
  xzDecode,
  zstdDecode,
} from "../../wasm/codecs.ts";
import { gunzipMember } from "../../wasm/gzip_member.ts";
import { fault, type Place } from "./errors.ts";

/** How a part is compressed. */
export type Compression = "gzip" | "xz" | "zstd" | "lz4" | "lz4-legacy";

/** A part, unpacked. */
export interface Part {
  readonly content: Uint8Array;
  /** Bytes it takes in the file. */
  readonly size: number;
}

const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
  ["lz4-legacy", [0x02, 0x21, 0x4c, 0x18]],
];
/** What kernels may unpack and we do not. Linux, lib/decompress.c. */
const UNREAD: readonly (readonly [string, readonly number[]])[] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzma", [0x5d, 0x00, 0x00]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
];

const startsWith = (
  bytes: Uint8Array,
  offset: number,
  magic: readonly number[],
) => magic.every((byte, i) => bytes[offset + i] === byte);

/**
 * How the part at `offset` is compressed; `undefined` when it begins like none that we know.
 *
 * @throws {FormatError} `cpio.unsupported-compression`
 */
export function findCompression(
  bytes: Uint8Array,
  offset: number,
  place: Place,
): Compression | undefined {
  const found = MAGICS.find(([, magic]) => startsWith(bytes, offset, magic));
  if (found !== undefined) return found[0];
  const unread = UNREAD.find(([, magic]) => startsWith(bytes, offset, magic));
  if (unread === undefined) return undefined;
  throw fault(
    "unsupported-compression",
    place,
    offset,
    `found ${
      unread[0]
    } compression, expected gzip, xz, zstd, lz4 or none; unpack and compress it again`,
    { compression: unread[0] },
  );
}

/**
 * Unpacks the part at `offset`.
 *
 * @param maxSize Bytes of content at which it fails.
 * @throws {FormatError} `cpio.too-large`, `cpio.damaged-part` with the codec's error as its cause
 */
export async function unpackPart(
  bytes: Uint8Array,
  offset: number,
  compression: Compression,
  maxSize: number,
  place: Place,
): Promise<Part> {
  const data = bytes.subarray(offset);
  try {
    switch (compression) {
      case "gzip":
        return await gunzipMember(data, { maxSize });
      case "zstd": {
        const size = zstdFrameSize(data);
        const frame = data.subarray(0, size);
        return { content: await zstdDecode(frame, { maxSize }), size };
      }
      case "lz4": {
        const size = lz4FrameSize(data);
        const frame = data.subarray(0, size);
        return { content: await lz4FrameDecode(frame, { maxSize }), size };
      }
      case "lz4-legacy":
        return await unpackLz4Legacy(data, maxSize);
      case "xz": {
        const size = await xzStreamSize(data);
        const stream = data.subarray(0, size);
        return { content: await xzDecode(stream, { maxSize }), size };
      }
    }
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    if (cause.code.endsWith(".output-limit")) {
      throw fault(
        "too-large",
        place,
        offset,
        `the ${compression} part holds more bytes than are left of the limit, expected at most ${maxSize}`,
        { maxSize, compression },
        cause,
      );
    }
    throw fault(
      "damaged-part",
      place,
      offset,
      `the ${compression} part cannot be unpacked: ${cause.message}`,
      { compression },
      cause,
    );
  }
}

/** Bytes that `size` at `at` leaves: no more than there are, so that the decoder says what is missing. */
const within = (data: Uint8Array, size: number) => Math.min(size, data.length);

const viewOf = (data: Uint8Array) =>
  new DataView(data.buffer, data.byteOffset, data.length);

/** RFC 8878, section 3.1.1: a header whose size its second part tells, blocks, perhaps a check sum. */
function zstdFrameSize(data: Uint8Array): number {
  if (data.length < 5) return data.length;
  const descriptor = data[4]!;
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let at = 5 + (single ? 0 : 1) + dictionary + contentSize;
  while (at + 3 <= data.length) {
    const header = data[at]! | data[at + 1]! << 8 | data[at + 2]! << 16;
    const repeated = (header >> 1 & 3) === 1; // one byte stands for all
    at += 3 + (repeated ? 1 : header >> 3);
    if ((header & 1) === 0) continue;
    return within(data, at + ((descriptor & 4) !== 0 ? 4 : 0));
  }
  return data.length;
}

/** lz4_Frame_format.md: descriptor, blocks that tell their sizes, an end mark, perhaps a check sum. */
function lz4FrameSize(data: Uint8Array): number {
  if (data.length < 7) return data.length;
  const view = viewOf(data);
  const flags = data[4]!;
  const blockSum = (flags & 0x10) !== 0 ? 4 : 0;
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  while (at + 4 <= data.length) {
    const size = view.getUint32(at, true) & 0x7fffffff;
    at += 4;
    if (size === 0) return within(data, at + ((flags & 0x04) !== 0 ? 4 : 0));
    at += size + blockSum;
  }
  return data.length;
}

const LEGACY_MAGIC = 0x184c2102;
const LEGACY_BLOCK = 8 << 20;
/** LZ4_COMPRESSBOUND of a block. */
const LEGACY_BOUND = LEGACY_BLOCK + Math.floor(LEGACY_BLOCK / 255) + 16;

/** Legacy frames have no end mark: a block of less than 8 MiB is the last one, or none can follow. */
async function unpackLz4Legacy(
  data: Uint8Array,
  maxSize: number,
): Promise<Part> {
  const view = viewOf(data);
  const pieces: Uint8Array[] = [];
  let at = 4, total = 0;
  while (at + 4 <= data.length) {
    const size = view.getUint32(at, true);
    if (size === LEGACY_MAGIC) {
      at += 4;
      continue;
    }
    if (size === 0 || size > LEGACY_BOUND) break;
    const block = data.subarray(at + 4, at + 4 + size);
    const piece = await lz4DecodeBlock(block, { maxSize: LEGACY_BLOCK });
    at += 4 + block.length;
    total += piece.length;
    if (total > maxSize) {
      throw new FormatError(
        "lz4.output-limit",
        `Cannot decode lz4 data: it holds more bytes than the limit, expected at most ${maxSize}`,
        { facts: { maxSize } },
      );
    }
    pieces.push(piece);
    if (piece.length < LEGACY_BLOCK) break;
  }
  return {
    content: pieces.length === 1 ? pieces[0]! : concat(pieces),
    size: at,
  };
}

/**
 * Finds where the first stream ends: at the first footer whose index describes exactly what stands
 * before it. The streams themselves do not tell.
 *
 * xz-file-format.txt, section 2.1
 */
async function xzStreamSize(data: Uint8Array): Promise<number> {
  const size = XZ_STREAM_HEADER_SIZE;
  for (let end = 2 * size + 8; end <= data.length; end += 4) {
    if (data[end - 2] !== 0x59 || data[end - 1] !== 0x5a) continue;
    try {
      const { indexSize } = await parseXzStreamFooter(
        data.subarray(end - size, end),
      );
      const index = end - size - indexSize;
      if (index < size) continue;
      const { blocksSize } = await decodeXzIndex(
        data.subarray(index, end - size),
        { maxBlocks: indexSize },
      );
      if (index === size + blocksSize) return end;
    } catch (error) {
      if (!isCoded(error)) throw error; // else only data that looks like a footer
    }
  }
  return data.length;
}
