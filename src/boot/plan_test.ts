import assert from "node:assert/strict";
import test from "node:test";
import {
  MADE_DTB as DTB,
  MADE_FOLDER as FOLDER,
  MADE_MODULES as MODULES,
  MADE_TREES as TREES,
  madeFiles as image,
  madeProfile as profile,
} from "../../tests/support/boot_image.ts";
import {
  MADE_RELEASE,
  madeBzImage,
  madeImage,
} from "../../tests/support/made_kernel.ts";
import { BUILTIN_PROFILES } from "../device/builtin.ts";
import { type ErrorCode, isCoded } from "../errors.ts";
import { parseBootImage } from "../format/bootimg/parse.ts";
import { readCpio } from "../format/cpio/read.ts";
import { encodeKernel } from "../format/kernel/encode.ts";
import { MemorySource } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import { gunzip, gzip } from "../wasm/codecs.ts";
import {
  planBoot,
  type PlanOptions,
  type PlanPart,
  preparePlan,
} from "./plan.ts";
import { builtinStage0 } from "./builtin_stage0.ts";

const text = (content: string) => new TextEncoder().encode(content);

/** The smallest static program for arm64: a header and one segment. */
function stage0(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64 + 56 + 16);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(64 + 8, 120n, true);
  view.setBigUint64(64 + 32, 16n, true);
  return bytes;
}

/** An image for a PC, its modules part of the kernel. */
const imageX86 = () =>
  image({
    [`/boot/vmlinuz-${MADE_RELEASE}`]: madeBzImage(64 << 10),
    "/usr/lib/modules/6.99.0-made-amd64/modules.dep": "",
    "/usr/lib/modules/6.99.0-made-amd64/modules.builtin": MODULES
      .map((name) => `kernel/${name}.ko\n`).join(""),
  });

const OPTIONS: PlanOptions = { stage0: { name: "stage0", bytes: stage0() } };

async function refused(
  code: ErrorCode,
  plan: Promise<unknown>,
): Promise<string> {
  const error = await plan.then(() => undefined, (error) => error);
  assert.ok(isCoded(error, code), `${error}`);
  return error.message;
}

test("planBoot() puts kernel, modules, settings and device tree where they belong", async () => {
  const { bytes, modules, machine } = await planBoot(
    image(),
    profile(),
    OPTIONS,
  );
  assert.equal(machine, "aarch64");
  assert.deepEqual(
    modules.load.map(({ name }) => name),
    MODULES.with(6, "phone_phy").with(7, "phone_usb"),
  );
  const boot = parseBootImage(bytes);
  assert.equal(boot.cmdline, "console=ttyX0");
  assert.deepEqual(
    await gunzip(boot.kernel, { maxSize: 1 << 20 }),
    madeImage(),
  );
  assert.deepEqual(boot.dtb, DTB);
  const entries = await readCpio(boot.ramdisk, { maxSize: 1 << 20 });
  const content = (path: string) => {
    const entry = entries.find((entry) => entry.path === path);
    assert.ok(entry?.type === "file", path);
    return new TextDecoder().decode(entry.data);
  };
  assert.equal(
    content("etc/modules-load.d/fastboop-stage0.conf"),
    `${modules.load.map(({ name }) => name).join("\n")}\n`,
  );
  assert.equal(content("etc/stage0/stage0.rootfs"), "erofs\n");
  assert.equal(content("etc/stage0/smoo.vendor"), "0x18d1\n");
  assert.equal(content("etc/stage0/smoo.product"), "0xd00d\n");
  assert.equal(
    content(`lib/modules/${MADE_RELEASE}/kernel/phone_usb.ko`),
    "\x7fELF phone_usb",
  );
});

test("planBoot() gives equal bytes for equal input", async () => {
  const [a, b] = await Promise.all(
    [1, 2].map(() => planBoot(image(), profile(), OPTIONS)),
  );
  assert.deepEqual(a!.bytes, b!.bytes);
});

