/**
 * A program that fills a cache on disk until it is killed: `store_writer.ts FOLDER SEED FLUSH_BYTES`.
 *
 * Prints `ready` when it begins to write.
 *
 * @module
 */

import process from "node:process";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { withStore } from "../../src/block/with_store.ts";
import { PatternReader } from "./pattern_reader.ts";

/** Bytes of the content that it keeps. */
export const WRITTEN_BYTES = 32 << 20;

/** The content: with it, what was kept is compared. */
export function writtenSource(): PatternReader {
  return new PatternReader(WRITTEN_BYTES, "written");
}

async function main([folder, seed, flushBytes]: string[]): Promise<void> {
  const store = openDiskStore(folder!, {
    maxBytes: 1 << 30,
    flushBytes: Number(flushBytes),
    flushMs: Number(flushBytes) > 1 << 20 ? 2000 : 3,
  });
  const reader = await withStore(writtenSource(), store);
  let state = Number(seed) | 1;
  const next = (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  console.log("ready");
  const into = new Uint8Array(256 << 10);
  for (;;) {
    const size = (1 + next(into.length / 4)) * 4;
    const offset = next((WRITTEN_BYTES - size) / 4) * 4;
    await reader.read(offset, into.subarray(0, size));
  }
}

if (import.meta.main) await main(process.argv.slice(2));
