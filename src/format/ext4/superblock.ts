import { FormatError } from "../../errors.ts";
import { type Crc32c, CRC_START } from "./checksum.ts";
import {
  type Ext4Feature,
  featureNames,
  kindOf,
  refusedFeatures,
} from "./features.ts";
import { hex } from "./image.ts";
import {
  EXT2_FLAGS_SIGNED_HASH,
  EXT2_FLAGS_UNSIGNED_HASH,
  EXT4_SUPER_MAGIC,
  SUPERBLOCK_OFFSET,
  SuperblockLayout,
} from "./layout.ts";

/** What helps when the superblock is damaged: each image has copies, which we do not guess at. */
const RECOVERY =
  "the image is damaged, e2fsck on a copy of it can put a backup of the superblock in place";

/** What an image says of itself, checked. */
export interface Superblock {
  /** Which of its names the file system goes by. */
  readonly kind: "ext2" | "ext3" | "ext4";
  /** Bytes: 1024 to 65536. */
  readonly blockSize: number;
  /** Bytes that are allocated together: the block size, more with `bigalloc`. */
  readonly clusterSize: number;
  /** Blocks of the image. */
  readonly blockCount: number;
  /** Block of the superblock: 1 with blocks of 1024 bytes, mostly, else 0. */
  readonly firstDataBlock: number;
  /** Blocks of each group but the last. */
  readonly blocksPerGroup: number;
  /** Groups of blocks, each with a table of inodes. */
  readonly groupCount: number;
  /** Inodes are numbered from 1 to this. */
  readonly inodeCount: number;
  /** Inodes of each group. */
  readonly inodesPerGroup: number;
  /** Bytes: 128 to the block size. */
  readonly inodeSize: number;
  /** Bytes of a group descriptor: 32, more with 64-bit block numbers. */
  readonly descriptorSize: number;
  /** Blocks of descriptors before those that `meta_bg` spreads; all of them without it. */
  readonly firstMetaGroup: number;
  /** Groups with a copy of the superblock by `sparse_super2`. */
  readonly backupGroups: readonly [number, number];
  /** As `dumpe2fs` names them. */
  readonly features: readonly string[];
  /** What the sums of metadata start from. */
  readonly checksumSeed: number;
  /** Key of the hash of names. */
  readonly hashSeed: readonly [number, number, number, number];
  /** Whether names were hashed as signed characters; `undefined` when it is not stated. */
  readonly signedHash: boolean | undefined;
  /** The journal holds what must be put in place first. */
  readonly needsRecovery: boolean;
  /** Inode of the journal; 0 when there is none in this image. */
  readonly journalInode: number;
  /** Lower-case, with dashes. */
  readonly uuid: string;
  /** The same, 16 bytes. */
  readonly uuidBytes: Uint8Array;
  /** Volume name, at most 16 bytes; often empty. */
  readonly label: string;
  /**
   * Whether a feature is in use.
   *
   * @ignore
   */
  has(feature: Ext4Feature): boolean;
}

/**
 * Parses and checks the superblock.
 *
 * @param bytes Its 1024 bytes.
 * @param image Name and size of the image that it is of.
 * @throws {FormatError} `ext4.bad-magic`, `ext4.bad-superblock`, `ext4.checksum-mismatch`,
 * `ext4.unsupported-feature`, `ext4.truncated`
 */
