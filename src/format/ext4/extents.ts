/**
 * Extent trees: at most five levels of index blocks over leaves of extents.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import {
  checkBlocks,
  checkSum,
  damaged,
  type Ext4Image,
  type Ext4Inode,
  readMetadata,
} from "./image.ts";
import {
  EXT4_EXT_MAGIC,
  EXT_INIT_MAX_LEN,
  ExtentHeaderLayout,
} from "./layout.ts";
import { type FindRuns, RunList } from "./runs.ts";

/** Bytes of the header and of each entry, `struct ext4_extent` or `struct ext4_extent_idx`. */
const ENTRY_SIZE = 12;
/** `EXT4_MAX_EXTENT_DEPTH`. */
const MAX_DEPTH = 5;
/** Blocks of a file are counted by 32 bits. */
const MAX_BLOCKS = 2 ** 32;

/** One block of a tree, parsed and checked. */
export interface ExtentNode {
  /** Inode that it belongs to. */
  readonly inode: number;
  /** Levels below; 0 is a leaf. */
  readonly depth: number;
  /** First block of the file of each entry, rising. */
  readonly firsts: Float64Array;
  /** Of a leaf: blocks of each extent. */
  readonly counts: Uint16Array;
  /** Of a leaf: where the extent lies, 0 when it was never written. Of an index: the block below. */
  readonly starts: Float64Array;
}

/** How the blocks of a file with extents are found. Blocks of the tree are read once and kept. */
export function mapExtents(image: Ext4Image, inode: Ext4Inode): FindRuns {
  const what = `extents of inode ${inode.number}`;
  let root: ExtentNode | undefined;

  async function collect(
    node: ExtentNode,
    first: number,
    end: number,
    upper: number,
    list: RunList,
    options?: ReadOptions,
  ): Promise<void> {
    const { firsts, counts, starts } = node;
    const entries = firsts.length;
    for (let i = lastAtOrBefore(firsts, first); i < entries; i++) {
      const from = firsts[i]!;
      if (from >= end) return;
      if (node.depth === 0) {
        const low = Math.max(first, from);
        const high = Math.min(end, from + counts[i]!);
        const start = starts[i]!;
        if (high > low) {
          list.add(low, high - low, start === 0 ? 0 : start + low - from);
        }
        continue;
      }
      const next = i + 1 < entries ? firsts[i + 1]! : upper;
      if (next <= first) continue;
      const below = await readNode(starts[i]!, node.depth - 1, from, next);
      await collect(below, first, end, next, list, options);
    }

    async function readNode(
      block: number,
      depth: number,
      low: number,
      high: number,
    ): Promise<ExtentNode> {
      const kept = image.extents.get(block);
      if (kept?.inode === inode.number && kept.depth === depth) return kept;
      const { blockSize } = image.superblock;
      const position = block * blockSize;
      const bytes = await readMetadata(
        image.metadata,
        position,
        blockSize,
        options,
      );
      verifyTail(image, inode, what, position, bytes);
      const below = parse(image, inode, what, bytes, low, high, depth);
      image.extents.set(block, below);
      return below;
    }
  }

  return async (first, end, options) => {
    root ??= parse(image, inode, what, inode.block, 0, MAX_BLOCKS);
    const list = new RunList(first);
    await collect(root, first, end, MAX_BLOCKS, list, options);
    return list.finish(end);
  };
}

/**
 * Parses the inode's or a block's part of the tree.
 *
 * @param low First block of the file that it may speak of.
 * @param high The block behind the last one.
 * @param depth What the block above says; the inode itself states it.
 */
function parse(
  image: Ext4Image,
  inode: Ext4Inode,
  what: string,
  bytes: Uint8Array,
  low: number,
  high: number,
  depth?: number,
): ExtentNode {
  const header = ExtentHeaderLayout.read(bytes);
  const room = Math.floor((bytes.length - ENTRY_SIZE) / ENTRY_SIZE);
  const { magic, entries, max } = header;
  const wrong = (found: string) =>
    damaged(image, what, found, { inode: inode.number });
  if (magic !== EXT4_EXT_MAGIC) {
    throw wrong(`magic is 0x${magic.toString(16)}, expected 0xf30a`);
  }
  if (header.depth > MAX_DEPTH || header.depth !== (depth ?? header.depth)) {
    throw wrong(`depth is ${header.depth}, expected ${depth ?? "at most 5"}`);
  }
  if (max > room || entries > max || (entries === 0 && header.depth > 0)) {
    throw wrong(`${entries} of ${max} entries, expected at most ${room}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const leaf = header.depth === 0;
  const firsts = new Float64Array(entries);
  const counts = new Uint16Array(leaf ? entries : 0);
  const starts = new Float64Array(entries);
  let next = low;
  for (let i = 0; i < entries; i++) {
    const at = ENTRY_SIZE + i * ENTRY_SIZE;
    const first = view.getUint32(at, true);
    let count = 1;
    let start: number;
    if (leaf) {
      const length = view.getUint16(at + 4, true);
      const written = length <= EXT_INIT_MAX_LEN;
      count = written ? length : length - EXT_INIT_MAX_LEN;
      start = view.getUint32(at + 8, true) +
        view.getUint16(at + 6, true) * 2 ** 32;
      if (count === 0) throw wrong(`extent at block ${first} has no blocks`);
      checkBlocks(image, what, start, count);
      counts[i] = count;
      if (!written) start = 0;
    } else {
      start = view.getUint32(at + 4, true) +
        view.getUint16(at + 8, true) * 2 ** 32;
      checkBlocks(image, what, start, 1);
    }
    if (first < next || first + count > high) {
      throw wrong(
        `an entry is for blocks ${first} to ${
          first + count
        }, expected ${next} to ${high}`,
      );
    }
    next = first + count;
    firsts[i] = first;
    starts[i] = start;
  }
  return { inode: inode.number, depth: header.depth, firsts, counts, starts };
}

/** The sum of a block of the tree stands behind the last entry that it has room for. */
function verifyTail(
  image: Ext4Image,
  inode: Ext4Inode,
  what: string,
  position: number,
  bytes: Uint8Array,
): void {
  if (!image.superblock.has("metadata_csum")) return;
  const { max } = ExtentHeaderLayout.read(bytes);
  const at = ENTRY_SIZE + max * ENTRY_SIZE;
  if (at + 4 > bytes.length) {
    throw damaged(
      image,
      what,
      `block at byte ${position} has room for ${max} entries, which leaves none for its check sum`,
      { inode: inode.number, position },
    );
  }
  const found = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
    at,
    true,
  );
  const expected = image.crc.sum(inode.checksumSeed, bytes.subarray(0, at));
  checkSum(image.data, what, position + at, found, expected);
}

/** Index of the last entry that begins at or before `block`; 0 when all begin behind it. */
function lastAtOrBefore(firsts: Float64Array, block: number): number {
  let low = 0;
  let high = firsts.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (firsts[middle]! <= block) low = middle;
    else high = middle;
  }
  return low;
}
