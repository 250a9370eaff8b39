/**
 * The blocks of BGZF: gzip members of at most 64 KiB that say how large they are.
 *
 * @module
 */
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { FormatError } from "../../errors.ts";
import type { PartTable } from "../compressed/parts.ts";

/** SAM/BAM format specification, section 4.1: ID1 ID2 CM and a FLG of FEXTRA alone. */
const BGZF_START = [0x1f, 0x8b, 0x08, 0x04];
/** Header up to and with XLEN. */
const FIXED_SIZE = 12;
/** Header with the one extra field that `bgzip` writes. */
export const BGZF_HEADER_SIZE = 18;
const TRAILER_SIZE = 8;
const MAX_CONTENT = 64 << 10;
const WINDOW_SIZE = 1 << 20;
const MAX_BLOCKS = 1 << 22;

/** Whether `bytes` begin as a gzip member does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** Bytes of the block whose header begins `bytes`; undefined when it is none. */
export function bgzfBlockSize(bytes: Uint8Array): number | undefined {
  if (bytes.length < BGZF_HEADER_SIZE) return undefined;
  if (BGZF_START.some((byte, at) => bytes[at] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = Math.min(
    FIXED_SIZE + view.getUint16(10, true),
    bytes.length,
  );
  for (let at = FIXED_SIZE; at + 4 <= end;) {
    const size = view.getUint16(at + 2, true);
    const isSize = view.getUint8(at) === 0x42 && view.getUint8(at + 1) === 0x43;
    if (isSize && size === 2 && at + 6 <= end) {
      const total = view.getUint16(at + 4, true) + 1;
      return total >= end + TRAILER_SIZE ? total : undefined;
    }
    at += 4 + size;
  }
  return undefined;
}

/**
 * Goes from block to block, from byte `offset` to the end of the image, all of which it reads. What
 * follows the empty block that ends BGZF and does not begin as a gzip member is ignored.
 *
 * @returns `false` when something is no block: then the file is ordinary gzip from there on.
 * @throws {FormatError} `gzip.damaged`: no gzip member where the next block should be
 */
export async function walkBlocks(
  image: BlockReader,
  table: PartTable,
  offset: number,
  options: ReadOptions,
): Promise<boolean> {
  let start = 0;
  let window = new Uint8Array(0);
  /** Bytes at `at`; fewer at the end. */
  const look = async (at: number, size: number) => {
    const count = Math.min(size, image.size - at);
    if (at < start || at + count > start + window.length) {
      const more = Math.min(WINDOW_SIZE, image.size - at);
      window = await readExactly(image, at, more, options);
      start = at;
    }
    return window.subarray(at - start, at - start + count);
  };
  let empty = false;
  for (let at = offset; at < image.size;) {
    const head = await look(at, BGZF_HEADER_SIZE);
    if (at > offset && !isGzip(head)) {
      if (empty) return true;
      throw noBlock(image, at);
    }
    const size = bgzfBlockSize(head);
    if (size === undefined || at + size > image.size) return false;
    const trailer = await look(at + size - 4, 4);
    const view = new DataView(trailer.buffer, trailer.byteOffset, 4);
    const contentSize = view.getUint32(0, true);
    if (contentSize > MAX_CONTENT || table.count >= MAX_BLOCKS) return false;
    table.add(at, size, contentSize);
    empty = contentSize === 0;
    at += size;
  }
  return true;
}

function noBlock(image: BlockReader, offset: number): FormatError {
  return new FormatError(
    "gzip.damaged",
    `Cannot open gzip file "${image.name}": found no block at byte ${offset}, expected one, or an empty block before it; it may be damaged`,
    { facts: { offset } },
  );
}

/**
 * Adds the blocks that a `.gzi` index lists but for the last.
 *
 * @returns Byte of the last one.
 * @throws {FormatError} `gzip.bad-index`
 * @see htslib, bgzf.c: pairs of numbers of 64 bits, byte in the file and byte of the content, of all
 * blocks but the first, and how many there are before them
 */
export function readGzi(
  image: BlockReader,
  index: Uint8Array,
  table: PartTable,
): number {
  const view = new DataView(index.buffer, index.byteOffset, index.length);
  const count = index.length >= 8 ? Number(view.getBigUint64(0, true)) : -1;
  if (index.length !== 8 + count * 16 || count > MAX_BLOCKS) {
    throw badIndex(image, `${index.length} bytes for ${count} blocks`);
  }
  let offset = 0, content = 0;
  for (let block = 0; block < count; block++) {
    const next = Number(view.getBigUint64(8 + block * 16, true));
    const nextContent = Number(view.getBigUint64(16 + block * 16, true));
    const size = next - offset, contentSize = nextContent - content;
    if (
      !(size >= BGZF_HEADER_SIZE + TRAILER_SIZE && size <= 1 << 16) ||
      !(contentSize >= 0 && contentSize <= MAX_CONTENT) || next > image.size
    ) {
      throw badIndex(
        image,
        `block ${block} from byte ${offset} to ${next} with ${contentSize} bytes of content`,
      );
    }
    table.add(offset, size, contentSize);
    offset = next;
    content = nextContent;
  }
  return offset;
}

/** The error for an index that is not that of `image`. */
export function badIndex(image: BlockReader, found: string): FormatError {
  return new FormatError(
    "gzip.bad-index",
    `Cannot use the index of "${image.name}": found ${found}, expected blocks of at most 65536 bytes in their order; make it anew by "bgzip -r"`,
    { facts: { found } },
  );
}
