import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import test from "node:test";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { publishedSquashfs } from "../../scripts/fixtures/squashfs_tiny.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { webWorkers } from "../../src/adapters/web_worker.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { isCoded } from "../../src/errors.ts";
import {
  openSquashfs,
  type SquashfsOptions,
} from "../../src/format/squashfs/open.ts";
import { CodecPool } from "../../src/wasm/pool.ts";
import { bootPaths } from "../support/boot_files.ts";
import { compareWithManifest } from "../support/compare.ts";

const DEBIAN = "debian-arm64.squashfs";
const HUGE = "huge.squashfs";
const LZMA = "odd.squashfs-lzma";
const NAMES = [...RECIPES].map(({ name }) => name).filter((name) =>
  name.includes(".squashfs-") && name !== LZMA
);

type Open = (
  options?: SquashfsOptions,
) => ReturnType<typeof openSquashfs>;

/** A test of a fixture; a missing one is a visible skip. */
function fixtureTest(
  name: string,
  title: string,
  run: (open: Open, path: string) => Promise<void>,
): void {
  const path = findFixture(name);
  const skip = path === undefined
    ? { skip: `missing: run deno task fixtures ${name}` }
    : {};
  test(`${name}: ${title}`, skip, async () => {
    const file = await openFile(path!);
    try {
      const source = withReadAhead(file);
      await run((options) => openSquashfs(source, options), path!);
    } finally {
      await file.close();
    }
  });
}

for (const name of NAMES) {
  fixtureTest(
    name,
    "every path is as unsquashfs extracts it",
    async (open, path) => {
      const { differences, paths } = await compareWithManifest(
        await open(),
        readManifest(path),
      );
      assert.deepEqual(differences, []);
      assert.ok(paths > 100, `${paths} paths`);
    },
  );

  fixtureTest(
    name,
    "its superblock says what unsquashfs -s says",
    async (open, path) => {
      const { superblock, features } = (await open()).source;
      const text = execFileSync("unsquashfs", ["-s", path], {
        encoding: "utf8",
      });
      const said = (what: RegExp) => what.exec(text)?.[1];
      assert.equal(superblock.compression, said(/^Compression (\w+)/m));
      assert.equal(superblock.blockSize, Number(said(/^Block size (\d+)/m)));
      assert.equal(
        superblock.imageSize,
        Number(said(/^Filesystem size (\d+)/m)),
      );
      assert.equal(
        superblock.inodeCount,
        Number(said(/^Number of inodes (\d+)/m)),
      );
      assert.equal(
        superblock.fragmentCount,
        Number(said(/^Number of fragments (\d+)/m)),
      );
      assert.equal(superblock.idCount, Number(said(/^Number of ids (\d+)/m)));
      assert.equal(
        features.includes("exportable"),
        /^Filesystem is exportable/m.test(text),
      );
      assert.equal(
        features.includes("uncompressed inodes"),
        /^Inodes are uncompressed/m.test(text),
      );
      assert.equal(
        features.includes("uncompressed data"),
        /^Data is uncompressed/m.test(text),
      );
      assert.equal(
        features.includes("no fragments"),
        /^Fragments are not present/m.test(text) ||
          /^Fragments are not stored/m.test(text),
      );
    },
  );
}

fixtureTest(
  "odd.squashfs-gzip",
  "names of one inode have one number",
  async (open) => {
    const files = await open();
    const number = async (path: string) => (await files.lstat(path)).number;
    assert.equal(await number("/links/hard"), await number("/sizes/4097"));
    assert.equal((await files.lstat("/links/hard")).linkCount, 2);
    assert.notEqual(await number("/twin-a"), await number("/twin-b"));
  },
);

fixtureTest(
  "odd.squashfs-xz-bcj",
  "some of its blocks use a BCJ filter",
  async (open, path) => {
    const { superblock } = (await open()).source;
    const bytes = readFileSync(path).subarray(0, superblock.imageSize);
    const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
    let filtered = 0;
    for (
      let at = bytes.indexOf(magic[0]!);
      at >= 0;
      at = bytes.indexOf(magic[0]!, at + 1)
    ) {
      if (!magic.every((byte, i) => bytes[at + i] === byte)) continue;
      // a stream header of 12 bytes, then the block's: its size, flags with the number of filters less
      // one, sizes where flags say so, the first filter's id (xz-file-format.txt, section 3.1)
      const flags = bytes[at + 13]!;
      let id = at + 14;
      for (let sizes = (flags >> 6 & 1) + (flags >> 7); sizes > 0; id++) {
        if (bytes[id]! < 0x80) sizes--;
      }
      const [x86, arm] = [0x04, 0x07];
      if ((flags & 3) === 1 && (bytes[id] === x86 || bytes[id] === arm)) {
        filtered++;
      }
    }
    assert.ok(filtered > 0);
  },
);

