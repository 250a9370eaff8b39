/**
 * The codecs of the WASM core beside the native programs.
 *
 * Both read their input from a file in memory and leave their output in memory: ours in a buffer, as
 * its callers want it, theirs in a file in tmpfs. Theirs includes the start of the process, which is
 * what a user of the program waits for; ours starts with the core loaded, and its first round, in code
 * that the engine has not optimised yet, counts like the others.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type {
  BenchCase,
  BenchContext,
  PreparedBench,
} from "../scripts/lib/bench_case.ts";
import { MODULE_SIZE } from "../src/wasm/core_bytes.ts";
import {
  gunzip,
  gzip,
  lz4FrameDecode,
  lz4LegacyDecode,
  xzDecode,
  zstdDecode,
} from "../src/wasm/codecs.ts";

const MAX = { maxSize: 256 << 20 };
const CODEC_BAR = 0.55;

/** The arm64 kernel image in the bench's folder. */
async function kernel(context: BenchContext): Promise<string> {
  const path = join(context.folder, "kernel");
  if (!existsSync(path)) {
    const bytes = context.quick
      ? new Uint8Array(readFileSync(process.execPath)).subarray(0, 4 << 20)
      : readFileSync(await context.fixture("debian-arm64.kernel"));
    writeFileSync(path, bytes);
  }
  return path;
}

/** Runs a program with files as its input and output. */
function pipe(argv: readonly string[], from: string, to: string): void {
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", 'exec "$@" <"$FROM" >"$TO"', "sh", ...argv],
    { env: { ...process.env, FROM: from, TO: to } },
  );
  if (status !== 0) {
    throw new Error(`Cannot run ${argv.join(" ")}: ${stderr}`);
  }
}

async function seconds(work: () => Promise<unknown> | void): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const read = (path: string) => new Uint8Array(readFileSync(path));

function decodeCase(
  name: string,
  packages: readonly string[],
  encoder: readonly string[],
  decoder: readonly string[],
  decode: (
    data: Uint8Array,
    options: { maxSize: number },
  ) => Promise<Uint8Array>,
): BenchCase {
  return {
    name,
    unit: "MB/s",
    better: "more",
    peer: decoder.join(" "),
    bar: CODEC_BAR,
    packages,
    async prepare(context): Promise<PreparedBench> {
      const plain = await kernel(context);
      const packed = join(context.folder, name);
      const output = join(context.folder, `${name}.out`);
      pipe(encoder, plain, packed);
      const size = statSync(plain).size;
      if ((await decode(read(packed), MAX)).length !== size) {
        throw new Error(`Cannot compare ${name}: the sizes differ`);
      }
      return {
        ours: async () =>
          size / 1e6 / await seconds(() => decode(read(packed), MAX)),
        theirs: async () =>
          size / 1e6 / await seconds(() => pipe(decoder, packed, output)),
      };
    },
  };
}

async function gzipped(context: BenchContext) {
  const plain = await kernel(context);
  const output = join(context.folder, "gzip.out");
  return { plain, output, size: statSync(plain).size };
}

/** In a process of its own: what is compiled once stays compiled. */
const LOAD_SCRIPT = `
import { loadCore } from "${new URL(
  "../src/wasm/instance.ts",
  import.meta.url,
)}";
const start = performance.now();
await loadCore();
console.log(performance.now() - start);
`;

export const cases: readonly BenchCase[] = [
  decodeCase("gunzip", ["gzip"], ["gzip", "-6"], ["gzip", "-dc"], gunzip),
  decodeCase(
    "lz4-decode",
    ["lz4"],
    ["lz4", "-c"],
    ["lz4", "-dc"],
    lz4FrameDecode,
  ),
  decodeCase(
    "lz4-legacy-decode",
    ["lz4"],
    ["lz4", "-c", "-l", "-9"],
    ["lz4", "-dc"],
    lz4LegacyDecode,
  ),
  decodeCase(
    "zstd-decode",
    ["zstd"],
    ["zstd", "-qc"],
    ["zstd", "-qdc"],
    zstdDecode,
  ),
  decodeCase(
    "zstd-decode-19",
    ["zstd"],
    ["zstd", "-qc", "-19", "-T0"],
    ["zstd", "-qdc"],
    zstdDecode,
  ),
  decodeCase("xz-decode", ["xz-utils"], ["xz", "-c"], ["xz", "-dc"], xzDecode),
  {
    name: "gzip",
    unit: "MB/s",
    better: "more",
    peer: "gzip -6",
    bar: 1.7,
    packages: ["gzip"],
    async prepare(context) {
      const { plain, output, size } = await gzipped(context);
      return {
        ours: async () => size / 1e6 / await seconds(() => gzip(read(plain))),
        theirs: async () =>
          size / 1e6 /
          await seconds(() => pipe(["gzip", "-6"], plain, output)),
      };
    },
  },
  {
    name: "gzip-size",
    unit: "bytes",
    better: "less",
    peer: "gzip -6",
    bar: 1,
    packages: ["gzip"],
    async prepare(context) {
      const { plain, output } = await gzipped(context);
      return {
        ours: async () => (await gzip(read(plain))).length,
        theirs() {
          pipe(["gzip", "-6"], plain, output);
          return Promise.resolve(statSync(output).size);
        },
      };
    },
  },
  {
    name: "wasm-size",
    unit: "KiB",
    better: "less",
    bar: 450,
    prepare: () =>
      Promise.resolve({ ours: () => Promise.resolve(MODULE_SIZE / 1024) }),
  },
  {
    name: "wasm-instantiate",
    unit: "ms",
    better: "less",
    bar: 15,
    prepare(context) {
      const script = join(context.folder, "load.ts");
      writeFileSync(script, LOAD_SCRIPT);
      return Promise.resolve({
        ours() {
          const { stdout, stderr } = spawnSync(process.execPath, [
            "run",
            "-A",
            "--no-config",
            script,
          ]);
          const value = Number(stdout.toString());
          if (!(value > 0)) throw new Error(stderr.toString());
          return Promise.resolve(value);
        },
      });
    },
  },
];
