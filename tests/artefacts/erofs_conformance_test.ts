import test from "node:test";
import { openMemory } from "../../src/block/memory.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { blockReaderConformance } from "../conformance/block_reader.ts";
import { makeErofsImage, missingMkfs } from "../support/erofs_mkfs.ts";

/** Ways to store a file, one for each kind of reader behind `FileSystem.open()`. */
const LAYOUTS: Readonly<Record<string, readonly string[]>> = {
  "flat": [],
  "flat without inlined tail": ["-Enoinline_data"],
  "chunked": ["--chunksize=4096"],
  "LZ4": ["-zlz4"],
  "LZ4 with an inlined tail": ["-zlz4", "-Eztailpacking"],
  "Zstandard in large pclusters": ["-zzstd", "-C65536"],
  "fragment": ["-zdeflate", "-C65536", "-Eall-fragments"],
};

const missing = missingMkfs("1.8.6");
if (missing !== undefined) {
  test("readers of erofs files", { skip: missing }, () => {});
} else {
  for (const [layout, options] of Object.entries(LAYOUTS)) {
    blockReaderConformance(`erofs file, ${layout},`, async (bytes) => {
      const files = new Map([["file", bytes]]);
      const image = await makeErofsImage("1.8.6", options, files);
      const opened = await openErofs(openMemory(image));
      return { reader: await opened.open("/file") };
    });
  }
}