fixtureTest(
  "odd.squashfs-xz",
  "a pool of workers gives the same bytes",
  async (open, path) => {
    const pool = new CodecPool({ createWorker: webWorkers(), size: 2 });
    try {
      const files = await open({ pool });
      const { differences } = await compareWithManifest(
        files,
        readManifest(path),
      );
      assert.deepEqual(differences, []);
    } finally {
      pool.close();
    }
  },
);

fixtureTest(LZMA, "is refused by name", async (open) => {
  await assert.rejects(open(), (error) => {
    assert.ok(isCoded(error, "squashfs.unsupported-feature"), String(error));
    assert.match(error.message, /it is lzma compression/);
    return true;
  });
});

fixtureTest(
  HUGE,
  "a file of more than 4 GiB is read at its start, its holes and its end",
  async (open, path) => {
    const files = await open();
    const reader = await files.open("/huge");
    const text = execFileSync("unsquashfs", ["-lln", path], {
      encoding: "utf8",
    });
    assert.equal(reader.size, Number(/^-rw\S+ 0\/0\s+(\d+) /m.exec(text)?.[1]));
    assert.ok(reader.size > 2 ** 32);
    const at = async (offset: number, length: number) => {
      const into = new Uint8Array(length).fill(0xee);
      assert.equal(await reader.read(offset, into), length);
      return new TextDecoder().decode(into);
    };
    assert.equal(await at(reader.size - 7, 7), "\0\0\0\0end");
    assert.equal(await at(2 ** 32 - 5, 14), "\0\0over 4 GiB\0\0");
    assert.equal(await at(2 ** 31 - 4, 8), "\0middle\0");
    assert.equal(await at(0, 7), "start\0\0");
    const hole = new Uint8Array(3 << 20).fill(0xee);
    assert.equal(await reader.read(3 * 2 ** 30 + 5, hole), hole.length);
    assert.ok(hole.every((byte) => byte === 0));
  },
);

fixtureTest(
  DEBIAN,
  "every path is as unsquashfs extracts the same tree as LZ4",
  async (open) => {
    const other = findFixture("debian-arm64.squashfs-lz4");
    assert.ok(
      other,
      "missing: run deno task fixtures debian-arm64.squashfs-lz4",
    );
    const { differences, paths } = await compareWithManifest(
      await open(),
      readManifest(other),
    );
    assert.deepEqual(differences, []);
    assert.ok(paths > 10_000, `${paths} paths`);
  },
);

fixtureTest(
  DEBIAN,
  "kernel, modules.dep and 10 modules cost few bytes and reads",
  async (_, path) => {
    const file = await openFile(path);
    try {
      const recorded = withRecord(file);
      const files = await openSquashfs(recorded);
      assert.ok(recorded.report.requests <= 3);
      const paths = await bootPaths(files);
      assert.equal(paths.length, 12);
      let stored = 0;
      for (const each of paths) {
        const content = await files.open(each);
        await content.read(0, new Uint8Array(content.size));
        stored += blockBytes(path, each);
      }
      const { bytes, requests } = recorded.report;
      console.log(
        `read ${bytes} bytes in ${requests} requests; blocks take ${stored}`,
      );
      // the smaller ones lie in fragments, each a block of 128 KiB that is read whole
      assert.ok(bytes <= stored * 1.3 + (1 << 20), `${bytes} bytes`);
      assert.ok(requests <= 60, `${requests} requests`);
    } finally {
      await file.close();
    }
  },
);

test("the committed images are what their recipe makes", {
  skip: findFixture("tiny-squashfs") === undefined &&
    "missing: run deno task fixtures tiny-squashfs",
}, () => {
  for (
    const { made, committed } of publishedSquashfs(
      findFixture("tiny-squashfs")!,
    )
  ) {
    assert.ok(readFileSync(made).equals(readFileSync(committed)), committed);
  }
});

/** Bytes that a file's blocks take in the image, as rdsquashfs says; its fragment is not among them. */
function blockBytes(image: string, path: string): number {
  const text = execFileSync("rdsquashfs", ["--stat", path, image], {
    encoding: "utf8",
  });
  const sizes = [...text.matchAll(/^\s*Block #\d+ size: (\d+)/gm)];
  assert.match(text, /^Inode type: (extended )?file/m);
  return sizes.reduce((sum, [, size]) => sum + Number(size), 0);
}
