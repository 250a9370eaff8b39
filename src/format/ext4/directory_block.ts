/**
 * One block of a directory: its entries, or a part of the directory's index, and its check sum.
 *
 * @module
 */

import { checkSum, damaged, type Ext4Image, type Ext4Inode } from "./image.ts";
import { EXT4_INDEX_FL } from "./layout.ts";

/** Bytes of an entry before its name, `struct ext4_dir_entry_2`. */
const HEAD_SIZE = 8;
/** Bytes of `struct ext4_dir_entry_tail`, the entry that holds a block's sum, and its type. */
const TAIL_SIZE = 12;
const TAIL_TYPE = 0xde;
/** Where the entries of an index begin: in the root behind `.`, `..` and `struct dx_root_info`. */
const ROOT_ENTRIES_AT = 32;
const NODE_ENTRIES_AT = 8;
/** Bytes of `struct dx_entry`, and of `struct dx_tail` behind the last one that there is room for. */
const DX_SIZE = 8;

/** One entry of a block. */
export interface RawEntry {
  readonly inode: number;
  /** `EXT4_FT_*`; 0 where the image has no types. */
  readonly type: number;
  /** Where the name begins and ends in the block. */
  readonly nameStart: number;
  readonly nameEnd: number;
}

/** How messages call a block of a directory. */
export function directoryPlace(directory: Ext4Inode, offset: number): string {
  return `directory inode ${directory.number} at byte ${offset}`;
}

/** Parses the entries of a block; those not in use, the sum at the end among them, are left out. */
export function parseEntries(
  image: Ext4Image,
  what: string,
  bytes: Uint8Array,
): RawEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { inodeCount } = image.superblock;
  const typed = image.superblock.has("filetype");
  const entries: RawEntry[] = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    const size = left < HEAD_SIZE ? 0 : recordSize(view, at);
    if (size < HEAD_SIZE || size > left || size % 4 !== 0) {
      throw damaged(
        image,
        what,
        `entry at byte ${at} of the block has ${size} bytes, expected ${HEAD_SIZE} to ${left}`,
        { entry: at, size },
      );
    }
    const inode = view.getUint32(at, true);
    if (inode !== 0) {
      const nameSize = typed
        ? view.getUint8(at + 6)
        : view.getUint16(at + 6, true);
      if (nameSize === 0 || HEAD_SIZE + nameSize > size) {
        throw damaged(
          image,
          what,
          `entry at byte ${at} of the block has a name of ${nameSize} bytes, expected 1 to ${
            size - HEAD_SIZE
          }`,
          { entry: at, nameSize },
        );
      }
      if (inode > inodeCount) {
        throw damaged(
          image,
          what,
          `entry at byte ${at} of the block is for inode ${inode}, expected at most ${inodeCount}`,
          { entry: at, inode },
        );
      }
      const nameStart = at + HEAD_SIZE;
      entries.push({
        inode,
        type: typed ? view.getUint8(at + 7) : 0,
        nameStart,
        nameEnd: nameStart + nameSize,
      });
    }
    at += size;
  }
  return entries;
}

/** Bytes of the entry at `at`. Blocks of 64 KiB need one bit more than there is: 0 and all ones. */
export function recordSize(view: DataView, at: number): number {
  const size = view.getUint16(at + 4, true);
  if (view.byteLength < 65536) return size;
  if (size === 0 || size === 0xffff) return 65536;
  return (size & 0xfffc) | ((size & 3) << 16);
}

/** The number that `name` has in a block of entries. */
export function findEntry(
  image: Ext4Image,
  what: string,
  bytes: Uint8Array,
  name: Uint8Array,
): number | undefined {
  for (const entry of parseEntries(image, what, bytes)) {
    if (sameName(bytes, entry, name)) return entry.inode;
  }
  return undefined;
}

function sameName(
  bytes: Uint8Array,
  { nameStart, nameEnd }: RawEntry,
  name: Uint8Array,
): boolean {
  if (nameEnd - nameStart !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[nameStart + i] !== name[i]) return false;
  }
  return true;
}

/**
 * Verifies the sum of a block, in the form that it has in this image.
 *
 * @param offset Byte of the directory where the block begins.
 */
export function verifyBlock(
  image: Ext4Image,
  directory: Ext4Inode,
  what: string,
  offset: number,
  block: Uint8Array,
): void {
  if (!image.superblock.has("metadata_csum")) return;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const indexed = (directory.flags & EXT4_INDEX_FL) !== 0 &&
    image.superblock.has("dir_index");
  if (indexed && (offset === 0 || isNode(view))) {
    const index = parseIndex(image, directory, what, offset, block);
    const tail = block.subarray(index.tailAt, index.tailAt + DX_SIZE);
    let sum = image.crc.sum(
      directory.checksumSeed,
      block.subarray(0, index.entriesAt + index.count * DX_SIZE),
    );
    // the field of the sum counts as zeros
    sum = image.crc.sum(sum, tail.subarray(0, 4));
    sum = image.crc.sumU32(sum, 0);
    const found = view.getUint32(index.tailAt + 4, true);
    return checkSum(image.data, what, offset + index.tailAt + 4, found, sum);
  }
  const at = block.length - TAIL_SIZE;
  const isTail = view.getUint32(at, true) === 0 &&
    view.getUint16(at + 4, true) === TAIL_SIZE &&
    view.getUint8(at + 6) === 0 && view.getUint8(at + 7) === TAIL_TYPE;
  if (!isTail) {
    throw damaged(image, what, "the block has no check sum at its end", {
      inode: directory.number,
      offset,
    });
  }
  const expected = image.crc.sum(
    directory.checksumSeed,
    block.subarray(0, at),
  );
  const found = view.getUint32(at + 8, true);
  checkSum(image.data, what, offset + at + 8, found, expected);
}

/** Whether a block that is not the first one is a part of the index: one unused entry fills it. */
function isNode(view: DataView): boolean {
  return view.getUint32(0, true) === 0 &&
    recordSize(view, 0) === view.byteLength;
}

/** Entries of an index block, each a hash and the block for names from that hash on. */
export interface IndexBlock {
  /** Byte of the block where the entries begin; in place of the first hash stand limit and count. */
  readonly entriesAt: number;
  readonly count: number;
  /** Byte of the block where its check sum's structure begins. */
  readonly tailAt: number;
}

/** Parses the head of an index block: the root, which is the directory's first block, or a node. */
export function parseIndex(
  image: Ext4Image,
  directory: Ext4Inode,
  what: string,
  offset: number,
  block: Uint8Array,
): IndexBlock {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const entriesAt = offset === 0 ? ROOT_ENTRIES_AT : NODE_ENTRIES_AT;
  const limit = view.getUint16(entriesAt, true);
  const count = view.getUint16(entriesAt + 2, true);
  const tailSize = image.superblock.has("metadata_csum") ? DX_SIZE : 0;
  const room = Math.floor((block.length - entriesAt - tailSize) / DX_SIZE);
  const node = offset === 0 || isNode(view);
  if (!node || limit > room || count > limit || count === 0) {
    throw damaged(
      image,
      what,
      node
        ? `${count} of ${limit} entries of the index, expected 1 to ${room}`
        : "it is no part of the index, but is said to be",
      { inode: directory.number, offset },
    );
  }
  return { entriesAt, count, tailAt: entriesAt + limit * DX_SIZE };
}
