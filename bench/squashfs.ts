/**
 * Reading squashfs images beside unsquashfs.
 *
 * Ours walks the image and reads every file into memory, in this process; its first round, in code
 * that the engine has not optimised yet, counts like the others. Theirs extracts the same image into
 * tmpfs with one thread for decoding, start of the process included.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { readTree } from "../scripts/lib/bench_tree.ts";
import { openSquashfs } from "../src/format/squashfs/open.ts";

function walkCase(name: string, image: string): BenchCase {
  return {
    name: `squashfs-walk-${name}`,
    unit: "MB/s",
    better: "more",
    peer: "unsquashfs -p 1",
    bar: 0.5,
    packages: ["squashfs-tools"],
    async prepare(context) {
      const path = await context.fixture(
        context.quick ? `odd.squashfs-${name}` : image,
      );
      const folder = join(context.folder, "extracted");
      const size = await readTree(path, openSquashfs);
      const rate = (start: number) => size / 1e3 / (performance.now() - start);
      return {
        async ours() {
          const start = performance.now();
          await readTree(path, openSquashfs);
          return rate(start);
        },
        theirs() {
          const start = performance.now();
          const argv = ["-p", "1", "-n", "-q", "-d", folder, path];
          const { status, stderr } = spawnSync("unsquashfs", argv);
          const result = rate(start);
          if (status !== 0) {
            throw new Error(`Cannot extract "${path}": ${stderr}`);
          }
          rmSync(folder, { recursive: true });
          return Promise.resolve(result);
        },
      };
    },
  };
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  walkCase("zstd", "debian-arm64.squashfs"),
  walkCase("lz4", "debian-arm64.squashfs-lz4"),
  walkCase("gzip", "odd.squashfs-gzip"),
  walkCase("xz", "odd.squashfs-xz"),
  walkCase("lzo", "odd.squashfs-lzo"),
];
