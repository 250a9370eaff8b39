/**
 * Damaged erofs images, from real ones.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import {
  EROFS_INODE_CHUNK_BASED,
  EROFS_INODE_COMPRESSED_COMPACT,
  EROFS_INODE_COMPRESSED_FULL,
  EROFS_INODE_FLAT_INLINE,
  EROFS_INODE_FLAT_PLAIN,
  type ErofsInode,
} from "../../src/format/erofs/image.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import {
  sealSuperblock,
  type SmallImage,
  smallImages,
} from "../support/erofs_images.ts";
import { exercise } from "../support/exercise.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends SmallImage {
  readonly spots: readonly number[];
}

let seeds: Promise<Seed[]> | undefined;

/** Images that are opened, walked and read. */
export const erofsTarget: FuzzTarget = {
  async makeInput(run) {
    seeds ??= Promise.all(
      smallImages().map(async (image) => ({
        ...image,
        spots: await findSpots(image.bytes),
      })),
    );
    const all = await seeds;
    const next = randomNumbers(run);
    const { name, bytes, spots } = all[next() % all.length]!;
    const input = mutate(bytes, spots, next);
    // most damage must get past the check sum to be worth anything
    if (next() % 8 !== 0) sealSuperblock(input);
    return { name, bytes: input };
  },
  runInput(_, bytes) {
    return exercise(() => openErofs(openMemory(bytes)));
  },
};

/** Entries of an index, a directory or a chunk map that become spots, spread over all of it. */
const SPOTS_IN_TABLE = 16;

async function findSpots(bytes: Uint8Array): Promise<number[]> {
  const files = await openErofs(openMemory(bytes));
  const { blockSize } = files;
  const { superblock } = files.source;
  const inodes = [];
  for await (const { inode } of files.walk("/")) {
    inodes.push(inode as ErofsInode);
  }
  if (superblock.packedNid !== undefined) {
    const packed = await files.source.inode(superblock.packedNid);
    inodes.push(packed as ErofsInode);
  }
  const spots = [1024, 1088];
  const add = (start: number, size: number) => {
    const step = Math.max(8, Math.ceil(size / SPOTS_IN_TABLE / 8) * 8);
    for (
      let at = start;
      at < Math.min(start + size, bytes.length);
      at += step
    ) {
      spots.push(at);
    }
  };
  for (const { number, type, layout, size, headEnd, u } of inodes) {
    spots.push(superblock.metaStart + number * 32, headEnd);
    const blocks = Math.ceil(size / blockSize);
    switch (layout) {
      case EROFS_INODE_COMPRESSED_FULL:
      case EROFS_INODE_CHUNK_BASED:
        add(headEnd, 24 + blocks * 8);
        break;
      case EROFS_INODE_COMPRESSED_COMPACT:
        add(headEnd, 16 + blocks * 4);
        break;
      case EROFS_INODE_FLAT_PLAIN:
      case EROFS_INODE_FLAT_INLINE:
        if (type === "directory" && size > blockSize) add(u * blockSize, size);
        break;
    }
  }
  return spots;
}
