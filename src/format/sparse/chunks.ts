import { HeaderWindow } from "../../block/header_window.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";
import {
  CHUNK_TYPE_CRC32,
  CHUNK_TYPE_DONT_CARE,
  CHUNK_TYPE_FILL,
  CHUNK_TYPE_RAW,
  ChunkHeader,
  SPARSE_HEADER_MAGIC,
  SparseHeader,
} from "./layout.ts";
import { RunTable } from "./table.ts";

/** A check sum that the file states: the CRC-32 of the first `size` bytes of content. */
export interface StatedChecksum {
  readonly size: number;
  readonly value: number;
}

/** All that headers say. */
export interface SparseLayout {
  readonly header: ReturnType<typeof SparseHeader.read>;
  readonly runs: RunTable;
  readonly checksums: readonly StatedChecksum[];
  /** Byte behind the last chunk. */
  readonly end: number;
}

/** Chunks and check sums that are kept. One chunk for each block of 16 GiB is as many. */
const MAX_RUNS = 1 << 22;

/** An error of the image, in the project's form. */
export function sparseError(
  image: BlockReader,
  code: ErrorCode,
  found: string,
  facts: Record<string, number> = {},
): FormatError {
  return new FormatError(
    code,
    `Cannot read Android sparse image "${image.name}": ${found}`,
    { facts: { name: image.name, ...facts } },
  );
}

/**
 * Reads the headers of all chunks, from one to the next: nothing says where they are. Many are fetched
 * by one read where they are close, and what lies between those that are not is passed over.
 */
export async function readChunks(
  image: BlockReader,
  options: ReadOptions,
): Promise<SparseLayout> {
  const window = new HeaderWindow(image, options);
  const header = checkHeader(image, await window.take(0, SparseHeader.size));
  const { totalChunks, totalBlocks, blockSize, chunkHeaderSize } = header;
  const runs = new RunTable();
  const checksums: StatedChecksum[] = [];
  let blocks = 0;
  let offset = header.fileHeaderSize;
  for (let index = 0; index < totalChunks; index++) {
    if (offset + chunkHeaderSize > image.size) {
      throw truncated(image, index, totalChunks, offset, chunkHeaderSize);
    }
    // four bytes more: what a fill is filled with, and a check sum
    const room = Math.min(chunkHeaderSize + 4, image.size - offset);
    const bytes = window.held(offset, room) ?? await window.take(offset, room);
    const view = new DataView(bytes.buffer, bytes.byteOffset, room);
    const { offsets } = ChunkHeader;
    const type = view.getUint16(offsets.chunkType, true);
    const count = view.getUint32(offsets.chunkBlocks, true);
    const total = view.getUint32(offsets.totalSize, true);
    const wanted = chunkHeaderSize +
      dataSize(image, type, count, blockSize, offset);
    if (total !== wanted) {
      throw sparseError(
        image,
        "sparse.damaged",
        `chunk ${index} at byte ${offset} has ${total} bytes, expected ${wanted}; the image is damaged`,
        { chunk: index, offset, found: total, expected: wanted },
      );
    }
    if (offset + total > image.size) {
      throw truncated(image, index, totalChunks, offset, total);
    }
    const data = offset + chunkHeaderSize;
    const value = () => view.getUint32(chunkHeaderSize, true);
    if (type === CHUNK_TYPE_CRC32) {
      checksums.push({ size: runs.size, value: value() });
    } else {
      blocks += count;
      if (blocks > totalBlocks) throw wrongTotal(image, blocks, totalBlocks);
      if (type === CHUNK_TYPE_RAW) runs.addRaw(data, count * blockSize);
      else {
        const fill = type === CHUNK_TYPE_FILL ? value() : 0;
        runs.addFill(fill, count * blockSize);
      }
    }
    if (runs.count + checksums.length > MAX_RUNS) {
      throw sparseError(
        image,
        "sparse.unsupported-feature",
        `it has more than ${MAX_RUNS} chunks; make it with larger blocks, or unpack it by simg2img`,
        { chunk: index, offset },
      );
    }
    offset += total;
  }
  if (blocks !== totalBlocks) throw wrongTotal(image, blocks, totalBlocks);
  if (header.imageChecksum !== 0) {
    checksums.push({ size: runs.size, value: header.imageChecksum });
  }
  return { header, runs, checksums, end: offset };
}

