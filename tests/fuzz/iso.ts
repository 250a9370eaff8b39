/**
 * Damaged ISO 9660 images, from real ones.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import { isCoded } from "../../src/errors.ts";
import { readElTorito } from "../../src/format/iso9660/el_torito.ts";
import { openIso9660 } from "../../src/format/iso9660/open.ts";
import { exercise } from "../support/exercise.ts";
import { type PackedImage, packedImages } from "../support/packed_images.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** An image to damage, and the bytes at which its structures start. */
interface Seed extends PackedImage {
  readonly spots: readonly number[];
}

const NAMES = ["rock-ridge", "joliet", "plain"] as const;

let seeds: Promise<readonly Seed[]> | undefined;

/** Images that are opened, walked and read, and their boot catalogues. */
export const isoTarget: FuzzTarget = {
  async makeInput(run) {
    const all = await (seeds ??= Promise.all(
      packedImages("iso").map(async (image) => ({
        ...image,
        spots: await findSpots(image.bytes),
      })),
    ));
    const next = randomNumbers(run);
    const { name, bytes, spots } = all[next() % all.length]!;
    const input = mutate(bytes, spots, next);
    // numbers are written twice, and most damage must be the same in both to be worth anything
    for (let i = next() % 4; i > 0; i--) {
      const at = spots[next() % spots.length]! + (next() % 2 === 0 ? 2 : 10);
      if (at + 8 > input.length) continue;
      const view = new DataView(input.buffer);
      const value = next() % 4 === 0 ? next() : next() % 512;
      view.setUint32(at, value, true);
      view.setUint32(at + 4, value, false);
    }
    return { name, bytes: input };
  },
  async runInput(_, bytes) {
    const image = openMemory(bytes);
    await readElTorito(image).catch((error) => {
      if (!isCoded(error)) throw error;
    });
    return await exercise(() => openIso9660(image));
  },
};

/** Descriptors, records, and the entries of Rock Ridge in them. */
async function findSpots(bytes: Uint8Array): Promise<number[]> {
  const spots = [32768, 32768 + 80, 32768 + 120, 32768 + 156, 34816, 34886];
  for (const names of NAMES) {
    const files = await openIso9660(openMemory(bytes), { names });
    for await (const { inode: { number } } of files.walk("/")) {
      spots.push(number);
      const nameEnd = number + 33 + bytes[number + 32]!;
      for (let at = nameEnd; at < number + bytes[number]!; at += 24) {
        spots.push(at);
      }
    }
  }
  const catalog = await readElTorito(openMemory(bytes));
  if (catalog !== undefined) {
    spots.push(new DataView(bytes.buffer).getUint32(34816 + 71, true) * 2048);
  }
  return spots;
}