test("planBoot() encodes the kernel as each profile wants it", async () => {
  for (
    const encoding of ["image", "image.gz", "image.lz4", "image.zst"] as const
  ) {
    const { bytes, kernel } = await planBoot(
      image(),
      profile({ kernel: { encoding } }),
      OPTIONS,
    );
    assert.deepEqual(
      parseBootImage(bytes).kernel,
      await encodeKernel(kernel.kernel, encoding),
    );
  }
  const appended = profile({
    header_version: 0,
    kernel: { encoding: "image+dtb" },
  });
  const { bytes } = await planBoot(image(), appended, OPTIONS);
  const { kernel } = parseBootImage(bytes);
  assert.deepEqual(kernel.subarray(0, madeImage().length), madeImage());
  assert.deepEqual(kernel.subarray(-DTB.length), DTB);
});

test("planBoot() refuses an image without a kernel", async () => {
  const files = image({ [`/boot/vmlinuz-${MADE_RELEASE}`]: undefined });
  const message = await refused(
    "kernel.not-found",
    planBoot(files, profile(), OPTIONS),
  );
  assert.match(
    message,
    /^Cannot find a kernel in "made": looked for .*\/boot\/vmlinuz/,
  );
});

test("planBoot() refuses modules of another release", async () => {
  const files = image({
    [`${FOLDER}/modules.dep`]: undefined,
    [`${FOLDER}/modules.builtin`]: undefined,
    ...Object.fromEntries(
      MODULES.map((name) => [`${FOLDER}/kernel/${name}.ko`, undefined]),
    ),
    "/usr/lib/modules/6.1.0-other/modules.dep": "",
  });
  const message = await refused(
    "kernel.modules-mismatch",
    planBoot(files, profile(), OPTIONS),
  );
  assert.match(message, /6\.99\.0-made\+1-arm64/);
  assert.match(message, /6\.1\.0-other/);
});

test("planBoot() refuses a module that is not there, and says who asked for it", async () => {
  const { stage0: _, ...rest } = profile();
  const wrong = { ...rest, stage0: { kernel_modules: ["phone_usc"] } };
  const message = await refused(
    "module.missing",
    planBoot(image(), wrong, OPTIONS),
  );
  assert.match(
    message,
    /"phone_usc" of release 6\.99\.0-made\+1-arm64, wanted by profile made-phone/,
  );
  assert.match(message, /phone_usb/);
  const required = { ...OPTIONS, modules: ["nothing"] };
  assert.match(
    await refused("module.missing", planBoot(image(), profile(), required)),
    /wanted by the user/,
  );
});

test("planBoot() refuses a device tree that is not there, and names the closest", async () => {
  const wrong = { ...profile(), devicetree_name: "vendor/fone" };
  const message = await refused(
    "device-tree.not-found",
    planBoot(image(), wrong, OPTIONS),
  );
  assert.match(message, /vendor\/phone/);
});

test("planBoot() refuses one byte more than a limit", async () => {
  const fits = await planBoot(image(), profile(), OPTIONS);
  const row = (name: string) =>
    fits.layout.find((row) => row.name === name)!.size;
  const limits = {
    max_kernel_bytes: row("kernel"),
    max_initrd_bytes: row("ramdisk"),
    max_total_bytes: row("total"),
  };
  await planBoot(image(), profile({ limits }), OPTIONS);
  for (
    const [key, code] of [
      ["max_kernel_bytes", "bootimg.kernel-too-large"],
      ["max_initrd_bytes", "bootimg.initrd-too-large"],
      ["max_total_bytes", "bootimg.total-too-large"],
    ] as const
  ) {
    const tight = profile({ limits: { ...limits, [key]: limits[key] - 1 } });
    const message = await refused(code, planBoot(image(), tight, OPTIONS));
    assert.match(message, new RegExp(`${limits[key]}.*${limits[key] - 1}`));
  }
});

test("planBoot() refuses a command line that is one byte too long", async () => {
  const fill = (size: number) => ({
    ...OPTIONS,
    cmdline: { user: ["x".repeat(size - "console=ttyX0 ".length)] },
  });
  await planBoot(image(), profile(), fill(1534));
  const message = await refused(
    "cmdline.too-long",
    planBoot(image(), profile(), fill(1535)),
  );
  assert.match(message, /1535 bytes, expected at most 1534/);
});

