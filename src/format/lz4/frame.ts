/**
 * The header of an LZ4 frame.
 *
 * @module
 */

/** First four bytes, little-endian. */
export const LZ4F_MAGICNUMBER = 0x184d2204;

/** What a frame says of itself. lz4_Frame_format.md, "Frame Descriptor" */
export interface Lz4FrameHeader {
  /** Bytes of the header, magic included. */
  readonly size: number;
  /** The first byte of the descriptor. */
  readonly flags: number;
  /** The second. */
  readonly blockDescriptor: number;
  /** Most bytes of content of a block. */
  readonly blockMaxSize: number;
  readonly independent: boolean;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly contentSize: number | undefined;
}

const FLG_VERSION = 0xc0;
const FLG_INDEPENDENT = 0x20;
const FLG_BLOCK_CHECKSUM = 0x10;
const FLG_CONTENT_SIZE = 0x08;
const FLG_CONTENT_CHECKSUM = 0x04;
const FLG_RESERVED_DICTIONARY = 0x03;
const FIXED_SIZE = 7;

/**
 * Parses a header. Its check sum is left to the decoder, which sees it again.
 *
 * @returns Undefined when it is none that we know how to look into.
 */
export function parseFrameHeader(
  bytes: Uint8Array,
): Lz4FrameHeader | undefined {
  if (bytes.length < FIXED_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint8(4);
  const blockDescriptor = view.getUint8(5);
  const code = blockDescriptor >> 4 & 7;
  if ((flags & FLG_VERSION) !== 0x40) return undefined;
  if ((flags & FLG_RESERVED_DICTIONARY) !== 0 || code < 4) return undefined;
  const sized = (flags & FLG_CONTENT_SIZE) !== 0;
  const size = FIXED_SIZE + (sized ? 8 : 0);
  if (bytes.length < size) return undefined;
  const contentSize = sized ? Number(view.getBigUint64(6, true)) : undefined;
  if (contentSize !== undefined && !Number.isSafeInteger(contentSize)) {
    return undefined;
  }
  return {
    size,
    flags,
    blockDescriptor,
    blockMaxSize: 2 ** (8 + 2 * code),
    independent: (flags & FLG_INDEPENDENT) !== 0,
    blockChecksums: (flags & FLG_BLOCK_CHECKSUM) !== 0,
    contentChecksum: (flags & FLG_CONTENT_CHECKSUM) !== 0,
    contentSize,
  };
}

/**
 * The header of a frame around one block alone: the same kind of blocks, without size and check sum of
 * the content.
 */
export function blockFrameHeader(header: Lz4FrameHeader): Uint8Array {
  const flags = header.flags & (FLG_VERSION | FLG_INDEPENDENT |
    FLG_BLOCK_CHECKSUM);
  const bytes = new Uint8Array(FIXED_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, LZ4F_MAGICNUMBER, true);
  bytes[4] = flags;
  bytes[5] = header.blockDescriptor;
  bytes[6] = xxh32(bytes.subarray(4, 6)) >>> 8 & 0xff;
  return bytes;
}

const PRIME32_2 = 0x85ebca77;
const PRIME32_3 = 0xc2b2ae3d;
const PRIME32_5 = 0x165667b1;
const PRIME32_1 = 0x9e3779b1;

/** XXH32 with seed 0 of less than 4 bytes, which is all that a header needs. xxhash_spec.md */
export function xxh32(bytes: Uint8Array): number {
  let sum = (PRIME32_5 + bytes.length) | 0;
  for (const byte of bytes) {
    sum = (sum + Math.imul(byte, PRIME32_5)) | 0;
    sum = Math.imul(sum << 11 | sum >>> 21, PRIME32_1);
  }
  sum = Math.imul(sum ^ sum >>> 15, PRIME32_2);
  sum = Math.imul(sum ^ sum >>> 13, PRIME32_3);
  return (sum ^ sum >>> 16) >>> 0;
}
