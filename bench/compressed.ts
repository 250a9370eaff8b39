/**
 * Reading compressed images beside the programs that unpack them.
 *
 * Ours opens a file in memory and reads all of it, or some places, in this process, on this thread;
 * what has to be kept on the way is kept in memory. Theirs unpacks the same file to nowhere, start of
 * the process included: what a user would do first to read any place.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { BenchCase, BenchContext } from "../scripts/lib/bench_case.ts";
import { openFile } from "../src/adapters/node/file.ts";
import { memoryStore } from "../src/block/memory_store.ts";
import { withReadAhead } from "../src/block/read_ahead.ts";
import type { BlockReader } from "../src/block/reader.ts";
import { openBzip2 } from "../src/format/bzip2/open.ts";
import type {
  CompressedReader,
  DecodeOptions,
} from "../src/format/compressed/reader.ts";
import { openGzip } from "../src/format/gzip/open.ts";
import { openLz4 } from "../src/format/lz4/open.ts";
import { openXz } from "../src/format/xz/open.ts";
import { openZstd } from "../src/format/zstd/open.ts";

const READ_BYTES = 1 << 20;
const PLACES = 24;
const PLACE_BYTES = 4096;

type Open = (
  image: BlockReader,
  options: DecodeOptions,
) => Promise<CompressedReader>;

/** An arm64 kernel: real code. */
async function content(context: BenchContext): Promise<string> {
  const path = join(context.folder, "compressed-content");
  if (!existsSync(path)) {
    const bytes = context.quick
      ? readFileSync(process.execPath).subarray(0, 4 << 20)
      : readFileSync(await context.fixture("debian-arm64.kernel"));
    writeFileSync(path, bytes);
  }
  return path;
}

function shell(argv: readonly string[], from: string, to: string): void {
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", 'exec "$@" <"$FROM" >"$TO"', "sh", ...argv],
    { env: { ...process.env, FROM: from, TO: to } },
  );
  if (status !== 0) throw new Error(`Cannot run ${argv.join(" ")}: ${stderr}`);
}

async function use<T>(
  path: string,
  open: Open,
  work: (reader: CompressedReader) => Promise<T>,
): Promise<T> {
  const file = await openFile(path);
  const reader = await open(withReadAhead(file), { store: memoryStore() });
  try {
    return await work(reader);
  } finally {
    await reader.close();
    await file.close();
  }
}

async function readAll(reader: BlockReader): Promise<number> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let offset = 0; offset < reader.size;) {
    offset += await reader.read(offset, buffer);
  }
  return reader.size;
}

async function readPlaces(reader: BlockReader): Promise<number> {
  const buffer = new Uint8Array(PLACE_BYTES);
  for (let i = 0, x = 7; i < PLACES; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    await reader.read(x % (reader.size - PLACE_BYTES), buffer);
  }
  return PLACES * PLACE_BYTES;
}

interface Way {
  readonly name: string;
  readonly packages: readonly string[];
  readonly pack: readonly string[];
  readonly unpack: readonly string[];
  readonly open: Open;
}

function sequential(way: Way, bar: number): BenchCase {
  return {
    name: `compressed-all-${way.name}`,
    unit: "MB/s",
    better: "more",
    peer: way.unpack.join(" "),
    bar,
    packages: way.packages,
    async prepare(context) {
      const from = await content(context);
      const packed = join(context.folder, `all.${way.name}`);
      shell(way.pack, from, packed);
      const size = await use(packed, way.open, readAll);
      const rate = (start: number) => size / 1e3 / (performance.now() - start);
      return {
        async ours() {
          const start = performance.now();
          await use(packed, way.open, readAll);
          return rate(start);
        },
        theirs() {
          const start = performance.now();
          shell(way.unpack, packed, "/dev/null");
          return Promise.resolve(rate(start));
        },
      };
    },
  };
}

function random(way: Way, bar: number): BenchCase {
  return {
    name: `compressed-places-${way.name}`,
    unit: "ms",
    better: "less",
    peer: way.unpack.join(" "),
    bar,
    packages: way.packages,
    async prepare(context) {
      const from = await content(context);
      const packed = join(context.folder, `places.${way.name}`);
      shell(way.pack, from, packed);
      return {
        async ours() {
          const start = performance.now();
          await use(packed, way.open, readPlaces);
          return performance.now() - start;
        },
        theirs() {
          const start = performance.now();
          shell(way.unpack, packed, "/dev/null");
          return Promise.resolve(performance.now() - start);
        },
      };
    },
  };
}

const XZ: Way = {
  name: "xz",
  packages: ["xz-utils"],
  pack: ["xz", "-c", "-T2", "-1", "--block-size=1MiB"],
  unpack: ["xz", "-dc", "-T1"],
  open: openXz,
};
const BGZF: Way = {
  name: "bgzf",
  packages: ["gzip", "tabix"],
  pack: ["bgzip", "-c", "-l1"],
  unpack: ["gzip", "-dc"],
  open: openGzip,
};

export const cases: readonly BenchCase[] = [
  sequential(XZ, 0.55),
  sequential({
    ...XZ,
    name: "xz-single",
    pack: ["xz", "-c", "-T1", "-1"],
  }, 0.55),
  sequential({
    name: "gz",
    packages: ["gzip"],
    pack: ["gzip", "-c"],
    unpack: ["gzip", "-dc"],
    open: openGzip,
  }, 0.7),
  sequential(BGZF, 0.7),
  sequential({
    name: "zst",
    packages: ["zstd"],
    pack: ["zstd", "-qc"],
    unpack: ["zstd", "-qdc"],
    open: openZstd,
  }, 0.3),
  sequential({
    name: "lz4",
    packages: ["lz4"],
    pack: ["lz4", "-qc"],
    unpack: ["lz4", "-dc"],
    open: openLz4,
  }, 0.3),
  sequential({
    name: "bz2",
    packages: ["bzip2"],
    pack: ["bzip2", "-c"],
    unpack: ["bzip2", "-dc"],
    open: openBzip2,
  }, 0.55),
  random(XZ, 1),
  random(BGZF, 1),
];