test("planBoot() refuses an archive that is no cpio, and a stage0 that is no program", async () => {
  const augments = [{
    name: "extra.cpio",
    bytes: text("not an archive at all"),
  }];
  const message = await refused(
    "cpio.bad-magic",
    planBoot(image(), profile(), { ...OPTIONS, augments }),
  );
  assert.match(message, /"extra\.cpio"/);
  const bytes = text("#!/bin/sh\n") as Uint8Array<ArrayBuffer>;
  await refused(
    "stage0.not-elf",
    planBoot(image(), profile(), { stage0: { name: "script", bytes } }),
  );
});

test("planBoot() refuses a root that stage0 cannot mount, before it reads anything", async () => {
  const files = withPaths(new MemorySource());
  await refused("plan.unsupported-root", planBoot(files, profile(), OPTIONS));
});

test("planBoot() refuses a device tree that the boot image would lose", async () => {
  const lost = profile({ header_version: 0 });
  await refused("bootimg.dtb-lost", planBoot(image(), lost, OPTIONS));
});

test("planBoot() loads what a serial console needs, however it is asked for", async () => {
  const asked = (...user: string[]): PlanOptions => ({
    ...OPTIONS,
    cmdline: { user },
  });
  const message = await refused(
    "module.missing",
    planBoot(image(), profile(), asked("smoo.acm=1")),
  );
  assert.match(message, /"usb_f_acm".*serial console/);
  const off = { user: ["smoo.acm=0"], serialConsole: true };
  await planBoot(image(), profile(), { ...OPTIONS, cmdline: off });
});

test("planBoot() unpacks modules unless told otherwise", async () => {
  const packed = await gzip(text("\x7fELF erofs") as Uint8Array<ArrayBuffer>);
  const dep = MODULES.map((name) =>
    `kernel/${name}.ko${name === "erofs" ? ".gz" : ""}:\n`
  ).join("");
  const files = image({
    [`${FOLDER}/modules.dep`]: dep,
    [`${FOLDER}/kernel/erofs.ko`]: undefined,
    [`${FOLDER}/kernel/erofs.ko.gz`]: packed,
  });
  const sent = async (options: PlanOptions) => {
    const { moduleFiles, initramfs } = await planBoot(
      files,
      profile(),
      options,
    );
    const { file, bytes } = moduleFiles.find(({ module }) =>
      module.name === "erofs"
    )!;
    const path = `lib/modules/${MADE_RELEASE}/${file}`;
    assert.ok(initramfs.rows.some((row) => row.path === path), path);
    return { file, bytes };
  };
  assert.deepEqual(await sent(OPTIONS), {
    file: "kernel/erofs.ko",
    bytes: text("\x7fELF erofs"),
  });
  assert.deepEqual(await sent({ ...OPTIONS, keepCompressedModules: true }), {
    file: "kernel/erofs.ko.gz",
    bytes: packed,
  });
});

test("planBoot() refuses device trees for a kernel that takes none", async () => {
  const machine = {
    ...profile(),
    machine: "x86_64" as const,
    devicetree_name: null,
  };
  const given = { name: "my.dtb", bytes: DTB as Uint8Array<ArrayBuffer> };
  for (
    const options of [
      { dtb: given },
      { overlays: [given] },
      { macs: [{ kind: "wifi", compatible: "my.dtb" }] },
    ] satisfies PlanOptions[]
  ) {
    assert.match(
      await refused(
        "plan.no-device-tree",
        planBoot(imageX86(), machine, options),
      ),
      /Cannot use "my\.dtb" with kernel ".*": it is for x86_64/,
    );
  }
});

