import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { memoryStore } from "../../src/block/memory_store.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import type { ChunkStore } from "../../src/format/casync/chunks.ts";
import { type CasyncReader, openCasync } from "../../src/format/casync/open.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { bootPaths } from "../support/boot_files.ts";
import { hash } from "../support/compare.ts";

const DEBIAN = "debian-arm64.caibx";
const IMAGES: Readonly<Record<string, string>> = {
  [DEBIAN]: "debian-arm64.erofs-lz4hc",
  "odd-xz.caibx": "odd.squashfs-raw",
  "odd-gzip.caibx": "odd.squashfs-raw",
  "odd-zstd.caibx": "odd.squashfs-raw",
};

/** A store in a folder, which counts the files that it gives. */
function folderStore(folder: string): ChunkStore & { given: number } {
  const store = Object.assign(
    async (path: string) => {
      const file = join(folder, path);
      const found = await readFile(file).catch((error) => {
        if (error.code !== "ENOENT") throw error;
        return undefined;
      });
      if (found !== undefined) store.given++;
      return found && new Uint8Array(found);
    },
    { given: 0 },
  );
  return store;
}

function indexTest(
  name: string,
  title: string,
  run: (
    open: (chunks?: ReturnType<typeof memoryStore>) => Promise<{
      reader: CasyncReader;
      store: { readonly given: number };
    }>,
    path: string,
    image: string,
  ) => Promise<void>,
): void {
  const path = findFixture(name), image = findFixture(IMAGES[name]!);
  const missing = path === undefined || image === undefined;
  const skip = missing
    ? { skip: `missing: run deno task fixtures ${name}` }
    : {};
  test(`${name}: ${title}`, skip, async () => {
    const file = await openFile(path!);
    try {
      const open = async (chunks?: ReturnType<typeof memoryStore>) => {
        const store = folderStore(join(dirname(path!), "store"));
        const reader = await openCasync(file, {
          store,
          chunks,
          hash: (algorithm, bytes) =>
            createHash(algorithm).update(bytes).digest(),
        });
        return { reader, store };
      };
      await run(open, path!, image!);
    } finally {
      await file.close();
    }
  });
}

for (const name of Object.keys(IMAGES)) {
  indexTest(
    name,
    "holds the bytes that casync extracts, each chunk fetched once",
    async (open, path, image) => {
      const folder = await mkdtemp(join(tmpdir(), "casync-"));
      try {
        const { reader, store } = await open();
        const extracted = join(folder, "image");
        const chunks = `--store=${join(dirname(path), "store")}`;
        execFileSync("casync", ["extract", chunks, path, extracted]);
        const original = await openFile(extracted);
        const found = await hash(withReadAhead(reader));
        assert.equal(found, await hash(original));
        await original.close();
        execFileSync("cmp", [extracted, image]);
        assert.ok(store.given <= reader.index.count);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
}

indexTest(
  DEBIAN,
  "kernel, modules.dep and 10 modules take few chunks, and none the second time",
  async (open) => {
    const chunks = memoryStore();
    const digests: string[][] = [];
    const given: number[] = [];
    for (let boot = 0; boot < 2; boot++) {
      const { reader, store } = await open(chunks);
      const files = await openErofs(reader);
      const found: string[] = [];
      for (const path of await bootPaths(files)) {
        found.push(await hash(await files.open(path)));
      }
      digests.push(found);
      given.push(store.given);
      console.log(`${store.given} of ${reader.index.count} chunks`);
      await reader.close();
    }
    assert.deepEqual(digests[0], digests[1]);
    assert.ok(given[0]! < 500, `${given[0]} chunks`);
    assert.equal(given[1], 0);
  },
);
