import type { ReadOptions } from "../../block/reader.ts";
import type { FileType } from "../../fs/filesystem.ts";
import { findInodeTable } from "./groups.ts";
import {
  checkSum,
  damaged,
  type Ext4Image,
  type Ext4Inode,
  readMetadata,
} from "./image.ts";
import { findInlineRest } from "./inline.ts";
import {
  EXT4_EXTENTS_FL,
  EXT4_HUGE_FILE_FL,
  EXT4_INLINE_DATA_FL,
  InodeExtraLayout,
  InodeLayout,
} from "./layout.ts";

/** `S_IFMT` of a mode, shifted down. */
const TYPES: Readonly<Record<number, FileType>> = {
  0o01: "fifo",
  0o02: "character-device",
  0o04: "directory",
  0o06: "block-device",
  0o10: "file",
  0o12: "symlink",
  0o14: "socket",
};
/** Bytes of the inode of the first ext2. */
const GOOD_OLD_SIZE = 128;
/** Bytes that must follow the first 128 for the times to have their higher bits. */
const EXTRA_WITH_MODIFY_TIME = 12;

type RawInode = ReturnType<typeof InodeLayout.read>;

/**
 * Reads one inode. Costs no read when its neighbours were read, else one, and one more for the first
 * inode of a group.
 *
 * @throws {FormatError} `ext4.damaged`, `ext4.checksum-mismatch`
 */
export async function readInode(
  image: Ext4Image,
  number: number,
  options?: ReadOptions,
): Promise<Ext4Inode> {
  const { inodeCount, inodesPerGroup, inodeSize } = image.superblock;
  const what = `inode ${number}`;
  if (!Number.isInteger(number) || number < 1 || number > inodeCount) {
    throw damaged(image, what, `expected a number of 1 to ${inodeCount}`, {
      inode: number,
      inodeCount,
    });
  }
  const group = Math.floor((number - 1) / inodesPerGroup);
  const table = image.tables.get(group) ??
    await findInodeTable(image, group, options);
  const position = table + ((number - 1) % inodesPerGroup) * inodeSize;
  let bytes = readMetadata(image.inodes, position, inodeSize, options);
  if (bytes instanceof Promise) bytes = await bytes;
  return parseInode(image, number, position, bytes);
}

function parseInode(
  image: Ext4Image,
  number: number,
  position: number,
  bytes: Uint8Array,
): Ext4Inode {
  const what = `inode ${number}`;
  const raw = InodeLayout.read(bytes);
  const extra = readExtra(image, what, position, bytes);
  const checksumSeed = verify(image, number, position, bytes, raw, extra);
  const type = TYPES[raw.mode >> 12];
  if (type === undefined) {
    const found = raw.mode === 0 && raw.links === 0
      ? "a name leads to it, but it is not in use"
      : `mode is 0o${raw.mode.toString(8)}`;
    throw damaged(image, what, found, { inode: number, position });
  }
  const hasHighSize = type === "file" || image.superblock.has("large_dir");
  const size = raw.sizeLow + (hasHighSize ? raw.sizeHigh * 2 ** 32 : 0);
  if (!Number.isSafeInteger(size)) {
    throw damaged(image, what, `size is ${size}, expected less than 2^53`, {
      inode: number,
      position,
    });
  }
  const inline = (raw.flags & EXT4_INLINE_DATA_FL) !== 0;
  const inlineRest = inline
    ? findInlineRest(image, what, position, bytes, extra.extraSize)
    : undefined;
  const device = type === "character-device" || type === "block-device";
  return {
    number,
    type,
    size,
    mode: raw.mode & 0o7777,
    uid: raw.uidLow + raw.uidHigh * 65536,
    gid: raw.gidLow + raw.gidHigh * 65536,
    mtime: raw.modifyTime + (extra.modifyTimeExtra & 3) * 2 ** 32,
    linkCount: raw.links,
    ...(device ? { rdev: deviceNumber(raw.block) } : {}),
    flags: raw.flags,
    block: raw.block,
    ...(inlineRest === undefined ? {} : { inlineRest }),
    fastLink: type === "symlink" && isFastLink(image, raw),
    checksumSeed,
  };
}

