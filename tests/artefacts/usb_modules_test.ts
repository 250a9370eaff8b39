import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { parseDeviceTree } from "../../scripts/lib/device_tree.ts";
import { readModuleTree } from "../../scripts/lib/module_tree.ts";
import { findUsbModules } from "../../scripts/usb_modules.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";

const root = findFixture("debian-arm64.root");
const skip = root === undefined
  ? { skip: "missing: run deno task fixtures debian-arm64.root" }
  : {};

const deviceTree = (name: string): Uint8Array => {
  const lib = join(root!, "usr/lib");
  const folder = readdirSync(lib).find((name) =>
    name.startsWith("linux-image")
  );
  return readFileSync(join(lib, folder!, `${name}.dtb`));
};

/** What this kernel has no driver for, known and told in docs/PORTING.md. */
const UNDRIVEN: Readonly<Record<string, RegExp>> = {
  "google-sargo": /^qcom,sdm670-(?:aggre2|mem|gladiator|config)-noc$/,
};

for (const { id, devicetree_name, stage0 } of BUILTIN_PROFILES) {
  // of QEMU, which has no phone's controller
  if (devicetree_name === null) continue;
  test(
    `the modules of ${id} are those that its device tree asks for`,
    skip,
    async () => {
      const tree = await readModuleTree(root!);
      const found = findUsbModules(
        parseDeviceTree(deviceTree(devicetree_name)),
        tree,
      );
      assert.deepEqual(
        [...stage0.kernel_modules].sort(),
        found.modules.map(({ module }) => module).sort(),
      );
      const undriven = found.undriven.map(({ compatible }) => compatible)
        .filter((compatible) => !UNDRIVEN[id]?.test(compatible));
      assert.deepEqual(undriven, []);
    },
  );
}

const modprobe = spawnSync("modprobe", ["--version"]);
const kmod = root === undefined || modprobe.status !== 0
  ? { skip: skip.skip ?? "missing: modprobe of the package kmod" }
  : {};

test("modprobe knows every module of the profiles as one to load", kmod, () => {
  const release = readdirSync(join(root!, "usr/lib/modules"))[0]!;
  const base = mkdtempSync(join(tmpdir(), "fastboop-modules-"));
  try {
    // the indexes alone: modprobe looks below lib/, which is a link in this root
    cpSync(
      join(root!, "usr/lib/modules", release),
      join(base, "lib/modules", release),
      { recursive: true, filter: (path) => !path.endsWith("/kernel") },
    );
    const needed = (virtual: boolean) =>
      BUILTIN_PROFILES
        .filter(({ devicetree_name }) => (devicetree_name === null) === virtual)
        .flatMap(({ stage0 }) => stage0.kernel_modules);
    const ofPhones = new Set(needed(false));
    for (const name of new Set([...ofPhones, ...needed(true)])) {
      const { stdout, stderr } = spawnSync("modprobe", [
        "--dirname",
        base,
        "--set-version",
        release,
        "--show-depends",
        name,
      ], { encoding: "utf8" });
      // what a virtual phone needs is built into some kernels
      const builtin = ofPhones.has(name) ? "" : `|^builtin ${name}$`;
      assert.match(
        stdout,
        new RegExp(`/${name.replaceAll("_", "[-_]")}\\.ko${builtin}`, "m"),
        stderr,
      );
    }
  } finally {
    rmSync(base, { recursive: true });
  }
});
