/**
 * The committed erofs images, and ways to damage them.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crc32cOf } from "./crc32c.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/erofs/", import.meta.url));

/** One committed image. */
export interface SmallImage {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All of them, in the order of their names. */
export function smallImages(): SmallImage[] {
  return readdirSync(FOLDER).filter((file) => file.endsWith(".erofs")).sort()
    .map((file) => ({
      name: file.replace(/\.erofs$/, ""),
      path: `${FOLDER}${file}`,
      bytes: new Uint8Array(readFileSync(`${FOLDER}${file}`)),
    }));
}

/** One of them. */
export function smallImage(name: string): SmallImage {
  const image = smallImages().find((each) => each.name === name);
  if (image === undefined) {
    throw new Error(`There is no committed image "${name}"`);
  }
  return image;
}

const SUPERBLOCK = 1024;
const BLOCK_BITS = SUPERBLOCK + 12;
const BLOCKS = SUPERBLOCK + 36;

/** Writes the right check sum into a superblock that was changed, where it has one. */
export function sealSuperblock(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length < SUPERBLOCK + 128) return;
  const view = new DataView(bytes.buffer);
  const blockSize = 2 ** bytes[BLOCK_BITS]!;
  if ((view.getUint32(SUPERBLOCK + 8, true) & 1) === 0) return;
  const size = blockSize > SUPERBLOCK ? blockSize - SUPERBLOCK : blockSize;
  if (SUPERBLOCK + size > bytes.length) return;
  view.setUint32(SUPERBLOCK + 4, 0, true);
  const sum = crc32cOf(bytes.subarray(SUPERBLOCK, SUPERBLOCK + size));
  view.setUint32(SUPERBLOCK + 4, ~sum >>> 0, true);
}

/** A copy cut at `size` bytes. `admit`: its superblock claims no more, so that it can be opened. */
export function cut(
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  admit = false,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice(0, size);
  if (admit && size >= SUPERBLOCK + 128) {
    const blocks = Math.floor(size / 2 ** bytes[BLOCK_BITS]!);
    new DataView(copy.buffer).setUint32(BLOCKS, blocks, true);
    sealSuperblock(copy);
  }
  return copy;
}

/** A copy with one bit flipped, under a check sum that fits. */
export function flip(
  bytes: Uint8Array<ArrayBuffer>,
  bit: number,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  const inSuperblock = bit >> 3 >= SUPERBLOCK + 8 &&
    bit >> 3 < SUPERBLOCK + 3072;
  if (inSuperblock) sealSuperblock(copy);
  return copy;
}
