import { execFileSync } from "node:child_process";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { erofsTool } from "../../scripts/fixtures/erofs_tool.ts";
import { openMemory } from "../../src/block/memory.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { blockReaderConformance } from "../conformance/block_reader.ts";

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

let mkfs: string[] | undefined;
try {
  mkfs = erofsTool("1.8.6", "mkfs.erofs");
} catch (error) {
  test("readers of erofs files", { skip: String(error) }, () => {});
}

if (mkfs !== undefined) {
  const [program, ...args] = mkfs;
  for (const [layout, options] of Object.entries(LAYOUTS)) {
    blockReaderConformance(`erofs file, ${layout},`, async (bytes) => {
      const folder = await fs.mkdtemp(join(tmpdir(), "erofs-"));
      try {
        await fs.mkdir(join(folder, "tree"));
        await fs.writeFile(join(folder, "tree", "file"), bytes);
        const image = join(folder, "image");
        execFileSync(program!, [
          ...args,
          "--quiet",
          ...options,
          image,
          join(folder, "tree"),
        ]);
        const files = await openErofs(
          openMemory(new Uint8Array(await fs.readFile(image))),
        );
        return { reader: await files.open("/file") };
      } finally {
        await fs.rm(folder, { recursive: true });
      }
    });
  }
}
