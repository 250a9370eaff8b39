/**
 * The structures around the blocks of an xz stream: header, footer, index.
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import { checkSize } from "./call.ts";
import { crc32 } from "./checksum.ts";

/** Bytes of a stream header and of a stream footer. */
export const XZ_STREAM_HEADER_SIZE = 12;

const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const FOOTER_MAGIC = [0x59, 0x5a];
/** Section 4.3: a header of 4 bytes at least, and the first byte of content. */
const SMALLEST_UNPADDED_SIZE = 5;

const CHECKS = { 0: "none", 1: "crc32", 4: "crc64", 10: "sha256" } as const;
/** `lzma_check` by name. */
export const CHECK_IDS = { none: 0, crc32: 1, crc64: 4, sha256: 10 } as const;

/** What protects each block of a stream. */
export type XzCheck = "none" | "crc32" | "crc64" | "sha256";

/** Stream header. xz-file-format.txt, section 2.1.1 */
export interface XzStreamHeader {
  readonly check: XzCheck;
}

/** Stream footer. xz-file-format.txt, section 2.1.2 */
export interface XzStreamFooter {
  readonly check: XzCheck;
  /** Bytes of the index, which ends where the footer begins. */
  readonly indexSize: number;
}

/** One block, from the records of an index. */
export interface XzBlock {
  /** Byte of the block's header, counted from the start of its stream. */
  readonly offset: number;
  /** Bytes of the block as stored, from its header to its check, padding included. */
  readonly size: number;
  /** First byte of its content, counted from the start of the stream's content. */
  readonly contentOffset: number;
  /** Bytes of its content. */
  readonly contentSize: number;
}

/** The index of a stream. */
export interface XzIndex {
  readonly blocks: readonly XzBlock[];
  /** Bytes of all blocks as stored. */
  readonly blocksSize: number;
  /** Bytes of content in all. */
  readonly contentSize: number;
}

/** The error for a structure that is not as it must be. */
export function damaged(
  what: string,
  found: string,
  expected: string,
): FormatError {
  return new FormatError(
    "xz.damaged",
    `Cannot read xz ${what}: found ${found}, expected ${expected}; the file may be damaged`,
    { facts: { what, found, expected } },
  );
}

const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function expectCrc(
  what: string,
  data: Uint8Array,
  stored: number,
): Promise<void> {
  const sum = await crc32(data);
  if (sum === stored) return;
  throw new FormatError(
    "xz.checksum-mismatch",
    `Cannot read xz ${what}: CRC is ${hex(sum)}, expected ${
      hex(stored)
    }; the file may be damaged`,
    { facts: { what, found: sum, expected: stored } },
  );
}

function parseFlags(what: string, first: number, second: number): XzCheck {
  const check = CHECKS[second as keyof typeof CHECKS];
  if (first === 0 && check !== undefined) return check;
  throw new FormatError(
    "xz.unsupported-check",
    `Cannot read xz ${what}: stream flags are 0x${
      (first << 8 | second).toString(16).padStart(4, "0")
    }, expected no check, CRC32, CRC64 or SHA-256`,
    { facts: { what, flags: first << 8 | second } },
  );
}

function expectSize(what: string, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) {
    throw new RangeError(
      `Cannot read xz ${what}: given ${bytes.length} bytes, expected ${size}`,
    );
  }
}

/**
 * Parses the 12 bytes that begin a stream.
 *
 * @throws {FormatError} `xz.damaged`, `xz.checksum-mismatch`, `xz.unsupported-check`
 * @see xz-file-format.txt, section 2.1.1
 */
export async function parseXzStreamHeader(
  bytes: Uint8Array,
): Promise<XzStreamHeader> {
  expectSize("stream header", bytes, XZ_STREAM_HEADER_SIZE);
  if (HEADER_MAGIC.some((byte, at) => bytes[at] !== byte)) {
    throw damaged(
      "stream header",
      `magic ${[...bytes.subarray(0, 6)].join(" ")}`,
      HEADER_MAGIC.join(" "),
    );
  }
  const view = viewOf(bytes);
  await expectCrc(
    "stream header",
    bytes.subarray(6, 8),
    view.getUint32(8, true),
  );
  return {
    check: parseFlags("stream header", view.getUint8(6), view.getUint8(7)),
  };
}

