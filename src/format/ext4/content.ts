import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { mapBlocks } from "./block_map.ts";
import { mapExtents } from "./extents.ts";
import { ext4Error, type Ext4Image, type Ext4Inode } from "./image.ts";
import { openInline } from "./inline.ts";
import {
  EXT4_ENCRYPT_FL,
  EXT4_EXTENTS_FL,
  EXT4_INLINE_DATA_FL,
} from "./layout.ts";
import { type Piece, readPieces } from "../scattered.ts";
import type { FindRuns } from "./runs.ts";

/**
 * The content of an inode. Reads nothing until it is read.
 *
 * @param from What its blocks are read from: `image.data` for files, `image.metadata` for what is
 * read in small pieces again and again, such as directories.
 */
export function openContent(
  image: Ext4Image,
  inode: Ext4Inode,
  from: BlockReader,
): BlockReader {
  if (inode.flags & EXT4_INLINE_DATA_FL) return openInline(image, inode);
  const { size } = inode;
  const { blockSize } = image.superblock;
  const findRuns = findRunsOf(image, inode);

  async function read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(size, offset, into.length);
    options?.signal?.throwIfAborted();
    if (count === 0) return 0;
    refuseEncrypted(image, inode);
    const end = offset + count;
    const runs = await findRuns(
      Math.floor(offset / blockSize),
      Math.ceil(end / blockSize),
      options,
    );
    const pieces: Piece[] = [];
    for (const run of runs) {
      const runAt = run.first * blockSize;
      const low = Math.max(offset, runAt);
      const high = Math.min(end, runAt + run.count * blockSize);
      const part = into.subarray(low - offset, high - offset);
      if (run.start === 0) part.fill(0);
      else {
        pieces.push({
          offset: run.start * blockSize + low - runAt,
          into: part,
        });
      }
    }
    if (pieces.length > 0) await readPieces(from, pieces, options);
    return count;
  }
  return {
    blockSize,
    size,
    name: image.data.name,
    identity: `${image.data.identity}#${inode.number}`,
    read,
  };
}

/** How the blocks of an inode are found. */
export function findRunsOf(image: Ext4Image, inode: Ext4Inode): FindRuns {
  return inode.flags & EXT4_EXTENTS_FL
    ? mapExtents(image, inode)
    : mapBlocks(image, inode);
}

/** Refuses an inode whose content nobody can read without its key. */
export function refuseEncrypted(image: Ext4Image, inode: Ext4Inode): void {
  if ((inode.flags & EXT4_ENCRYPT_FL) === 0) return;
  throw ext4Error(
    image.data,
    "ext4.unsupported-feature",
    `${inode.type} inode ${inode.number}`,
    "it is encrypted (encrypt)",
    { inode: inode.number, features: "encrypt" },
  );
}
