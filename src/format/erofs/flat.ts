import { clampRead } from "../../block/range.ts";
import { fillExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import {
  checkRange,
  contentReader,
  EROFS_INODE_FLAT_INLINE,
  erofsError,
  type ErofsImage,
  type ErofsInode,
  readMetadata,
} from "./image.ts";

/**
 * Content that is stored as it is: whole blocks in one run, and of the inline layout the last block
 * behind the inode, in the same metadata block.
 *
 * @param from What the blocks are read from: `image.data` for files, `image.metadata` for what is
 * read in small pieces again and again, such as directories.
 */
export function openFlat(
  image: ErofsImage,
  inode: ErofsInode,
  from: BlockReader,
): BlockReader {
  const { size } = inode;
  const blockSize = 2 ** image.superblock.blockBits;
  const what = `inode ${inode.number}`;
  const inlined = inode.layout === EROFS_INODE_FLAT_INLINE && size > 0;
  const tailStart = inlined
    ? (Math.ceil(size / blockSize) - 1) * blockSize
    : size;
  const tailSize = size - tailStart;
  const blocksAt = inode.u * blockSize;

  async function read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(size, offset, into.length);
    options?.signal?.throwIfAborted();
    const inBlocks = Math.min(count, Math.max(0, tailStart - offset));
    if (inBlocks > 0) {
      checkRange(image, what, blocksAt, tailStart);
      await fillExactly(
        from,
        blocksAt + offset,
        into.subarray(0, inBlocks),
        options,
      );
    }
    if (count > inBlocks) {
      if (inode.headEnd % blockSize + tailSize > blockSize) {
        throw erofsError(
          image,
          "erofs.damaged",
          what,
          `${tailSize} inlined bytes at ${inode.headEnd} cross the end of their block`,
          { position: inode.headEnd, size: tailSize },
        );
      }
      checkRange(image, what, inode.headEnd, tailSize);
      const start = offset + inBlocks - tailStart;
      const tail = await readMetadata(
        image,
        inode.headEnd + start,
        count - inBlocks,
        options,
      );
      into.set(tail, inBlocks);
    }
    return count;
  }
  return contentReader(image, inode, read);
}
