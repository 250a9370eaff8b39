/**
 * Damaged casync indexes and chunks, from those that casync and desync made.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openMemory } from "../../src/block/memory.ts";
import { isCoded } from "../../src/errors.ts";
import { openCasync } from "../../src/format/casync/open.ts";
import { oneSquashfs } from "../support/squashfs_images.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/casync/", import.meta.url));
const NAMES = ["casync-xz", "desync"];
/** Bytes before an input's index that say how large it is. */
const SIZE_BYTES = 4;
/** The chunk that inputs hold. */
const DAMAGED = 3;
/** A damaged index may claim any size. */
const MAX_READ = 1 << 20;

interface Seed {
  readonly name: string;
  readonly index: Uint8Array;
  readonly chunks: Uint8Array[];
  readonly paths: readonly string[];
}

let seeds: Seed[] | undefined;

function readSeeds(): Seed[] {
  return NAMES.map((name) => {
    const store = `${FOLDER}${name}.store`;
    const paths = readdirSync(store, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".cacnk"));
    return {
      name,
      index: new Uint8Array(readFileSync(`${FOLDER}${name}.caibx`)),
      paths,
      chunks: paths.map((path) =>
        new Uint8Array(readFileSync(join(store, path)))
      ),
    };
  });
}

/**
 * An index that is opened and read from its store, in which one chunk is damaged. An input is the size
 * of the index, the index, and that chunk.
 */
export const casyncTarget: FuzzTarget = {
  makeInput(run) {
    seeds ??= readSeeds();
    const next = randomNumbers(run);
    const { name, index, chunks } = seeds[next() % seeds.length]!;
    const spots = [0, 16, 24, 56, 64, 104, index.length - 40];
    // an index that is damaged is mostly refused, so half of them are left whole
    const head = next() % 2 === 0 ? mutate(index, spots, next) : index;
    const chunk = chunks[DAMAGED]!;
    const body = head === index || next() % 2 === 0
      ? mutate(chunk, [0, chunk.length - 20], next)
      : chunk;
    const bytes = new Uint8Array(SIZE_BYTES + head.length + body.length);
    new DataView(bytes.buffer).setUint32(0, head.length, true);
    bytes.set(head, SIZE_BYTES);
    bytes.set(body, SIZE_BYTES + head.length);
    return Promise.resolve({ name, bytes });
  },
  async runInput(name, bytes) {
    seeds ??= readSeeds();
    const seed = seeds.find((seed) => seed.name === name)!;
    const { paths, chunks } = seed;
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const index = bytes.slice(SIZE_BYTES, SIZE_BYTES + size);
    const damaged = bytes.slice(SIZE_BYTES + size);
    const image = oneSquashfs("raw").bytes;
    let opened = false;
    try {
      const reader = await openCasync(openMemory(index), {
        // the damaged chunk in the place of one, the others as they are
        store: (path) => {
          const at = paths.indexOf(path);
          if (at < 0) return Promise.resolve(undefined);
          return Promise.resolve(at === DAMAGED ? damaged : chunks[at]);
        },
      });
      opened = true;
      const into = new Uint8Array(Math.min(reader.size, MAX_READ));
      const read = await reader.read(0, into);
      if (read !== into.length) throw new Error(`read ${read} bytes`);
      const whole = reader.size === image.length &&
        into.every((byte, i) => byte === image[i]);
      // a damaged index may name other chunks, each of them right; a damaged chunk gives no byte
      const same = index.every((byte, i) => byte === seed.index[i]);
      if (same && index.length === seed.index.length && !whole) {
        throw new Error("a chunk that is not right was read");
      }
      return { opened, read: true };
    } catch (error) {
      if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
      return { opened, read: false };
    }
  },
};
