/**
 * Damaged FAT file systems, from real ones.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import { openFat } from "../../src/format/fat/open.ts";
import { exercise } from "../support/exercise.ts";
import { type PackedImage, packedImages } from "../support/packed_images.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends PackedImage {
  readonly spots: readonly number[];
}

let seeds: Promise<readonly Seed[]> | undefined;

/** File systems that are opened, walked and read. */
export const fatTarget: FuzzTarget = {
  async makeInput(run) {
    const all = await (seeds ??= Promise.all(
      packedImages("fat").map(async (image) => ({
        ...image,
        spots: await findSpots(image.bytes),
      })),
    ));
    const next = randomNumbers(run);
    const { name, bytes, spots } = all[next() % all.length]!;
    return { name, bytes: mutate(bytes, spots, next) };
  },
  runInput(_, bytes) {
    return exercise(() => openFat(openMemory(bytes)));
  },
};

/** Boot sector, the parts of the table in use, directory entries and the parts of their names. */
async function findSpots(bytes: Uint8Array): Promise<number[]> {
  const files = await openFat(openMemory(bytes));
  const { tableStart, bits, clusterSize, dataStart } = files.source.volume;
  const spots = [0, 11, 22, 36, 44];
  for await (const { inode } of files.walk("/")) {
    if (inode.number === files.source.rootNumber) continue;
    spots.push(inode.number, inode.number, inode.number - 32);
    if (inode.type !== "file") continue;
    for (const { offset } of await files.source.extentsOf(inode)) {
      const cluster = (offset - dataStart) / clusterSize + 2;
      spots.push(tableStart + Math.floor(cluster * bits / 8));
    }
  }
  return spots;
}
