/**
 * Images inside sparse images and archives, beside the programs that unpack them.
 *
 * Ours reads all content into memory, in this process, on one thread. Theirs writes it to tmpfs or to
 * nowhere, start of the process included.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { openFile } from "../src/adapters/node/file.ts";
import type { BlockReader } from "../src/block/reader.ts";
import { withReadAhead } from "../src/block/read_ahead.ts";
import { openSparse } from "../src/format/sparse/open.ts";
import { openTar } from "../src/format/tar/open.ts";
import { openZip } from "../src/format/zip/open.ts";
import { inflated } from "../src/format/zip/inflated.ts";
import type { ZipEntry } from "../src/format/zip/entries.ts";

const READ_BYTES = 1 << 20;

async function readAll(reader: BlockReader): Promise<number> {
  const buffer = new Uint8Array(Math.min(READ_BYTES, reader.size));
  for (let offset = 0; offset < reader.size;) {
    offset += await reader.read(offset, buffer);
  }
  return reader.size;
}

async function withFile<T>(
  path: string,
  use: (file: BlockReader) => Promise<T>,
): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function run(argv: readonly string[]): Promise<void> {
  const [program, ...args] = argv;
  const { status, stderr } = spawnSync(program!, args, {
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0) {
    throw new Error(`Cannot run "${argv.join(" ")}": ${stderr}`);
  }
  return Promise.resolve();
}

/** Bytes for each second, in MB. */
async function rate(
  work: () => Promise<number | void>,
  size = 0,
): Promise<number> {
  const start = performance.now();
  const found = await work();
  return (found ?? size) / 1e3 / (performance.now() - start);
}

const sparseCase: BenchCase = {
  name: "sparse-read",
  unit: "MB/s",
  better: "more",
  peer: "simg2img",
  packages: ["android-sdk-libsparse-utils"],
  bar: 0.5,
  async prepare(context) {
    const path = await context.fixture("debian-arm64.sparse");
    const to = join(context.folder, "raw");
    const ours = () =>
      withFile(
        path,
        async (file) => await readAll(withReadAhead(await openSparse(file))),
      );
    const size = await ours();
    return {
      ours: () => rate(ours),
      async theirs() {
        const result = await rate(() => run(["simg2img", path, to]), size);
        rmSync(to);
        return result;
      },
    };
  },
};

const inflateCase: BenchCase = {
  name: "zip-inflate",
  unit: "MB/s",
  better: "more",
  peer: "unzip -p",
  packages: ["unzip"],
  bar: 0.7,
  async prepare(context) {
    const [fixture, name] = context.quick
      ? ["odd.zip", "zeros"]
      : ["debian-arm64.zip", "images/debian.ext4"];
    const path = await context.fixture(fixture!);
    const find = async (file: BlockReader): Promise<ZipEntry> => {
      const { entries } = await openZip(file);
      return entries.find((entry) => entry.name === name)!;
    };
    const ours = () =>
      withFile(path, async (file) => {
        const entry = await find(file);
        const { name: raw } = entry.repeated;
        // no field is longer in the local headers of these
        const offset = entry.headerOffset + 30 + raw.length;
        const { signal } = new AbortController();
        let size = 0;
        for await (
          const bytes of inflated(file, entry, offset, undefined, signal)
        ) {
          size += bytes.length;
        }
        return size;
      });
    const size = await ours();
    return {
      ours: () => rate(ours),
      theirs: () => rate(() => run(["unzip", "-p", path, name!]), size),
    };
  },
};

const listCase: BenchCase = {
  name: "tar-list",
  unit: "entries/s",
  better: "more",
  peer: "tar --list",
  async prepare(context) {
    const path = await context.fixture("odd.tar-gnu");
    const ours = () =>
      withFile(path, async (file) => {
        let count = 0;
        const tar = await openTar(file);
        for await (const _ of tar.entries()) count++;
        return count;
      });
    const count = await ours();
    const speed = async (work: () => Promise<unknown>) => {
      const start = performance.now();
      await work();
      return count * 1e3 / (performance.now() - start);
    };
    return {
      ours: () => speed(ours),
      theirs: () => speed(() => run(["tar", "--list", "--file", path])),
    };
  },
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [sparseCase, inflateCase, listCase];
