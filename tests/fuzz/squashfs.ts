/**
 * Damaged squashfs images, from real ones. In half of the inputs metadata of a seed is stored as it
 * is, so that damage gets past the codec.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import type { SquashfsInode } from "../../src/format/squashfs/image.ts";
import { openSquashfs } from "../../src/format/squashfs/open.ts";
import { exercise } from "../support/exercise.ts";
import {
  type SmallSquashfs,
  smallSquashfs,
} from "../support/squashfs_images.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends SmallSquashfs {
  readonly spots: readonly number[];
}

let seeds: Promise<Seed[]> | undefined;

/** Images that are opened, walked and read. */
export const squashfsTarget: FuzzTarget = {
  async makeInput(run) {
    seeds ??= Promise.all(
      smallSquashfs().map(async (image) => ({
        ...image,
        spots: await findSpots(image.bytes),
      })),
    );
    const all = await seeds;
    const next = randomNumbers(run);
    const raw = all.find(({ name }) => name === "raw")!;
    const seed = next() % 2 === 0 ? raw : all[next() % all.length]!;
    return { name: seed.name, bytes: mutate(seed.bytes, seed.spots, next) };
  },
  runInput(_, bytes) {
    return exercise(() => openSquashfs(openMemory(bytes)));
  },
};

/** Superblock, tables, inodes, listings and blocks. */
async function findSpots(bytes: Uint8Array): Promise<number[]> {
  const files = await openSquashfs(openMemory(bytes));
  const { superblock } = files.source;
  const { inodeTable, directoryTable, idTable } = superblock;
  const spots = new Set([0, 16, 32, 64, directoryTable, idTable]);
  spots.add(superblock.fragmentTable ?? 0).add(superblock.exportTable ?? 0);
  for (const start of [inodeTable, directoryTable]) {
    for (let i = 0; i < 40; i++) spots.add(start + i * 32);
  }
  for await (const { inode } of files.walk("/")) {
    const { blocksStart, number } = inode as SquashfsInode;
    if (blocksStart !== undefined) spots.add(blocksStart);
    // right where metadata is stored as it is
    spots.add(inodeTable + 2 + Math.floor(number / 65536) + number % 65536);
  }
  return [...spots].filter((at) => at < bytes.length);
}
