/**
 * Reading erofs images beside erofs-utils.
 *
 * Ours walks the image and reads every file into memory, in this process; its first round, in code
 * that the engine has not optimised yet, counts like the others. Theirs extracts the same image into
 * tmpfs, start of the process included.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { readTree } from "../scripts/lib/bench_tree.ts";
import {
  erofsTool,
  type ErofsVersion,
} from "../scripts/fixtures/erofs_tool.ts";
import { openFile } from "../src/adapters/node/file.ts";
import { withReadAhead } from "../src/block/read_ahead.ts";
import { withRecord } from "../src/block/record.ts";
import { openErofs } from "../src/format/erofs/open.ts";
import { bootPaths, storedSize } from "../tests/support/boot_files.ts";

const METADATA_ALLOWANCE = 256 << 10;

function walkCase(
  compression: string,
  version: ErofsVersion,
  bar: number,
): BenchCase {
  return {
    name: `erofs-walk-${compression}`,
    unit: "MB/s",
    better: "more",
    peer: `fsck.erofs ${version} --extract`,
    bar,
    async prepare(context) {
      const of = context.quick ? "odd" : "debian-arm64";
      const image = await context.fixture(`${of}.erofs-${compression}`);
      await context.fixture(`erofs-utils-${version}`);
      const [program, ...args] = erofsTool(version, "fsck.erofs");
      const folder = join(context.folder, "extracted");
      const size = await readTree(image, openErofs);
      const rate = (start: number) => size / 1e3 / (performance.now() - start);
      return {
        async ours() {
          const start = performance.now();
          await readTree(image, openErofs);
          return rate(start);
        },
        theirs() {
          const start = performance.now();
          const { status, stderr } = spawnSync(program!, [
            ...args,
            `--extract=${folder}`,
            image,
          ]);
          const result = rate(start);
          if (status !== 0) {
            throw new Error(`Cannot extract "${image}": ${stderr}`);
          }
          rmSync(folder, { recursive: true });
          return Promise.resolve(result);
        },
      };
    },
  };
}

/** Bytes read for kernel, modules.dep and 10 modules, less the allowance, for each byte stored. */
const bootCase: BenchCase = {
  name: "erofs-boot-bytes",
  unit: "× stored",
  better: "less",
  bar: 1.3,
  async prepare(context) {
    const image = await context.fixture("debian-arm64.erofs-lz4hc");
    await context.fixture("erofs-utils-1.8.6");
    return {
      async ours() {
        const file = await openFile(image);
        try {
          const recorded = withRecord(file);
          const files = await openErofs(withReadAhead(recorded));
          const paths = await bootPaths(files);
          for (const path of paths) {
            const content = await files.open(path);
            await content.read(0, new Uint8Array(content.size));
          }
          const stored = paths.map((path) => storedSize(image, path));
          const all = stored.reduce((a, b) => a + b);
          return Math.max(0, recorded.report.bytes - METADATA_ALLOWANCE) / all;
        } finally {
          await file.close();
        }
      },
    };
  },
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  walkCase("lz4hc", "1.5", 0.6),
  walkCase("zstd", "1.8.6", 0.5),
  walkCase("deflate", "1.8.6", 0.5),
  walkCase("lzma", "1.8.6", 0.5),
  bootCase,
];
