import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { FormatError } from "../../errors.ts";
import { ErofsFault, type ErofsParser } from "../../wasm/erofs.ts";

/** Byte of the superblock in every image. */
export const EROFS_SUPER_OFFSET = 1024;
const SUPERBLOCK_SIZE = 128;

/** What an image says of itself, checked. */
export interface Superblock {
  /** Blocks have 2 to the power of this many bytes: 9 to 16. */
  readonly blockBits: number;
  /** Bytes of the image: its number of blocks times their size. */
  readonly imageSize: number;
  /** Inode number of the root directory. */
  readonly rootNid: number;
  /** As the image states it; not verified. */
  readonly inodeCount: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly buildTime: number;
  /** Byte of inode 0. */
  readonly metaStart: number;
  /** Inode that holds fragments; absent where there are none. */
  readonly packedNid?: number;
  /** Compressed data ends with its pcluster, zeros stand before it. */
  readonly zeroPadding: boolean;
  /** As `dump.erofs` names them. */
  readonly features: readonly string[];
  /** Compression in use: `lz4`, `lzma`, `deflate`, `zstd`. */
  readonly algorithms: readonly string[];
  /** Lower-case, with dashes. */
  readonly uuid: string;
  /** Volume name, at most 16 bytes; often empty. */
  readonly label: string;
}

const COMPAT = [[0x1, "sb_csum"], [0x2, "mtime"], [
  0x4,
  "xattr_filter",
]] as const;
const ZERO_PADDING = 0x1;
/** Bits that mean two things; the other thing is told apart by a field of its own. */
const COMPR_CFGS_OR_BIG_PCLUSTER = 0x2;
const CHUNKED_FILE = 0x4;
const HEAD2_OR_DEVICE_TABLE = 0x8;
const ZTAILPACKING = 0x10;
const FRAGMENTS_OR_DEDUPE = 0x20;
const XATTR_PREFIXES = 0x40;
const KNOWN = 0x7f;
/** What newer tools may write and we do not read. */
const UNREAD = [[0x80, "48bit"], [0x100, "metabox"]] as const;
const ALGORITHMS = ["lz4", "lzma", "deflate", "zstd"];

/** Tells whether `start`, the first bytes of an image, has an erofs superblock. */
export function isErofs(start: Uint8Array): boolean {
  if (start.length < EROFS_SUPER_OFFSET + 4) return false;
  const view = new DataView(
    start.buffer,
    start.byteOffset + EROFS_SUPER_OFFSET,
    4,
  );
  return view.getUint32(0, true) === 0xe0f5e1e2;
}

/**
 * Reads and checks the superblock; at most 2 reads.
 *
 * @throws {FormatError} `erofs.bad-magic`, `erofs.bad-superblock`, `erofs.checksum-mismatch`,
 * `erofs.unsupported-feature`, `erofs.truncated`
 */
