import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { openMemory } from "../../src/block/memory.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";
import { blockReaderConformance } from "../conformance/block_reader.ts";

/** Ways to store a file, one for each kind of reader behind `FileSystem.open()`. */
const LAYOUTS: Readonly<Record<string, readonly string[]>> = {
  "extents": ["-t", "ext4", "-b", "4096"],
  "extents in blocks of 64 KiB": ["-t", "ext4", "-b", "65536"],
  "a block map": ["-t", "ext2", "-b", "1024"],
  "a block map in blocks of 4 KiB": ["-t", "ext3", "-b", "4096"],
};

/** An image with `bytes` as `/file`. */
function makeImage(
  options: readonly string[],
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), "ext4-conformance-"));
  try {
    const tree = join(folder, "tree");
    const image = join(folder, "image");
    mkdirSync(tree);
    writeFileSync(join(tree, "file"), bytes);
    const args = ["-q", "-F", ...options, "-d", tree, image, "16M"];
    execFileSync("mke2fs", args, { stdio: "pipe" });
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function missingTool(): string | undefined {
  try {
    execFileSync("mke2fs", ["-V"], { stdio: "pipe" });
    return undefined;
  } catch {
    return "missing: mke2fs of the package e2fsprogs";
  }
}

const missing = missingTool();
if (missing !== undefined) {
  test("readers of ext4 files", { skip: missing }, () => {});
} else {
  for (const [layout, options] of Object.entries(LAYOUTS)) {
    blockReaderConformance(`ext4 file, ${layout},`, async (bytes) => {
      const opened = await openExt4(openMemory(makeImage(options, bytes)));
      return { reader: await opened.open("/file") };
    });
  }
}
