/**
 * Damaged erofs images, from real ones.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import type { ErofsInode } from "../../src/format/erofs/image.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import {
  sealSuperblock,
  type SmallImage,
  smallImages,
} from "../support/erofs_images.ts";
import { type Exercise, exercise } from "../support/exercise.ts";
import { mutate, randomNumbers } from "./mutate.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends SmallImage {
  readonly spots: readonly number[];
}

let seeds: Promise<Seed[]> | undefined;

/** The input of number `run`: which image it came from, and its bytes. */
export async function makeInput(
  run: number,
): Promise<{ name: string; bytes: Uint8Array<ArrayBuffer> }> {
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
}

/** Uses the input; throws on a bug. */
export function runInput(bytes: Uint8Array<ArrayBuffer>): Promise<Exercise> {
  return exercise(() => openErofs(openMemory(bytes)));
}

async function findSpots(bytes: Uint8Array<ArrayBuffer>): Promise<number[]> {
  const files = await openErofs(openMemory(bytes));
  const spots = [1024, 1088];
  for await (const { inode } of files.walk("/")) {
    const { headEnd } = inode as ErofsInode;
    spots.push(files.source.superblock.metaStart + inode.number * 32, headEnd);
  }
  return spots;
}
