/**
 * Reading ISO 9660 images beside libarchive.
 *
 * Ours walks the image and reads every file into memory, in this process. Theirs extracts the same
 * image into tmpfs, start of the process included.
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
import { openIso9660 } from "../src/format/iso9660/open.ts";

const walkCase: BenchCase = {
  name: "iso-walk",
  unit: "MB/s",
  better: "more",
  peer: "bsdtar -x",
  bar: 0.5,
  async prepare(context) {
    const image = await context.fixture(
      context.quick ? "odd.iso-xorriso" : "debian-arm64.iso-part",
    );
    const folder = join(context.folder, "extracted");
    const size = await readTree(image, openIso9660);
    const rate = (start: number) => size / 1e3 / (performance.now() - start);
    return {
      async ours() {
        const start = performance.now();
        await readTree(image, openIso9660);
        return rate(start);
      },
      theirs() {
        mkdirSync(folder);
        const start = performance.now();
        const { status, stderr } = spawnSync(
          "bsdtar",
          ["-xf", image, "-C", folder, "--exclude", "types"],
        );
        const result = rate(start);
        if (status !== 0) throw new Error(`Cannot extract: ${stderr}`);
        rmSync(folder, { recursive: true });
        return Promise.resolve(result);
      },
    };
  },
};

/** Bytes read to get the kernel out of a live image, for each byte that it has. */
const kernelCase: BenchCase = {
  name: "iso-kernel-bytes",
  unit: "× size",
  better: "less",
  bar: 1.05,
  async prepare(context) {
    const image = await context.fixture("debian-arm64.iso-debian");
    return {
      async ours() {
        const file = await openFile(image);
        try {
          const recorded = withRecord(file);
          const files = await openIso9660(recorded);
          const kernel = await files.open("/live/vmlinuz");
          await kernel.read(0, new Uint8Array(kernel.size));
          return recorded.report.bytes / kernel.size;
        } finally {
          await file.close();
        }
      },
    };
  },
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [walkCase, kernelCase];
