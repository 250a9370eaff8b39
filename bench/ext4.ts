/**
 * Reading ext4 images beside e2fsprogs.
 *
 * Ours walks the image and reads every file into memory, in this process; its first round, in code
 * that the engine has not optimised yet, counts like the others. Theirs extracts the same image into
 * tmpfs, start of the process included.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { readTree } from "../scripts/lib/bench_tree.ts";
import { openFile } from "../src/adapters/node/file.ts";
import { withRecord } from "../src/block/record.ts";
import { openExt4 } from "../src/format/ext4/open.ts";
import { inspectImage } from "../src/image/inspect.ts";

const walkCase: BenchCase = {
  name: "ext4-walk",
  unit: "MB/s",
  better: "more",
  peer: "debugfs -R rdump",
  bar: 0.5,
  packages: ["e2fsprogs"],
  async prepare(context) {
    const image = await context.fixture(
      context.quick ? "odd.ext4-4k" : "debian-arm64.ext4",
    );
    const folder = join(context.folder, "extracted");
    const size = await readTree(image, openExt4);
    const rate = (start: number) => size / 1e3 / (performance.now() - start);
    return {
      async ours() {
        const start = performance.now();
        await readTree(image, openExt4);
        return rate(start);
      },
      theirs() {
        mkdirSync(folder);
        const start = performance.now();
        const { status, stderr } = spawnSync("debugfs", [
          "-R",
          `rdump / ${folder}`,
          image,
        ]);
        const result = rate(start);
        rmSync(folder, { recursive: true });
        if (status !== 0) throw new Error(`Cannot extract: ${stderr}`);
        return Promise.resolve(result);
      },
    };
  },
};

/** Reads until the kernels of an image and what belongs to them are known. */
const inspectCase: BenchCase = {
  name: "ext4-inspect-reads",
  unit: "reads",
  better: "less",
  bar: 60,
  async prepare(context) {
    const image = await context.fixture("debian-arm64.ext4");
    return {
      async ours() {
        const file = await openFile(image);
        try {
          const recorded = withRecord(file);
          await inspectImage(await openExt4(recorded));
          return recorded.report.requests;
        } finally {
          await file.close();
        }
      },
    };
  },
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [walkCase, inspectCase];
