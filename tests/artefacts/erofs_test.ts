import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import { erofsTool } from "../../scripts/fixtures/erofs_tool.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { inspectImage } from "../../src/image/inspect.ts";
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

/** What a boot needs besides the kernel: modules of the phone's USB controller and of stage0. */
const MODULES = [
  "configfs",
  "libcomposite",
  "usb_f_fs",
  "ublk_drv",
  "overlay",
  "erofs",
  "dwc3",
  "dwc3-qcom",
  "phy-qcom-qusb2",
  "phy-qcom-qmp-combo",
];

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

/** The kernel, its `modules.dep`, and {@linkcode MODULES} as `modules.dep` names them. */
async function bootPaths(files: FileSystem): Promise<string[]> {
  const { kernels } = await inspectImage(files);
  const { image, modules } = kernels[0]!;
  const index = await files.open(`${modules}/modules.dep`);
  const bytes = new Uint8Array(index.size);
  await index.read(0, bytes);
  const lines = new TextDecoder().decode(bytes).split("\n");
  const found = MODULES.map((name) => {
    const line = lines.find((line) =>
      line.split(":")[0]!.endsWith(`/${name}.ko.xz`)
    );
    assert.ok(line, `${name} is not in modules.dep`);
    return `${modules}/${line.split(":")[0]}`;
  });
  return [image!, `${modules}/modules.dep`, ...found];
}

/** Bytes that a file takes in the image, as dump.erofs says. */
function storedSize(image: string, path: string): number {
  const [program, ...args] = erofsTool("1.8.6", "dump.erofs");
  const text = execFileSync(program!, [...args, `--path=${path}`, image], {
    encoding: "utf8",
  });
  const size = /On-disk size:\s+(\d+)/.exec(text)?.[1];
  assert.ok(size, text);
  return Number(size);
}
