import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import type { Ext4ManifestEntry } from "../../scripts/fixtures/ext4_manifest.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import { withRecord } from "../../src/block/record.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import { bootPaths } from "../support/boot_files.ts";
import { compareWithManifest, hash } from "../support/compare.ts";

const NAMES = [...RECIPES].map(({ name }) => name)
  .filter((name) => /^odd\.ext4-/.test(name) && name !== "odd.ext4-root");

/** A test of a fixture; a missing one is a visible skip. */
function fixtureTest(
  name: string,
  title: string,
  run: (path: string) => Promise<void>,
): void {
  const path = findFixture(name);
  const skip = path === undefined
    ? { skip: `missing: run deno task fixtures ${name}` }
    : {};
  test(`${name}: ${title}`, skip, () => run(path!));
}

/** Levels of the index of a directory below its root; `undefined` when it has none. */
function htreeLevels(image: string, path: string): number | undefined {
  const text = execFileSync("debugfs", ["-R", `htree_dump ${path}`, image], {
    encoding: "latin1",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const levels = /Indirect levels: (\d+)/.exec(text)?.[1];
  return levels === undefined ? undefined : Number(levels);
}

/** Fixtures with a large directory: its path, and the levels of its index. */
const INDEXED: readonly (readonly [string, string, number])[] = [
  ["odd.ext4-1k", "/crowd", 1],
  ["odd.ext4-1k", "/group", 0],
  ["odd.ext4-4k", "/crowd", 0],
  ["odd.ext4-64k", "/group", 0],
  ["odd.ext4-ext3", "/group", 0],
  ["odd.ext4-tea", "/group", 0],
  ["odd.ext4-legacy", "/group", 0],
  ["odd.ext4-half-md4-unsigned", "/group", 0],
  ["odd.ext4-gdt-csum", "/group", 0],
  ["odd.ext4-features", "/group", 0],
];

for (const [name, path, levels] of INDEXED) {
  fixtureTest(
    name,
    `finds each name of ${path} by its index`,
    async (image) => {
      assert.equal(htreeLevels(image, path), levels);
      const expected = readManifest(image).map((entry) => entry.path)
        .filter((each) => each.startsWith(`${path}/`));
      assert.ok(expected.length >= 2500, `${expected.length} names`);
      const file = await openFile(image);
      try {
        const files = await openExt4(file);
        const directory = await files.stat(path);
        assert.ok(directory.size > 65536, "large enough for the index");
        const numbers = new Map<string, number>();
        for await (const entry of files.list(path)) {
          numbers.set(entry.name, entry.number);
        }
        assert.equal(numbers.size, expected.length);
        for (const each of expected) {
          const base = each.slice(path.length + 1);
          assert.equal(
            await files.source.lookup(directory, base),
            numbers.get(base),
            each,
          );
          const absent = await files.source.lookup(directory, `${base}~`);
          assert.equal(absent, undefined, each);
        }
      } finally {
        await file.close();
      }
    },
  );

  fixtureTest(name, `a name of ${path} costs few reads`, async (image) => {
    const file = await openFile(image);
    try {
      const recorded = withRecord(file);
      const files = await openExt4(recorded);
      await files.stat(path);
      recorded.reset();
      const names = readManifest(image).map((entry) => entry.path)
        .filter((each) => each.startsWith(`${path}/`));
      await files.source.lookup(
        await files.stat(path),
        names[77]!.slice(path.length + 1),
      );
      // root and names, a node for each level, blocks of extents
      assert.ok(
        recorded.report.requests <= 3 + levels,
        `${recorded.report.requests} reads`,
      );
    } finally {
      await file.close();
    }
  });
}

fixtureTest(
  "odd.ext4-ext2",
  "gives one number to the names of one inode",
  async (image) => {
    const file = await openFile(image);
    try {
      const files = await openExt4(file);
      const groups = new Map<string, number>();
      let links = 0;
      for (const entry of readManifest(image) as Ext4ManifestEntry[]) {
        if (entry.hardLinkGroup === undefined) continue;
        const { number, linkCount } = await files.lstat(entry.path);
        assert.equal(number, groups.get(entry.hardLinkGroup) ?? number);
        assert.equal(linkCount, entry.linkCount);
        groups.set(entry.hardLinkGroup, number);
        links++;
      }
      assert.equal(new Set(groups.values()).size, groups.size);
      assert.ok(links > groups.size + 2000);
    } finally {
      await file.close();
    }
  },
);

for (const name of NAMES) {
  fixtureTest(name, "every path is as debugfs extracts it", async (path) => {
    const file = await openFile(path);
    try {
      const recorded = withRecord(file);
      const files = await openExt4(withReadAhead(recorded));
      assert.ok(recorded.report.requests <= 3, "opening costs at most 3 reads");
      const { differences, paths } = await compareWithManifest(
        files,
        readManifest(path),
      );
      assert.deepEqual(differences, []);
      assert.ok(paths > 3000, `${paths} paths`);
    } finally {
      await file.close();
    }
  });
}

const DEBIAN = "debian-arm64.ext4";

fixtureTest(
  DEBIAN,
  "kernel, modules and device trees cost few reads",
  async (path) => {
    const file = await openFile(path);
    try {
      const recorded = withRecord(file);
      const files = await openExt4(recorded);
      const facts = await inspectImage(files);
      assert.equal(facts.fileSystem, "ext4");
      assert.match(facts.kernels[0]!.release, /^6\.12\..*-arm64$/);
      assert.ok(facts.deviceTrees.count > 270);
      const { requests, bytes } = recorded.report;
      console.log(`read ${bytes} bytes in ${requests} requests`);
      assert.ok(requests <= 60, `${requests} requests`);
      recorded.reset();
      const paths = await bootPaths(files);
      let size = 0;
      for (const each of paths) {
        const content = await files.open(each);
        await readExactly(content, 0, content.size);
        size += content.size;
      }
      const cost = recorded.report.bytes;
      assert.ok(cost <= size * 1.1 + (2 << 20), `${cost} bytes for ${size}`);
    } finally {
      await file.close();
    }
  },
);

fixtureTest(DEBIAN, "every file is as debugfs extracts it", async (path) => {
  const folder = mkdtempSync(join(tmpdir(), "ext4-rdump-"));
  const file = await openFile(path);
  try {
    execFileSync("debugfs", ["-R", `rdump / ${folder}`, path], {
      stdio: "pipe",
    });
    const script = 'cd "$0" && find . -type f -print0 | xargs -0 sha256sum';
    const sums = execFileSync("sh", ["-euc", script, folder], {
      encoding: "utf8",
      maxBuffer: 16 << 20,
    });
    const lines = sums.trim().split("\n");
    const files = await openExt4(withReadAhead(file));
    const expected = new Map(
      lines.map((line) => [line.slice(67), line.slice(0, 64)]),
    );
    assert.ok(expected.size > 10_000, `${expected.size} files`);
    for await (const { path, inode } of files.walk()) {
      if (inode.type !== "file") continue;
      const sum = await hash(files.source.open(inode));
      assert.equal(sum, expected.get(path), path);
      expected.delete(path);
    }
    assert.equal(expected.size, 0);
  } finally {
    await file.close();
    rmSync(folder, { recursive: true });
  }
});