interface Extra {
  /** Bytes behind the first 128 that are fields. */
  readonly extraSize: number;
  /** `undefined` where the inode has no room for it. */
  readonly checksumHigh: number | undefined;
  readonly modifyTimeExtra: number;
}

const NO_EXTRA: Extra = {
  extraSize: 0,
  checksumHigh: undefined,
  modifyTimeExtra: 0,
};

function readExtra(
  image: Ext4Image,
  what: string,
  position: number,
  bytes: Uint8Array,
): Extra {
  if (bytes.length === GOOD_OLD_SIZE) return NO_EXTRA;
  const raw = InodeExtraLayout.read(bytes, GOOD_OLD_SIZE);
  const { extraSize } = raw;
  if (extraSize > bytes.length - GOOD_OLD_SIZE || extraSize % 4 !== 0) {
    throw damaged(
      image,
      what,
      `${extraSize} bytes are said to follow its first 128, expected at most ${
        bytes.length - GOOD_OLD_SIZE
      }, four by four`,
      { position, extraSize },
    );
  }
  return {
    extraSize,
    checksumHigh: extraSize >= 4 ? raw.checksumHigh : undefined,
    modifyTimeExtra: extraSize >= EXTRA_WITH_MODIFY_TIME
      ? raw.modifyTimeExtra
      : 0,
  };
}

const LOW_AT = InodeLayout.offsets.checksumLow;
const HIGH_AT = GOOD_OLD_SIZE + InodeExtraLayout.offsets.checksumHigh;
const ZEROS = Uint8Array.of(0, 0);

/** Verifies the sum of an inode; gives what the sums of its blocks start from. */
function verify(
  { superblock, crc, data }: Ext4Image,
  number: number,
  position: number,
  bytes: Uint8Array,
  raw: RawInode,
  { checksumHigh }: Extra,
): number {
  if (!superblock.has("metadata_csum")) return 0;
  const seed = crc.sumU32(
    crc.sumU32(superblock.checksumSeed, number),
    raw.generation,
  );
  // the fields of the sum count as zeros
  let sum = crc.sum(crc.sum(seed, bytes.subarray(0, LOW_AT)), ZEROS);
  if (checksumHigh === undefined) {
    sum = crc.sum(sum, bytes.subarray(LOW_AT + 2));
  } else {
    sum = crc.sum(crc.sum(sum, bytes.subarray(LOW_AT + 2, HIGH_AT)), ZEROS);
    sum = crc.sum(sum, bytes.subarray(HIGH_AT + 2));
  }
  const what = `inode ${number}`;
  const found = raw.checksumLow + (checksumHigh ?? 0) * 65536;
  const expected = checksumHigh === undefined ? sum & 0xffff : sum;
  checkSum(data, what, position + LOW_AT, found, expected);
  return seed;
}

/** A device's number as Linux encodes it today, from either of the two forms in `i_block`. */
function deviceNumber(block: Uint8Array): number {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  // the old form, of 16 bits, is the new one of small numbers
  const old = view.getUint32(0, true) & 0xffff;
  return old !== 0 ? old : view.getUint32(4, true);
}

/** A link whose target stands in the inode: it has no blocks, but for one of extended attributes. */
function isFastLink({ superblock }: Ext4Image, raw: RawInode): boolean {
  if (raw.flags & (EXT4_INLINE_DATA_FL | EXT4_EXTENTS_FL)) return false;
  const huge = superblock.has("huge_file");
  let blocks = raw.blocksLow + (huge ? raw.blocksHigh * 2 ** 32 : 0);
  if (huge && raw.flags & EXT4_HUGE_FILE_FL) {
    blocks *= superblock.blockSize / 512;
  }
  const xattrBlock = raw.xattrBlockLow + raw.xattrBlockHigh;
  return xattrBlock === 0
    ? blocks === 0
    : blocks <= superblock.clusterSize / 512;
}
