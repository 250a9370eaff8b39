import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { openMemory } from "../../src/block/memory.ts";
import { openSquashfs } from "../../src/format/squashfs/open.ts";
import { CodecPool } from "../../src/wasm/pool.ts";
import { blockReaderConformance } from "../conformance/block_reader.ts";
import { fileSystemConformance } from "../conformance/file_system.ts";

/** Ways to store a file, one for each path through `SquashfsFile`. */
const LAYOUTS: Readonly<Record<string, readonly string[]>> = {
  "blocks and a block at the end": ["-b", "16K", "-no-fragments"],
  "blocks and a fragment": ["-b", "4K", "-always-use-fragments"],
  "fragment": ["-b", "128K"],
  "as it is": ["-noD", "-noF", "-b", "8K"],
  "xz": ["-comp", "xz", "-b", "16K"],
  "Zstandard": ["-comp", "zstd", "-b", "32K"],
  "LZ4": ["-comp", "lz4", "-b", "8K"],
  "LZO": ["-comp", "lzo", "-b", "8K"],
};

/** An image with one file, made on the spot. */
async function makeImage(
  bytes: Uint8Array,
  options: readonly string[],
): Promise<Uint8Array> {
  const folder = await fs.mkdtemp(join(tmpdir(), "squashfs-"));
  try {
    const tree = join(folder, "tree"), image = join(folder, "image");
    await fs.mkdir(tree);
    await fs.writeFile(join(tree, "file"), bytes);
    const always = ["-noappend", "-quiet", "-no-progress"];
    execFileSync("mksquashfs", [tree, image, ...options, ...always]);
    return new Uint8Array(await fs.readFile(image));
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

if (spawnSync("mksquashfs", ["-version"]).error !== undefined) {
  const skip = "missing: apt-get install squashfs-tools";
  test("readers of squashfs files", { skip }, () => {});
} else {
  for (const [layout, options] of Object.entries(LAYOUTS)) {
    blockReaderConformance(`squashfs file, ${layout},`, async (bytes) => {
      const image = await makeImage(bytes, options);
      const opened = await openSquashfs(openMemory(image));
      return { reader: await opened.open("/file") };
    });
  }
  blockReaderConformance("squashfs file, xz in a pool,", async (bytes) => {
    const image = await makeImage(bytes, LAYOUTS["xz"]!);
    const pool = new CodecPool();
    const opened = await openSquashfs(openMemory(image), { pool });
    return { reader: await opened.open("/file") };
  });
}

const ODD = "odd.squashfs-zstd";
const path = findFixture(ODD);
if (path === undefined) {
  const skip = `missing: run deno task fixtures ${ODD}`;
  test("squashfs", { skip }, () => {});
} else {
  fileSystemConformance(
    "squashfs",
    async () => {
      const file = await openFile(path);
      return { files: await openSquashfs(file), close: () => file.close() };
    },
    readManifest(path).filter(({ path }) => path !== "/"),
  );
}
