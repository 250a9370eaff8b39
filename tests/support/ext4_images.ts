/**
 * The committed ext2, ext3 and ext4 images, and ways to change them.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { crc32cOf } from "./crc32c.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/ext4/", import.meta.url));

/** One committed image. */
export interface Ext4SmallImage {
  readonly name: string;
  /** Where it would lie if it were not compressed: its manifest lies beside that. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All of them, in the order of their names. */
export function ext4SmallImages(): Ext4SmallImage[] {
  return readdirSync(FOLDER).filter((file) => file.endsWith(".img.gz")).sort()
    .map((file) => ({
      name: file.replace(/\.img\.gz$/, ""),
      path: `${FOLDER}${file.replace(/\.gz$/, "")}`,
      bytes: new Uint8Array(gunzipSync(readFileSync(`${FOLDER}${file}`))),
    }));
}

/** One of them. */
export function ext4SmallImage(name: string): Ext4SmallImage {
  const image = ext4SmallImages().find((each) => each.name === name);
  if (image === undefined) {
    throw new Error(`There is no committed image "${name}"`);
  }
  return image;
}

const SUPERBLOCK = 1024;
const CHECKSUM = SUPERBLOCK + 1020;
const RO_COMPAT = SUPERBLOCK + 100;
const METADATA_CSUM = 0x400;

/** CRC-32C as ext4 has it: neither start nor result inverted. */
export function ext4Sum(before: number, bytes: Uint8Array): number {
  if (before === 0xffffffff) return ~crc32cOf(bytes) >>> 0;
  let sum = before;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
    }
  }
  return sum >>> 0;
}

/** Writes the right check sum into a superblock that was changed, where it has one. */
export function sealExt4Superblock(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length < SUPERBLOCK + 1024) return;
  const view = new DataView(bytes.buffer);
  if ((view.getUint32(RO_COMPAT, true) & METADATA_CSUM) === 0) return;
  const sum = ext4Sum(0xffffffff, bytes.subarray(SUPERBLOCK, CHECKSUM));
  view.setUint32(CHECKSUM, sum, true);
}

/** A copy whose superblock was changed, under a check sum that fits. */
export function withSuperblock(
  bytes: Uint8Array<ArrayBuffer>,
  change: (superblock: DataView) => void,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  change(new DataView(copy.buffer, SUPERBLOCK, 1024));
  sealExt4Superblock(copy);
  return copy;
}

/** A copy without check sums, so that damage gets past them. */
export function withoutSums(
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  return withSuperblock(bytes, (superblock) => {
    const features = superblock.getUint32(100, true) & ~METADATA_CSUM;
    superblock.setUint32(100, features, true);
  });
}

/** A copy cut at `size` bytes. `admit`: its superblock claims no more, so that it can be opened. */
export function cutExt4(
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  admit = false,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice(0, size);
  if (!admit || size < 2 * SUPERBLOCK) return copy;
  return withSuperblock(copy, (superblock) => {
    const blockSize = 1024 << superblock.getUint32(24, true);
    superblock.setUint32(4, Math.floor(size / blockSize), true);
  });
}
