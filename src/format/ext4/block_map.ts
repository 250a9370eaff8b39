/**
 * Block maps of ext2 and ext3: twelve block numbers in the inode, then one block of them, one of
 * blocks of them, and one level more. A number of 0 is a hole, on any level.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import {
  checkBlocks,
  damaged,
  type Ext4Image,
  type Ext4Inode,
  readMetadata,
} from "./image.ts";
import { type FindRuns, RunList } from "./runs.ts";

/** `EXT4_NDIR_BLOCKS`: numbers in the inode that are those of data. */
const DIRECT = 12;
const LEVELS = 3;

/** How the blocks of a file with a block map are found. */
export function mapBlocks(image: Ext4Image, inode: Ext4Inode): FindRuns {
  const { blockSize, blockCount, firstDataBlock } = image.superblock;
  const perBlock = blockSize / 4;
  const what = `block map of inode ${inode.number}`;

  /**
   * Adds what of `first` to `end` a table of numbers speaks of.
   *
   * @param table Numbers of data blocks, or of tables, by `level`.
   * @param at Block of the file that the first number stands for.
   */
  async function collect(
    table: DataView,
    level: number,
    at: number,
    first: number,
    end: number,
    list: RunList,
    options?: ReadOptions,
  ): Promise<void> {
    const span = perBlock ** level;
    const entries = table.byteLength / 4;
    const from = Math.max(0, Math.floor((first - at) / span));
    const to = Math.min(entries, Math.ceil((end - at) / span));
    for (let i = from; i < to; i++) {
      const block = table.getUint32(i * 4, true);
      if (block === 0) continue;
      if (block <= firstDataBlock || block >= blockCount) {
        checkBlocks(image, what, block, 1);
      }
      if (level === 0) list.add(at + i, 1, block);
      else {
        const below = await readTable(block, options);
        await collect(
          below,
          level - 1,
          at + i * span,
          first,
          end,
          list,
          options,
        );
      }
    }
  }

  async function readTable(
    block: number,
    options?: ReadOptions,
  ): Promise<DataView> {
    const bytes = await readMetadata(
      image.metadata,
      block * blockSize,
      blockSize,
      options,
    );
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  return async (first, end, options) => {
    const list = new RunList(first);
    const { buffer, byteOffset } = inode.block;
    const numbers = (from: number, count: number) =>
      new DataView(buffer, byteOffset + from * 4, count * 4);
    if (first < DIRECT) {
      await collect(numbers(0, DIRECT), 0, 0, first, end, list, options);
    }
    let at = DIRECT;
    for (let level = 1; level <= LEVELS; level++) {
      const span = perBlock ** level;
      if (first < at + span && end > at) {
        const number = numbers(DIRECT + level - 1, 1);
        await collect(number, level, at, first, end, list, options);
      }
      at += span;
    }
    if (end > at) {
      throw damaged(image, what, `block ${end - 1} is past its end at ${at}`, {
        inode: inode.number,
      });
    }
    return list.finish(end);
  };
}