/**
 * Parses the 12 bytes that end a stream.
 *
 * @throws {FormatError} `xz.damaged`, `xz.checksum-mismatch`, `xz.unsupported-check`
 * @see xz-file-format.txt, section 2.1.2
 */
export async function parseXzStreamFooter(
  bytes: Uint8Array,
): Promise<XzStreamFooter> {
  expectSize("stream footer", bytes, XZ_STREAM_HEADER_SIZE);
  if (FOOTER_MAGIC.some((byte, at) => bytes[10 + at] !== byte)) {
    throw damaged(
      "stream footer",
      `magic ${bytes[10]} ${bytes[11]}`,
      FOOTER_MAGIC.join(" "),
    );
  }
  const view = viewOf(bytes);
  await expectCrc(
    "stream footer",
    bytes.subarray(4, 10),
    view.getUint32(0, true),
  );
  return {
    check: parseFlags("stream footer", view.getUint8(8), view.getUint8(9)),
    indexSize: (view.getUint32(4, true) + 1) * 4,
  };
}

/** Reads variable-length integers, section 1.2, in JavaScript numbers. */
class VliReader {
  readonly #bytes: Uint8Array;
  at = 1; // after the index indicator

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0, scale = 1;
    for (let count = 0; count < 9; count++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        if (byte === 0 && count > 0) break; // not the shortest form
        if (!Number.isSafeInteger(value)) {
          throw damaged("index", `the number ${value}`, "at most 2^53");
        }
        return value;
      }
    }
    throw damaged("index", "a number without end", "at most 9 bytes");
  }
}

/**
 * Parses an index into the blocks of its stream. Takes time and memory by the number of records.
 *
 * @param bytes The whole index, `indexSize` bytes of the footer.
 * @param options.maxBlocks Records at which it fails, before memory is taken for them.
 * @throws {FormatError} `xz.damaged`, `xz.checksum-mismatch`, `xz.too-many-blocks`
 * @see xz-file-format.txt, section 4
 */
export async function decodeXzIndex(
  bytes: Uint8Array,
  options: { readonly maxBlocks: number },
): Promise<XzIndex> {
  checkSize("maxBlocks", options.maxBlocks);
  if (bytes.length < 8 || bytes.length % 4 !== 0) {
    throw damaged(
      "index",
      `${bytes.length} bytes`,
      "8 or more, a multiple of 4",
    );
  }
  if (bytes[0] !== 0) throw damaged("index", `indicator ${bytes[0]}`, "0");
  const body = bytes.subarray(0, -4);
  await expectCrc(
    "index",
    body,
    viewOf(bytes).getUint32(bytes.length - 4, true),
  );

  const reader = new VliReader(body);
  const count = reader.next();
  if (count > options.maxBlocks) {
    throw new FormatError(
      "xz.too-many-blocks",
      `Cannot read xz index: it has ${count} blocks, expected at most ${options.maxBlocks}`,
      { facts: { count, maxBlocks: options.maxBlocks } },
    );
  }
  const blocks: XzBlock[] = [];
  let offset = XZ_STREAM_HEADER_SIZE, contentOffset = 0;
  for (let at = 0; at < count; at++) {
    const unpadded = reader.next(), contentSize = reader.next();
    if (unpadded < SMALLEST_UNPADDED_SIZE) {
      throw damaged("index", `a block of ${unpadded} bytes`, "at least 5");
    }
    const size = Math.ceil(unpadded / 4) * 4;
    blocks.push({ offset, size, contentOffset, contentSize });
    offset += size;
    contentOffset += contentSize;
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(contentOffset)) {
      throw damaged("index", "sizes beyond 2^53", "less");
    }
  }
  const padding = body.subarray(reader.at);
  if (padding.length > 3 || padding.some((byte) => byte !== 0)) {
    throw damaged(
      "index",
      `${padding.length} bytes after its records`,
      "0 to 3 zeros",
    );
  }
  return {
    blocks,
    blocksSize: offset - XZ_STREAM_HEADER_SIZE,
    contentSize: contentOffset,
  };
}
