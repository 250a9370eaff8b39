/**
 * The committed squashfs images.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../fixtures/squashfs/", import.meta.url));

/** One committed image. */
export interface SmallSquashfs {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All of them but the one that is refused, in the order of their names. */
export function smallSquashfs(): SmallSquashfs[] {
  return readdirSync(FOLDER).filter((file) => /\.squashfs$/.test(file)).sort()
    .map((file) => file.replace(/\.squashfs$/, ""))
    .filter((name) => name !== "lzma").map(oneSquashfs);
}

/** One of them. */
export function oneSquashfs(name: string): SmallSquashfs {
  const path = `${FOLDER}${name}.squashfs`;
  return { name, path, bytes: new Uint8Array(readFileSync(path)) };
}
