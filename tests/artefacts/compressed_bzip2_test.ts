import { spawnSync } from "node:child_process";
import test from "node:test";
import { openMemory } from "../../src/block/memory.ts";
import { openBzip2 } from "../../src/format/bzip2/open.ts";
import { blockReaderConformance } from "../conformance/block_reader.ts";

if (spawnSync("bzip2", ["--help"]).error !== undefined) {
  const skip = "missing: apt-get install bzip2";
  test("readers of bzip2 files", { skip }, () => {});
} else {
  blockReaderConformance("openBzip2()", async (bytes) => {
    const { stdout } = spawnSync("bzip2", ["-c1"], { input: bytes });
    const packed = new Uint8Array(stdout);
    const reader = await openBzip2(openMemory(packed));
    return { reader, close: () => reader.close() };
  });
}
