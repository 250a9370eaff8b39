/**
 * Reads the first part of a content through a cache on disk, and tells how that went:
 * `store_reader.ts FOLDER BYTES`. Prints one object as JSON.
 *
 * @module
 */

import process from "node:process";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { withStore } from "../../src/block/with_store.ts";
import { fillPattern } from "./pattern_reader.ts";
import { writtenSource } from "./store_writer.ts";

/** What it prints. */
export interface StoreReading {
  /** All bytes were those of the source. */
  readonly right: boolean;
  /** Bytes that came from the cache, and that had to be fetched. */
  readonly kept: number;
  readonly fetched: number;
  readonly warnings: readonly { code: string; message: string }[];
}

async function main([folder, bytes]: string[]): Promise<void> {
  const warnings: { code: string; message: string }[] = [];
  const store = openDiskStore(folder!, {
    maxBytes: 1 << 30,
    flushBytes: 1 << 20,
    onWarning: ({ code, message }) => warnings.push({ code, message }),
  });
  const reader = await withStore(writtenSource(), store);
  const into = new Uint8Array(1 << 20);
  const expected = new Uint8Array(into.length);
  let right = true;
  for (let offset = 0; offset < Number(bytes); offset += into.length) {
    await reader.read(offset, into);
    fillPattern(offset, expected);
    right &&= into.every((byte, i) => byte === expected[i]);
  }
  await reader.close();
  const { kept, fetched } = reader.report;
  const reading: StoreReading = { right, kept, fetched, warnings };
  console.log(JSON.stringify(reading));
}

if (import.meta.main) await main(process.argv.slice(2));