export function parseSuperblock(
  bytes: Uint8Array,
  image: { readonly name: string; readonly size: number },
  crc: Crc32c,
): Superblock {
  const raw = SuperblockLayout.read(bytes);
  const where = `Cannot open ext4 of "${image.name}"`;
  if (raw.magic !== EXT4_SUPER_MAGIC) {
    const position = SUPERBLOCK_OFFSET + SuperblockLayout.offsets.magic;
    throw new FormatError(
      "ext4.bad-magic",
      `${where}: magic at byte ${position} is 0x${
        raw.magic.toString(16).padStart(4, "0")
      }, expected 0xef53; the file holds something else, or its first blocks are lost`,
      { facts: { magic: raw.magic, position } },
    );
  }
  const names = featureNames(raw);
  const features = new Set(names);
  const has = (feature: Ext4Feature) => features.has(feature);
  if (has("metadata_csum")) verifyChecksum(raw.checksum, bytes, where, crc);
  const refused = refusedFeatures(raw);
  if (refused.length > 0) {
    throw new FormatError(
      "ext4.unsupported-feature",
      `${where}: it uses ${
        refused.join(", ")
      }, which fastboop does not read; make the image without it, or update fastboop`,
      { facts: { features: refused.join(",") } },
    );
  }

  const bad = (what: string, found: number, expected: string) =>
    new FormatError(
      "ext4.bad-superblock",
      `${where}: ${what} in the superblock at byte ${SUPERBLOCK_OFFSET} is ${found}, expected ${expected}; ${RECOVERY}`,
      { facts: { field: what, found } },
    );
  if (has("metadata_csum") && raw.checksumType !== 1) {
    throw bad("check sum type", raw.checksumType, "1 (CRC-32C)");
  }
  if (raw.logBlockSize > 6) {
    throw bad("log of the block size", raw.logBlockSize, "0 to 6");
  }
  const blockSize = 1024 << raw.logBlockSize;
  const inodeSize = raw.revision === 0 ? 128 : raw.inodeSize;
  if (
    inodeSize < 128 || inodeSize > blockSize || (inodeSize & (inodeSize - 1))
  ) {
    throw bad("inode size", inodeSize, `a power of two, 128 to ${blockSize}`);
  }
  const descriptorSize = has("64bit") ? raw.descriptorSize : 32;
  if (
    has("64bit") &&
    (descriptorSize < 64 || descriptorSize > 1024 ||
      (descriptorSize & (descriptorSize - 1)))
  ) {
    throw bad("descriptor size", descriptorSize, "a power of two, 64 to 1024");
  }
  if (
    raw.inodesPerGroup === 0 || raw.inodesPerGroup > blockSize * 8 ||
    raw.inodesPerGroup * inodeSize % blockSize !== 0
  ) {
    throw bad(
      "number of inodes in a group",
      raw.inodesPerGroup,
      `whole blocks of them, at most ${blockSize * 8}`,
    );
  }
  const blockCount = raw.blocksCountLow +
    (has("64bit") ? raw.blocksCountHigh * 2 ** 32 : 0);
  const imageSize = blockCount * blockSize;
  if (raw.blocksPerGroup === 0) {
    throw bad("number of blocks in a group", 0, "at least 1");
  }
  if (raw.firstDataBlock >= blockCount || !Number.isSafeInteger(imageSize)) {
    throw bad("number of blocks", blockCount, "a place for data");
  }
  const groupCount = Math.ceil(
    (blockCount - raw.firstDataBlock) / raw.blocksPerGroup,
  );
  if (raw.inodesCount > groupCount * raw.inodesPerGroup) {
    throw bad(
      "number of inodes",
      raw.inodesCount,
      `at most ${groupCount * raw.inodesPerGroup}`,
    );
  }
  if (imageSize > image.size) {
    throw new FormatError(
      "ext4.truncated",
      `${where}: found ${image.size} bytes, expected ${imageSize} (${blockCount} blocks of ${blockSize}); the image is cut short`,
      { facts: { size: image.size, expected: imageSize } },
    );
  }
  const signed = (raw.flags & EXT2_FLAGS_SIGNED_HASH) !== 0;
  const unsigned = (raw.flags & EXT2_FLAGS_UNSIGNED_HASH) !== 0;
  return {
    kind: kindOf(raw),
    blockSize,
    clusterSize: has("bigalloc") ? 1024 * 2 ** raw.logClusterSize : blockSize,
    blockCount,
    firstDataBlock: raw.firstDataBlock,
    blocksPerGroup: raw.blocksPerGroup,
    groupCount,
    inodeCount: raw.inodesCount,
    inodesPerGroup: raw.inodesPerGroup,
    inodeSize,
    descriptorSize,
    firstMetaGroup: has("meta_bg") ? raw.firstMetaGroup : Infinity,
    backupGroups: [raw.backupGroup0, raw.backupGroup1],
    features: names,
    checksumSeed: has("metadata_csum_seed")
      ? raw.checksumSeed
      : crc.sum(CRC_START, raw.uuid),
    hashSeed: [raw.hashSeed0, raw.hashSeed1, raw.hashSeed2, raw.hashSeed3],
    signedHash: unsigned ? false : signed ? true : undefined,
    needsRecovery: has("needs_recovery"),
    journalInode: has("has_journal") ? raw.journalInode : 0,
    uuid: formatUuid(raw.uuid),
    uuidBytes: raw.uuid,
    label: new TextDecoder().decode(raw.volumeName).replace(/\0.*$/s, ""),
    has,
  };
}

function verifyChecksum(
  found: number,
  bytes: Uint8Array,
  where: string,
  crc: Crc32c,
): void {
  const expected = superblockChecksum(bytes, crc);
  if (found === expected) return;
  const position = SUPERBLOCK_OFFSET + SuperblockLayout.offsets.checksum;
  throw new FormatError(
    "ext4.checksum-mismatch",
    `${where}: check sum of the superblock at byte ${position} is ${
      hex(found)
    }, expected ${hex(expected)}; ${RECOVERY}`,
    { facts: { position, found, expected } },
  );
}

/** The sum of a superblock: of all that stands before it. */
export function superblockChecksum(bytes: Uint8Array, crc: Crc32c): number {
  return crc.sum(
    CRC_START,
    bytes.subarray(0, SuperblockLayout.offsets.checksum),
  );
}

function formatUuid(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
