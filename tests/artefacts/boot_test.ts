import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { mkbootimgTool } from "../../scripts/fixtures/mkbootimg_tool.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { MODULE_LIST_PATH } from "../../src/boot/initramfs.ts";
import {
  type BootImage,
  parseBootImage,
} from "../../src/format/bootimg/parse.ts";
import { trailingDtb } from "../../src/format/kernel/dtb.ts";
import { packCpio } from "../../src/wasm/cpio.ts";
import { buildInit, missingInitTools } from "../support/init/build.ts";
import { bootInQemu, missingQemu } from "../support/qemu.ts";

const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));
const IMAGE = "debian-arm64.erofs-lz4hc";
const ROOT = "debian-arm64.root", KERNEL = "debian-arm64.kernel";
const FIXTURES = [IMAGE, ROOT, KERNEL];
/** Virtual phones bring their device tree, and have tests of their own. */
const REAL = BUILTIN_PROFILES.filter(({ devicetree_name }) =>
  devicetree_name !== null
);
/** Of stage0 itself, on every phone. */
const BASE = [
  "configfs",
  "libcomposite",
  "usb_f_fs",
  "ublk_drv",
  "overlay",
  "erofs",
];

const missing = [
  ...FIXTURES.filter((name) => findFixture(name) === undefined)
    .map((name) => `run deno task fixtures ${name}`),
  ...[...missingInitTools(), ...missingQemu()].map((name) => `no ${name}`),
];
const options = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(", ")}` };

let folder: string, init: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "fastboop-boot-"));
  if (missing.length === 0) init = buildInit(folder);
});
after(() => rmSync(folder, { recursive: true }));

function profile(id: string) {
  return BUILTIN_PROFILES.find((profile) => profile.id === id)!;
}

/** What a user types. */
function makeBootImage(id: string, ...more: string[]): string {
  const out = join(folder, `${id}.img`);
  execFileSync(process.execPath, [
    ...["run", "--allow-all", "--no-check", CLI],
    ...["boot", findFixture(IMAGE)!, "--device-profile", id],
    ...["--stage0", init, "-o", out, ...more],
  ], { stdio: ["ignore", "inherit", "pipe"] });
  return out;
}

/** Takes it apart; where Debian's program is there, it must find the same parts. */
function takeApart(path: string): BootImage {
  const image = parseBootImage(readFileSync(path));
  const tool = mkbootimgTool("unpack_bootimg");
  if (tool === undefined) return image;
  const out = `${path}.parts`;
  execFileSync("python3", [tool, "--boot_img", path, "--out", out]);
  for (const name of ["kernel", "ramdisk", "dtb"] as const) {
    if (image[name].length === 0) continue;
    assert.ok(
      readFileSync(join(out, name)).equals(image[name]),
      `${name} of unpack_bootimg`,
    );
  }
  return image;
}

/** The kernel as the bootloader starts it, and the device tree behind it. */
function splitKernel({ kernel }: BootImage) {
  const end = trailingDtb(kernel);
  return {
    image: gunzipSync(kernel.subarray(0, end)),
    dtb: kernel.subarray(end),
  };
}

/** The distribution's own file. */
async function debianDtb(id: string): Promise<Buffer> {
  const lib = join(findFixture(ROOT)!, "usr/lib");
  const [trees] = (await readdir(lib)).filter((name) =>
    name.startsWith("linux-image-")
  );
  return await readFile(
    join(lib, trees!, `${profile(id).devicetree_name}.dtb`),
  );
}

interface Report {
  readonly list: string[];
  readonly loaded: string[];
  /** As the kernel has them, first loaded first. */
  readonly running: string[];
  readonly filesystems: string[];
  readonly settings: string[];
  readonly cmdline: string | undefined;
  /** What went wrong, and what the kernel logged as errors. */
  readonly problems: string[];
}

/** What init.c printed. */
function read(console: string): Report {
  const lines = console.split("\n");
  assert.ok(lines.includes("init: done"), `init did not finish:\n${console}`);
  const all = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) =>
      line.slice(word.length + 1)
    );
  return {
    list: all("list"),
    loaded: all("loaded"),
    running: all("running").reverse(),
    filesystems: all("filesystem"),
    settings: all("setting").sort(),
    cmdline: all("cmdline")[0],
    problems: lines.filter((line) => /^(FAILED|kernel:) /.test(line)),
  };
}

/** The list has names of files, the kernel names of its own. */
function asRunning(name: string): string {
  return name.replaceAll("-", "_");
}

function assertLoads(report: Report, wanted: readonly string[]): void {
  assert.deepEqual(report.problems, []);
  assert.deepEqual(report.loaded, report.list);
  const list = report.list.map(asRunning);
  assert.deepEqual(report.running, list);
  for (const name of wanted) {
    assert.ok(list.includes(name), `${name} is not in the list`);
  }
  for (const name of ["erofs", "overlay"]) {
    assert.ok(
      report.filesystems.includes(name),
      `the kernel does not know ${name}`,
    );
  }
}

/** What is typed beside the profile, and what comes of it. */
const CASES = [
  {
    id: "oneplus-fajita",
    typed: [
      ...["--device-serial", "deadbeef"],
      ...[
        "--cmdline-append",
        'smoo.queue_depth=8 fb.name="a b" firstboot.keymap=de',
      ],
    ],
    settings: [
      "firstboot.keymap=de",
      "smoo.max_io_bytes=1048576",
      "smoo.mimic_fastboot=1",
      "smoo.product=0xd00d",
      "smoo.queue_depth=8",
      "smoo.vendor=0x18d1",
      "stage0.rootfs=erofs",
      "stage0.serial=deadbeef",
    ],
    cmdline: 'fb.name="a b"',
  },
  {
    id: "arrow-db410c",
    typed: [],
    settings: [
      "smoo.max_io_bytes=1048576",
      "smoo.mimic_fastboot=1",
      "smoo.product=0xd00d",
      "smoo.vendor=0x18d1",
      "stage0.rootfs=erofs",
    ],
    cmdline: "console=ttyMSM0,115200n8",
  },
];

for (const { id, typed, settings, cmdline } of CASES) {
  test(
    `${id}: the kernel of the boot image boots and loads the listed modules in order`,
    options,
    async () => {
      const image = takeApart(makeBootImage(id, ...typed));
      const { image: kernel, dtb } = splitKernel(image);
      assert.ok(
        kernel.equals(await readFile(findFixture(KERNEL)!)),
        "not Debian's kernel",
      );
      const tree = image.headerVersion === 2 ? image.dtb : dtb;
      assert.ok((await debianDtb(id)).equals(tree), "not Debian's device tree");
      assert.equal(image.cmdline, cmdline);

      const report = read(
        await bootInQemu({ kernel, initrd: image.ramdisk, cmdline }),
      );
      assertLoads(report, [...BASE, ...profile(id).stage0.kernel_modules]);
      assert.ok(report.cmdline?.startsWith(`${cmdline} `), report.cmdline);
      assert.deepEqual(report.settings, settings);
    },
  );
}

test("the modules of all phones load in one kernel", options, async () => {
  const wanted = [
    ...new Set(REAL.flatMap(({ stage0 }) => stage0.kernel_modules)),
  ];
  const image = takeApart(makeBootImage(
    "oneplus-fajita",
    "--serial",
    ...wanted.flatMap((name) => ["--require-module", name]),
  ));
  const { image: kernel } = splitKernel(image);
  const report = read(await bootInQemu({ kernel, initrd: image.ramdisk }));
  assertLoads(report, [...BASE, "usb_f_acm", ...wanted]);
  assert.ok(report.settings.includes("smoo.acm=1"), report.settings.join());
});

test(
  "the first process notices a list in the wrong order",
  options,
  async () => {
    const image = takeApart(makeBootImage("oneplus-fajita"));
    const { image: kernel } = splitKernel(image);
    // Behind its need, and before its soft need.
    const list = ["libcrc32c", "crc32c_generic", "usb_f_fs", "no_such_module"];
    // Of two archives the later one wins.
    const later = await packCpio([
      {
        type: "file",
        path: MODULE_LIST_PATH,
        data: new TextEncoder().encode(`${list.join("\n")}\n`),
      },
    ]);
    const initrd = new Uint8Array([...image.ramdisk, ...later]);
    const { loaded, problems } = read(await bootInQemu({ kernel, initrd }));
    assert.deepEqual(loaded, ["crc32c_generic"]);
    assert.deepEqual(problems.filter((line) => line.startsWith("FAILED")), [
      "FAILED libcrc32c errno 2",
      "FAILED usb_f_fs errno 2",
      "FAILED no_such_module errno 2",
    ]);
  },
);
