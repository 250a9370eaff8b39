import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { openDeployment } from "../../src/boot/ostree.ts";
import { planParts } from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { openImage } from "../../src/image/open_image.ts";
import { buildInit, missingInitTools } from "../support/init/build.ts";

const SYSROOT = findFixture("debian-arm64.ostree");
const IMAGE = findFixture("debian-arm64.ostree-erofs");
const missing = [
  ...SYSROOT !== undefined && IMAGE !== undefined
    ? []
    : ["run deno task fixtures debian-arm64.ostree-erofs"],
  ...missingInitTools(),
];
const options = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(", ")}` };

/** Any static program will do. */
function stage0() {
  const folder = mkdtempSync(join(tmpdir(), "fastboop-init-"));
  try {
    const bytes = new Uint8Array(readFileSync(buildInit(folder)));
    return { name: "init", bytes };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The boot loader's entry, as `ostree admin deploy` wrote it. */
function loaderEntry(): string {
  const folder = join(SYSROOT!, "boot/loader/entries");
  const names = readdirSync(folder);
  assert.equal(names.length, 1);
  return readFileSync(join(folder, names[0]!), "utf8");
}

/** What the entry's `ostree=` says. */
function currentLink(): string {
  return /^options .*\bostree=(\S+)$/m.exec(loaderEntry())![1]!;
}

async function withImage(use: (files: FileSystem) => Promise<void>) {
  const file = await openFile(IMAGE!);
  try {
    await use((await openImage(withReadAhead(file))).files);
  } finally {
    await file.close();
  }
}

test(
  "openDeployment() finds the deployment that ostree's boot entry names",
  options,
  () =>
    withImage(async (files) => {
      const found = await openDeployment(files);
      assert.equal(found.link, currentLink());
      const target = readlinkSync(join(SYSROOT!, found.link));
      const path = join(found.link, "..", target);
      assert.equal(found.path, path);
      const given = await openDeployment(files, currentLink());
      assert.equal(given.path, path);
    }),
);

test(
  "planParts() takes kernel, modules and device tree out of the deployment",
  options,
  () =>
    withImage(async (files) => {
      const profile = BUILTIN_PROFILES.find(({ id }) =>
        id === "oneplus-fajita"
      )!;
      const plan = await planParts(files, profile, {
        stage0: stage0(),
        ostree: true,
      });
      assert.equal(plan.ostree, currentLink());
      assert.equal(plan.cmdline.settings.get("ostree"), currentLink());
      // "linux /ostree/debian-<checksum>/vmlinuz-<release>"
      const release = /^linux .*\/vmlinuz-(.+)$/m.exec(loaderEntry())![1];
      assert.equal(plan.kernel.release, release);
      assert.equal(plan.kernel.path, `/usr/lib/modules/${release}/vmlinuz`);
      assert.equal(plan.modules.release, release);
      assert.equal(
        plan.deviceTree!.from,
        `/usr/lib/modules/${release}/dtb/qcom/sdm845-oneplus-fajita.dtb`,
      );
    }),
);