export async function readSuperblock(
  image: BlockReader,
  parser: ErofsParser,
  options?: ReadOptions,
): Promise<Superblock> {
  const where = `Cannot open erofs of "${image.name}"`;
  if (image.size < EROFS_SUPER_OFFSET + SUPERBLOCK_SIZE) {
    throw new FormatError(
      "erofs.truncated",
      `${where}: found ${image.size} bytes, expected at least ${
        EROFS_SUPER_OFFSET + SUPERBLOCK_SIZE
      }; the file is cut short or no image`,
      { facts: { size: image.size } },
    );
  }
  const bytes = await readExactly(
    image,
    EROFS_SUPER_OFFSET,
    SUPERBLOCK_SIZE,
    options,
  );
  let raw;
  try {
    raw = parser.superblock(bytes);
  } catch (cause) {
    if (!(cause instanceof ErofsFault)) throw cause;
    throw new FormatError(
      "erofs.bad-superblock",
      `${where}: a number in the superblock at byte ${EROFS_SUPER_OFFSET} is 2^53 or more; the image is damaged`,
      { cause },
    );
  }
  if (raw === undefined) {
    const magic = new DataView(bytes.buffer).getUint32(0, true);
    throw new FormatError(
      "erofs.bad-magic",
      `${where}: magic at byte ${EROFS_SUPER_OFFSET} is 0x${
        magic.toString(16).padStart(8, "0")
      }, expected 0xe0f5e1e2; the file holds something else`,
      { facts: { magic } },
    );
  }
  const { featureCompat, featureIncompat, blockBits } = raw;
  if (blockBits < 9 || blockBits > 16) {
    throw new FormatError(
      "erofs.bad-superblock",
      `${where}: block size is 2^${blockBits} bytes, expected 2^9 to 2^16; the image is damaged`,
      { facts: { blockBits } },
    );
  }
  if (featureCompat & 1) {
    await verifyChecksum(
      image,
      parser,
      blockBits,
      raw.checksum,
      where,
      options,
    );
  }

  const unread = [
    ...UNREAD.filter(([bit]) => featureIncompat & bit).map(([, name]) => name),
    ...otherBits(
      featureIncompat & ~(KNOWN | 0x180),
      "incompatible feature bit",
    ),
    ...(raw.extraDevices > 0
      ? [`multi-device (${raw.extraDevices} extra)`]
      : []),
    ...(raw.dirBlockBits > 0 ? ["directory blocks larger than a block"] : []),
    ...otherBits(raw.algorithms & ~0xf, "compression algorithm"),
  ];
  if (unread.length > 0) {
    throw new FormatError(
      "erofs.unsupported-feature",
      `${where}: it uses ${unread.join(", ")}, which fastboop does not read; ` +
        "make the image without it, or update fastboop",
      { facts: { features: unread.join(",") } },
    );
  }
  const imageSize = raw.blocks * 2 ** blockBits;
  if (imageSize > image.size) {
    throw new FormatError(
      "erofs.truncated",
      `${where}: found ${image.size} bytes, expected ${imageSize} (${raw.blocks} blocks of ${
        2 ** blockBits
      }); the image is cut short`,
      { facts: { size: image.size, expected: imageSize } },
    );
  }
  const algorithms = ALGORITHMS.filter((_, bit) => raw.algorithms & (1 << bit));
  const has = (bit: number) => (featureIncompat & bit) !== 0;
  return {
    blockBits,
    imageSize,
    rootNid: raw.rootNid,
    inodeCount: raw.inodes,
    buildTime: raw.buildTime,
    metaStart: raw.metaBlock * 2 ** blockBits,
    ...(has(FRAGMENTS_OR_DEDUPE) && raw.packedNid > 0
      ? { packedNid: raw.packedNid }
      : {}),
    zeroPadding: has(ZERO_PADDING),
    algorithms: has(COMPR_CFGS_OR_BIG_PCLUSTER) || has(ZERO_PADDING)
      ? algorithms
      : [],
    features: [
      ...COMPAT.filter(([bit]) => featureCompat & bit).map(([, name]) => name),
      ...(has(ZERO_PADDING) ? ["0padding"] : []),
      ...(has(COMPR_CFGS_OR_BIG_PCLUSTER)
        ? ["compr_cfgs", "big_pcluster"]
        : []),
      ...(has(CHUNKED_FILE) ? ["chunked_file"] : []),
      ...(has(HEAD2_OR_DEVICE_TABLE) ? ["compr_head2"] : []),
      ...(has(ZTAILPACKING) ? ["ztailpacking"] : []),
      ...(has(FRAGMENTS_OR_DEDUPE)
        ? [raw.packedNid > 0 ? "fragments" : "dedupe"]
        : []),
      ...(has(XATTR_PREFIXES) ? ["xattr_prefixes"] : []),
    ],
    uuid: formatUuid(bytes.subarray(48, 64)),
    label: new TextDecoder().decode(bytes.subarray(64, 80)).replace(
      /\0.*$/s,
      "",
    ),
  };
}

function otherBits(bits: number, what: string): string[] {
  return Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => bits & (1 << bit))
    .map((bit) => `${what} ${bit}`);
}

/** CRC-32C of the rest of the superblock's block, the field itself taken as 0, not inverted. */
async function verifyChecksum(
  image: BlockReader,
  parser: ErofsParser,
  blockBits: number,
  expected: number,
  where: string,
  options?: ReadOptions,
): Promise<void> {
  const blockSize = 2 ** blockBits;
  const size = blockSize > EROFS_SUPER_OFFSET
    ? blockSize - EROFS_SUPER_OFFSET
    : blockSize;
  if (EROFS_SUPER_OFFSET + size > image.size) {
    throw new FormatError(
      "erofs.truncated",
      `${where}: found ${image.size} bytes, expected a first block of ${blockSize}; the image is cut short`,
      { facts: { size: image.size, expected: EROFS_SUPER_OFFSET + size } },
    );
  }
  const bytes = await readExactly(image, EROFS_SUPER_OFFSET, size, options);
  bytes.fill(0, 4, 8);
  const found = parser.checksum(bytes);
  if (found !== expected) {
    const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;
    throw new FormatError(
      "erofs.checksum-mismatch",
      `${where}: superblock CRC at byte ${EROFS_SUPER_OFFSET + 4} is ${
        hex(expected)
      }, ` +
        `expected ${hex(found)}; the image may be damaged`,
      { facts: { found: expected, expected: found } },
    );
  }
}

function formatUuid(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