/** Bytes behind the header of a chunk. */
function dataSize(
  image: BlockReader,
  type: number,
  blocks: number,
  blockSize: number,
  offset: number,
): number {
  switch (type) {
    case CHUNK_TYPE_RAW:
      return blocks * blockSize;
    case CHUNK_TYPE_FILL:
    case CHUNK_TYPE_CRC32:
      return 4;
    case CHUNK_TYPE_DONT_CARE:
      return 0;
    default:
      throw sparseError(
        image,
        "sparse.unsupported-feature",
        `chunk at byte ${offset} is of type 0x${
          type.toString(16).padStart(4, "0")
        }, expected 0xcac1 to 0xcac4; the image is damaged or newer than fastboop`,
        { offset, type },
      );
  }
}

function checkHeader(
  image: BlockReader,
  bytes: Uint8Array,
): SparseLayout["header"] {
  if (bytes.length < SparseHeader.size) {
    throw sparseError(
      image,
      "sparse.truncated",
      `it has ${bytes.length} bytes, expected at least ${SparseHeader.size}; it is cut short`,
      { size: image.size },
    );
  }
  const header = SparseHeader.read(bytes);
  const { magic, majorVersion, minorVersion } = header;
  if (magic !== SPARSE_HEADER_MAGIC) {
    throw sparseError(
      image,
      "sparse.bad-magic",
      `magic at byte 0 is 0x${
        magic.toString(16).padStart(8, "0")
      }, expected 0xed26ff3a; the file holds something else`,
      { magic },
    );
  }
  if (majorVersion !== 1) {
    throw sparseError(
      image,
      "sparse.unsupported-feature",
      `version at byte 4 is ${majorVersion}.${minorVersion}, expected 1; update fastboop`,
      { majorVersion },
    );
  }
  const { fileHeaderSize, chunkHeaderSize, blockSize, totalBlocks } = header;
  const damage = fileHeaderSize < SparseHeader.size
    ? `file header at byte 8 has ${fileHeaderSize} bytes, expected at least ${SparseHeader.size}`
    : chunkHeaderSize < ChunkHeader.size
    ? `chunk headers (byte 10) have ${chunkHeaderSize} bytes, expected at least ${ChunkHeader.size}`
    : blockSize === 0 || blockSize % 4 !== 0
    ? `block size at byte 12 is ${blockSize}, expected a multiple of 4`
    : totalBlocks * blockSize > Number.MAX_SAFE_INTEGER
    ? `it stands for ${totalBlocks} blocks of ${blockSize} bytes, expected less than 2^53 bytes`
    : undefined;
  if (damage !== undefined) {
    const text = `${damage}; the image is damaged`;
    throw sparseError(image, "sparse.damaged", text);
  }
  // each chunk takes a header: a count that is out of reach need not be tried
  const least = fileHeaderSize + header.totalChunks * chunkHeaderSize;
  if (least > image.size) {
    throw sparseError(
      image,
      "sparse.truncated",
      `it has ${image.size} bytes, expected at least ${least} for ${header.totalChunks} chunks; it is cut short`,
      { size: image.size, expected: least },
    );
  }
  return header;
}

function truncated(
  image: BlockReader,
  index: number,
  chunks: number,
  offset: number,
  size: number,
): FormatError {
  return sparseError(
    image,
    "sparse.truncated",
    `chunk ${index} of ${chunks} is said to lie at bytes ${offset} to ${
      offset + size
    }, found ${image.size}; it is cut short`,
    { chunk: index, offset, size: image.size },
  );
}

function wrongTotal(
  image: BlockReader,
  found: number,
  expected: number,
): FormatError {
  return sparseError(
    image,
    "sparse.damaged",
    `its chunks have ${
      found > expected ? "at least " : ""
    }${found} blocks, expected ${expected} (byte 16); the image is damaged`,
    { found, expected },
  );
}
