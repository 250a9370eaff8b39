/**
 * Where the structures of an ext4 image lie, to damage them.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import type { Ext4Inode } from "../../src/format/ext4/image.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";

const EXTENTS = 0x80000;
const INLINE = 0x10000000;
const JOURNAL = 8;
/** Blocks from the start of each journal that count as structures. */
const LOG_BLOCKS = 40;
const SPOTS_IN_TABLE = 8;

/** Bytes at which something begins: superblock, descriptors, inodes, directories, maps, the log. */
export async function findExt4Structures(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<number[]> {
  const files = await openExt4(openMemory(bytes));
  const { superblock } = files.source;
  const { blockSize, inodeSize, inodesPerGroup, groupCount } = superblock;
  const view = new DataView(bytes.buffer);
  const descriptors = blockSize === 1024 ? 2048 : blockSize;
  const found = new Set<number>([1024, 1024 + 0x60]);
  const tables: number[] = [];
  for (let group = 0; group < groupCount; group++) {
    const at = descriptors + group * superblock.descriptorSize;
    found.add(at);
    tables.push(view.getUint32(at + 8, true) * blockSize);
  }
  const addInode = (inode: Ext4Inode) => {
    const group = Math.floor((inode.number - 1) / inodesPerGroup);
    const index = (inode.number - 1) % inodesPerGroup;
    const at = tables[group]! + index * inodeSize;
    found.add(at).add(at + 40);
    if (inodeSize > 128) found.add(at + 128);
    if (inode.flags & INLINE || inode.fastLink) return;
    for (const block of metadataBlocks(inode, view, blockSize)) {
      for (let spot = 0; spot < SPOTS_IN_TABLE; spot++) {
        found.add(block * blockSize + spot * (blockSize / SPOTS_IN_TABLE));
      }
    }
  };
  for await (const { inode } of files.walk("/")) addInode(inode as Ext4Inode);
  if (superblock.has("has_journal")) {
    const journal = await files.source.inode(JOURNAL) as Ext4Inode;
    const first =
      metadataBlocks({ ...journal, type: "directory" }, view, blockSize)
        .next().value;
    for (let i = 0; first && i < LOG_BLOCKS; i++) {
      found.add((first + i) * blockSize);
    }
  }
  return [...found].filter((at) => at < bytes.length).sort((a, b) => a - b);
}

/** Blocks of an inode's map, and those of a directory: what the first level names. */
function* metadataBlocks(
  inode: Ext4Inode,
  image: DataView,
  blockSize: number,
): Generator<number> {
  const { block, type, flags } = inode;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (flags & EXTENTS) {
    yield* extentBlocks(view, image, blockSize, type === "directory");
    return;
  }
  for (let i = 0; i < 15; i++) {
    const number = view.getUint32(i * 4, true);
    if (number !== 0 && (i >= 12 || type === "directory")) yield number;
  }
}

function* extentBlocks(
  node: DataView,
  image: DataView,
  blockSize: number,
  leaves: boolean,
): Generator<number> {
  const entries = node.getUint16(2, true);
  const depth = node.getUint16(6, true);
  for (let i = 0; i < entries; i++) {
    const at = 12 + i * 12;
    if (depth === 0) {
      const count = Math.min(4, node.getUint16(at + 4, true));
      const start = node.getUint32(at + 8, true);
      if (leaves) { for (let k = 0; k < count; k++) yield start + k; }
      continue;
    }
    const below = node.getUint32(at + 4, true);
    yield below;
    const offset = below * blockSize;
    yield* extentBlocks(
      new DataView(image.buffer, offset, blockSize),
      image,
      blockSize,
      leaves,
    );
  }
}
