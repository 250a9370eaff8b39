/**
 * Damaged ext2, ext3 and ext4 images, from real ones, most of them without check sums, which would
 * find every damage.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";
import { exercise } from "../support/exercise.ts";
import {
  type Ext4SmallImage,
  ext4SmallImages,
  sealExt4Superblock,
  withoutSums,
} from "../support/ext4_images.ts";
import { findExt4Structures } from "../support/ext4_structures.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends Ext4SmallImage {
  readonly bare: Uint8Array<ArrayBuffer>;
  readonly spots: readonly number[];
}

let seeds: Promise<Seed[]> | undefined;

/** Images that are opened, walked and read. */
export const ext4Target: FuzzTarget = {
  async makeInput(run) {
    seeds ??= Promise.all(
      ext4SmallImages().map(async (image) => ({
        ...image,
        bare: withoutSums(image.bytes),
        spots: await findExt4Structures(image.bytes),
      })),
    );
    const all = await seeds;
    const next = randomNumbers(run);
    const { name, bytes, bare, spots } = all[next() % all.length]!;
    const input = mutate(next() % 4 === 0 ? bytes : bare, spots, next);
    // most damage must get past the check sum to be worth anything
    if (next() % 8 !== 0) sealExt4Superblock(input);
    return { name, bytes: input };
  },
  runInput(_, bytes) {
    return exercise(() => openExt4(openMemory(bytes)));
  },
};
