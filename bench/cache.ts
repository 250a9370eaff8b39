/**
 * Reading what the cache on disk has, beside `dd` on the file in which the cache has it.
 *
 * Both read all of it in pieces of 1 MiB, from the same file. Theirs includes the start of the
 * process. `cache-disk` makes the system forget the file before each round, so it comes from the
 * disk; in the others it is in the system's memory. Sums are checked when a program reads an extent
 * for the first time: `cache-first` pays for that, `cache-again` does not.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import {
  type DiskStore,
  openDiskStore,
} from "../src/adapters/node/disk_store.ts";
import type { BlockReader, ClosableReader } from "../src/block/reader.ts";
import { withStore } from "../src/block/with_store.ts";
import { PatternReader } from "../tests/support/pattern_reader.ts";

const PIECE = 1 << 20;

async function readAll(reader: BlockReader): Promise<void> {
  const into = new Uint8Array(PIECE);
  for (let offset = 0; offset < reader.size; offset += PIECE) {
    await reader.read(offset, into);
  }
}

/** An entry that is complete, in a folder on disk. */
interface Kept {
  readonly source: BlockReader;
  readonly store: DiskStore;
  /** The file of its bytes. */
  readonly data: string;
}

async function keepAll(quick: boolean): Promise<Kept> {
  const folder = mkdtempSync(join(tmpdir(), "bench-cache-"));
  process.on("exit", () => rmSync(folder, { recursive: true }));
  const store = openDiskStore(folder, { maxBytes: 4 * 2 ** 30 });
  const source = new PatternReader(quick ? 16 << 20 : 1 << 30);
  const reader = await withStore(source, store);
  await readAll(reader);
  await reader.close();
  const { path } = (await store.list())[0]!;
  const data = readdirSync(path).find((name) => name.startsWith("data-"))!;
  return { source, store, data: join(path, data) };
}

function dd(...args: string[]): void {
  const { status, stderr } = spawnSync("dd", args);
  if (status !== 0) throw new Error(`Cannot run dd ${args}: ${stderr}`);
}

let kept: Promise<Kept> | undefined;

function readCase(
  what: "disk" | "first" | "again",
  bar: number | undefined,
): BenchCase {
  return {
    name: `cache-${what}`,
    unit: "MB/s",
    better: "more",
    peer: "dd bs=1M",
    ...bar !== undefined && { bar },
    async prepare({ quick }) {
      const { source, store, data } = await (kept ??= keepAll(quick));
      const forget = () =>
        what === "disk" && dd(`if=${data}`, "iflag=nocache", "count=0");
      const rate = (start: number) =>
        source.size / 1e3 / (performance.now() - start);
      let open: ClosableReader | undefined;
      if (what === "again") {
        open = await withStore(source, store);
        await readAll(open);
      }
      return {
        async ours() {
          forget();
          const start = performance.now();
          const reader = open ?? await withStore(source, store);
          await readAll(reader);
          if (open === undefined) await reader.close();
          return rate(start);
        },
        theirs() {
          forget();
          const start = performance.now();
          dd(`if=${data}`, "of=/dev/null", "bs=1M");
          return Promise.resolve(rate(start));
        },
      };
    },
  };
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  readCase("disk", undefined),
  readCase("first", undefined),
  readCase("again", 0.7),
];