test("planBoot() refuses an image for another machine, before it misses modules", async () => {
  const phone = {
    ...profile(),
    display_name: "Made Phone",
    stage0: { kernel_modules: ["nothing"] },
  };
  assert.equal(
    await refused("plan.wrong-machine", planBoot(imageX86(), phone)),
    `Cannot boot "made" on Made Phone: its kernel "/boot/vmlinuz-${MADE_RELEASE}" is for x86_64, expected aarch64; use an image for arm64 (aarch64)`,
  );
  const pc = { ...phone, machine: "x86_64" as const, devicetree_name: null };
  assert.match(
    await refused("plan.wrong-machine", planBoot(image(), pc)),
    /is for aarch64, expected x86_64; use an image for amd64 \(x86_64\)$/,
  );
});

test("planBoot() takes the stage0 built in when it is given none", async () => {
  const { bytes, stage0 } = await planBoot(image(), profile());
  assert.equal(stage0, undefined);
  const entries = await readCpio(parseBootImage(bytes).ramdisk, {
    maxSize: 1 << 20,
  });
  const init = entries.find(({ path }) => path === "init");
  assert.ok(init?.type === "file");
  assert.deepEqual(init.data, await builtinStage0("aarch64"));
});

test("planBoot() sends no device tree where the machine brings its own", async () => {
  const virtual = {
    ...profile({ header_version: 0 }),
    devicetree_name: null,
  };
  const plan = await planBoot(image(), virtual, OPTIONS);
  assert.equal(plan.deviceTree, undefined);
  const { dtb, kernel } = parseBootImage(plan.bytes);
  assert.equal(dtb.length, 0);
  assert.deepEqual(await gunzip(kernel, { maxSize: 1 << 20 }), madeImage());
  const overlay = { name: "my.dtbo", bytes: DTB as Uint8Array<ArrayBuffer> };
  assert.match(
    await refused(
      "plan.no-device-tree",
      planBoot(image(), virtual, { ...OPTIONS, overlays: [overlay] }),
    ),
    /Cannot apply "my\.dtbo" to the device tree of "made-phone"/,
  );
});

test("planBoot() rejects with the reason of its signal", async () => {
  const reason = new Error("enough");
  const options = { ...OPTIONS, signal: AbortSignal.abort(reason) };
  await assert.rejects(planBoot(image(), profile(), options), reason);
});

test("every built-in profile gets a boot image", async () => {
  for (const known of BUILTIN_PROFILES) {
    const files = known.machine === "x86_64"
      ? imageX86()
      : image({ [`${TREES}/${known.devicetree_name}.dtb`]: DTB });
    const bare = { ...known, stage0: { kernel_modules: [] } };
    const { bytes } = await planBoot(files, bare);
    const { header_version } = known.boot.fastboot_boot.android_bootimg;
    assert.equal(parseBootImage(bytes).headerVersion, header_version, known.id);
  }
});

test("preparePlan() gives each phone what planBoot() gives, without another look at the image", async () => {
  const macs = [{ kind: "bluetooth", compatible: "qcom,wcn3990-bt" }] as const;
  for (const given of [{}, { deviceSerial: "mine", vendorId: 1 }]) {
    const files = image();
    const parts: PlanPart[] = [];
    const prepared = await preparePlan(files, profile(), {
      macs,
      cmdline: { user: ["quiet"], ...given },
      onPart: (part) => parts.push(part),
    });
    assert.deepEqual(parts, [
      "kernel",
      "modules",
      "device-tree",
      "initramfs",
      "compress-kernel",
    ]);
    files.source.open = () => assert.fail("read the image again");
    const seen = new Set<string>();
    for (const deviceSerial of ["0123", "4567"]) {
      const phone = { vendorId: 0x18d1, productId: 0xd00d, deviceSerial };
      const again: PlanPart[] = [];
      const { bytes, initramfs } = await prepared.forPhone(phone, {
        onPart: (part) => again.push(part),
      });
      const whole = await planBoot(image(), profile(), {
        macs,
        cmdline: { user: ["quiet"], ...phone, ...given },
      });
      assert.deepEqual(bytes, whole.bytes);
      assert.deepEqual(again, ["initramfs", "boot-image"]);
      seen.add(String(initramfs.bytes));
    }
    assert.equal(seen.size, "deviceSerial" in given ? 1 : 2);
  }
});
