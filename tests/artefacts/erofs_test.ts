import assert from "node:assert/strict";
import test from "node:test";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import { bootPaths, storedSize } from "../support/boot_files.ts";
import { compareWithManifest } from "../support/compare.ts";

const NAMES = [...RECIPES].map(({ name }) => name).filter((name) =>
  /\.erofs-/.test(name)
);

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

for (const name of NAMES) {
  fixtureTest(name, "every path is as fsck.erofs extracts it", async (path) => {
    const file = await openFile(path);
    try {
      const files = await openErofs(withReadAhead(file));
      const { differences, paths } = await compareWithManifest(
        files,
        readManifest(path),
      );
      assert.deepEqual(differences, []);
      assert.ok(paths > 100, `${paths} paths`);
    } finally {
      await file.close();
    }
  });
}

const DEBIAN = "debian-arm64.erofs-lz4hc";

fixtureTest(
  DEBIAN,
  "inspectImage() finds kernel, modules and device trees",
  async (path) => {
    const file = await openFile(path);
    try {
      const facts = await inspectImage(await openErofs(file));
      assert.equal(facts.fileSystem, "erofs");
      assert.equal(facts.kernels.length, 1);
      const { release, image, modules } = facts.kernels[0]!;
      assert.match(release, /^6\.12\..*-arm64$/);
      assert.equal(image, `/boot/vmlinuz-${release}`);
      assert.equal(modules, `/usr/lib/modules/${release}`);
      const manifest = readManifest(path);
      const trees = manifest.filter(({ path }) => path.endsWith(".dtb")).length;
      assert.equal(facts.deviceTrees.count, trees);
      assert.ok(trees > 270, `${trees} device trees`);
    } finally {
      await file.close();
    }
  },
);

fixtureTest(
  DEBIAN,
  "kernel, modules.dep and 10 modules cost few bytes more than they have",
  async (path) => {
    const file = await openFile(path);
    try {
      const recorded = withRecord(file);
      const files = await openErofs(withReadAhead(recorded));
      const paths = await bootPaths(files);
      assert.equal(paths.length, 12);
      for (const path of paths) {
        const content = await files.open(path);
        await content.read(0, new Uint8Array(content.size));
      }
      const stored = paths.map((each) => storedSize(path, each)).reduce((
        a,
        b,
      ) => a + b);
      const { bytes, requests } = recorded.report;
      console.log(
        `read ${bytes} bytes in ${requests} requests; stored ${stored}`,
      );
      assert.ok(
        bytes <= stored * 1.3 + (256 << 10),
        `read ${bytes} bytes for ${stored} stored`,
      );
    } finally {
      await file.close();
    }
  },
);
