/**
 * Committed images that are kept gzip'd, since most of each is zeros.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** One committed image. */
export interface PackedImage {
  /** Of the file, without `.gz`. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All images of a folder of `tests/fixtures/`, in the order of their names. */
export function packedImages(folder: string): PackedImage[] {
  const path = fileURLToPath(
    new URL(`../fixtures/${folder}/`, import.meta.url),
  );
  return readdirSync(path).filter((file) => file.endsWith(".gz")).sort()
    .map((file) => ({
      name: file.replace(/\.gz$/, ""),
      bytes: new Uint8Array(gunzipSync(readFileSync(`${path}${file}`))),
    }));
}

/** One of them. */
export function packedImage(folder: string, name: string): PackedImage {
  const image = packedImages(folder).find((each) => each.name === name);
  if (image === undefined) {
    throw new Error(`There is no committed image "${name}" in "${folder}"`);
  }
  return image;
}

/** Flips a bit; once more puts it right. */
export function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
}
