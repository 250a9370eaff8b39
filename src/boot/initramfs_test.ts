import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { readCpio } from "../format/cpio/read.ts";
import { type CpioEntry, gzip, packCpio } from "../wasm/codecs.ts";
import { buildInitramfs, type InitramfsInput } from "./initramfs.ts";
import { checkStage0 } from "./stage0_binary.ts";

const data = (text: string) => new TextEncoder().encode(text);
const MAX = { maxSize: 64 << 20 };

/** The smallest program that passes: a header and one segment, or more. */
function elf(
  changes: {
    readonly machine?: number;
    readonly type?: number;
    readonly class?: number;
    readonly segments?: readonly number[];
    readonly segmentSize?: number;
  } = {},
): Uint8Array {
  const segments = changes.segments ?? [1];
  const bytes = new Uint8Array(64 + 56 * segments.length + 32);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, changes.class ?? 2, 1, 1]);
  view.setUint16(16, changes.type ?? 2, true);
  view.setUint16(18, changes.machine ?? 183, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  const end = 64 + 56 * segments.length;
  bytes.set(data("/lib/ld-musl-aarch64.so.1\0"), end);
  segments.forEach((type, i) => {
    view.setUint32(64 + 56 * i, type, true);
    view.setBigUint64(64 + 56 * i + 8, BigInt(end), true);
    const size = changes.segmentSize ?? 26;
    view.setBigUint64(64 + 56 * i + 32, BigInt(size), true);
  });
  return bytes;
}

test("checkStage0() takes static programs and refuses all else by name", () => {
  checkStage0(elf(), "aarch64");
  checkStage0(elf({ type: 3 }), "aarch64");
  checkStage0(elf({ machine: 62 }), "x86_64");
  const cases: [Uint8Array, string, RegExp][] = [
    [data("#!/bin/sh\n"), "not-elf", /begins with 23 21 2f 62, expected 7f 45/],
    [new Uint8Array(0), "not-elf", /begins with nothing/],
    [elf().subarray(0, 63), "damaged", /has 63 bytes/],
    [elf({ class: 1 }), "wrong-class", /are 1 and 1, expected 2 and 1/],
    [elf({ machine: 62 }), "wrong-machine", /is for x86_64, expected aarch64/],
    [elf({ machine: 40 }), "wrong-machine", /is for ELF machine 40/],
    [elf({ type: 1 }), "not-a-program", /ELF type is 1/],
    [
      elf({ segments: [1, 3] }),
      "dynamic",
      /needs the interpreter "\/lib\/ld-musl-aarch64\.so\.1".*link it with -static/,
    ],
    [elf({ segments: [2] }), "damaged", /no segment to load/],
    [elf({ segmentSize: 33 }), "damaged", /a segment ends at byte 153/],
    [elf().subarray(0, 100), "damaged", /1 program headers of 56 bytes from/],
  ];
  for (const [bytes, code, message] of cases) {
    assert.throws(
      () => checkStage0(bytes, "aarch64", "init"),
      (error) =>
        isCoded(error, `stage0.${code}`) && message.test(error.message) &&
        error.message.startsWith('Cannot use "init" as /init: '),
    );
  }
});

const INPUT: InitramfsInput = {
  stage0: elf(),
  machine: "aarch64",
  settings: new Map([["stage0.rootfs", "erofs"], ["smoo.acm", "1"]]),
  modules: {
    release: "6.12.0-arm64",
    load: [
      { file: "kernel/fs/configfs/configfs.ko", bytes: data("one") },
      { file: "kernel/drivers/usb/dwc3/dwc3-qcom.ko.xz", bytes: data("two") },
    ],
  },
};

/** Type, mode and content of each path, in the archive's order. */
async function list(bytes: Uint8Array): Promise<string[]> {
  const members = await readCpio(bytes, MAX);
  return members.map((member) => {
    const content = member.type === "file"
      ? member.path === "init" ? "…" : new TextDecoder().decode(member.data)
      : member.type === "symlink"
      ? member.target
      : "";
    return `${member.type} ${member.mode.toString(8)} ${member.path} ${content}`
      .trim();
  });
}

test("buildInitramfs() holds stage0, settings and modules, directories first", async () => {
  const { bytes, unpackedSize, rows, overrides } = await buildInitramfs(INPUT);
  assert.deepEqual(await list(bytes), [
    "dir 755 dev",
    "dir 755 etc",
    "dir 755 etc/modules-load.d",
    "dir 755 etc/stage0",
    "dir 755 lib",
    "dir 755 lib/modules",
    "dir 755 lib/modules/6.12.0-arm64",
    "dir 755 lib/modules/6.12.0-arm64/kernel",
    "dir 755 lib/modules/6.12.0-arm64/kernel/drivers",
    "dir 755 lib/modules/6.12.0-arm64/kernel/drivers/usb",
    "dir 755 lib/modules/6.12.0-arm64/kernel/drivers/usb/dwc3",
    "dir 755 lib/modules/6.12.0-arm64/kernel/fs",
    "dir 755 lib/modules/6.12.0-arm64/kernel/fs/configfs",
    "dir 755 proc",
    "dir 755 run",
    "dir 755 sys",
    "file 644 etc/modules-load.d/fastboop-stage0.conf configfs\ndwc3-qcom",
    "file 644 etc/stage0/smoo.acm 1",
    "file 644 etc/stage0/stage0.rootfs erofs",
    "file 755 init …",
    "file 644 lib/modules/6.12.0-arm64/kernel/drivers/usb/dwc3/dwc3-qcom.ko.xz two",
    "file 644 lib/modules/6.12.0-arm64/kernel/fs/configfs/configfs.ko one",
    "file 644 lib/modules/6.12.0-arm64/modules.dep kernel/fs/configfs/configfs.ko:\nkernel/drivers/usb/dwc3/dwc3-qcom.ko.xz:",
  ]);
  assert.equal(unpackedSize, bytes.length);
  assert.deepEqual(overrides, []);
  assert.deepEqual(
    rows.filter(({ type }) => type === "file").map(({ path, size, source }) =>
      `${source} ${size} ${path.slice(path.lastIndexOf("/") + 1)}`
    ),
    [
      "modules 19 fastboop-stage0.conf",
      "settings 2 smoo.acm",
      "settings 6 stage0.rootfs",
      "stage0 152 init",
      "modules 3 dwc3-qcom.ko.xz",
      "modules 3 configfs.ko",
      "modules 73 modules.dep",
    ],
  );
  for (const { uid, gid, mtime } of await readCpio(bytes, MAX)) {
    assert.deepEqual([uid, gid, mtime], [0, 0, 0]);
  }
});

test("buildInitramfs() gives equal bytes for equal input, in every compression", async () => {
  const plain = (await buildInitramfs(INPUT)).bytes;
  for (const compression of ["none", "gzip", "lz4", "zstd"] as const) {
    const one = await buildInitramfs({ ...INPUT, compression });
    const two = await buildInitramfs({ ...INPUT, compression });
    assert.deepEqual(one.bytes, two.bytes);
    assert.equal(one.unpackedSize, plain.length);
    assert.deepEqual(await list(one.bytes), await list(plain));
  }
  const shuffled = new Map([...INPUT.settings].reverse());
  const again = await buildInitramfs({ ...INPUT, settings: shuffled });
  assert.deepEqual(again.bytes, plain);
});

async function augmented(
  entries: readonly CpioEntry[],
  input: Partial<InitramfsInput> = {},
) {
  const bytes = await packCpio(entries);
  const augments = [{ name: "extra.cpio", bytes }];
  return await buildInitramfs({ ...INPUT, augments, ...input });
}

test("buildInitramfs() keeps what archives bring as it is, and says what they override", async () => {
  const entries: readonly CpioEntry[] = [
    { path: "./etc", type: "dir", mode: 0o700, uid: 5 },
    { path: "etc/stage0/stage0.rootfs", type: "file", data: data("ext4\n") },
    { path: "dev/console", type: "char", major: 5, minor: 1, mode: 0o620 },
    { path: "bin/sh", type: "file", data: data("sh"), linkGroup: 1, mtime: 7 },
    { path: "bin/ash", type: "file", data: data("sh"), linkGroup: 1, mtime: 7 },
    { path: "init", type: "symlink", target: "bin/sh" },
  ];
  const second = await gzip(
    await packCpio([
      { path: "bin/x", type: "file", data: data("x"), linkGroup: 1 },
      { path: "bin/y", type: "file", data: data("x"), linkGroup: 1 },
      { path: "init", type: "file", data: data("#!/bin/sh"), mode: 0o755 },
    ]),
  );
  const { bytes, overrides, rows } = await buildInitramfs({
    ...INPUT,
    augments: [
      { name: "one.cpio", bytes: await packCpio(entries) },
      { name: "two.cpio.gz", bytes: second },
    ],
  });
  assert.deepEqual(overrides, [
    { path: "init", by: "two.cpio.gz", instead: "one.cpio" },
    { path: "init", by: "two.cpio.gz", instead: "stage0" },
    {
      path: "etc/stage0/stage0.rootfs",
      by: "one.cpio",
      instead: "settings",
    },
  ]);
  const members = await readCpio(bytes, MAX);
  const find = (path: string) => members.find((each) => each.path === path)!;
  assert.deepEqual([find("etc").mode, find("etc").uid], [0o700, 5]);
  assert.equal(find("dev/console").type, "char");
  assert.equal(find("bin/sh").mtime, 7);
  assert.equal(find("bin/sh").linkGroup, find("bin/ash").linkGroup);
  assert.equal(find("bin/x").linkGroup, find("bin/y").linkGroup);
  assert.notEqual(find("bin/x").linkGroup, find("bin/ash").linkGroup);
  assert.equal(find("bin").mode, 0o755);
  const sources = Object.fromEntries(
    rows.map(({ path, source }) => [path, source]),
  );
  assert.equal(sources["init"], "two.cpio.gz");
  assert.equal(sources["dev"], "one.cpio");
});

test("buildInitramfs() follows links that archives have in place of folders", async () => {
  const { bytes } = await augmented([
    { path: "usr/lib", type: "dir" },
    { path: "lib", type: "symlink", target: "usr/lib" },
    { path: "run", type: "symlink", target: "/usr/../tmp" },
    { path: "lib/x", type: "file", data: data("x") },
  ]);
  const names = await list(bytes);
  assert.ok(names.includes("symlink 777 lib usr/lib"));
  assert.ok(names.includes("file 644 usr/lib/x x"));
  assert.ok(names.includes("dir 755 tmp"));
  assert.ok(
    names.some((name) => / usr\/lib\/modules\/6.*modules\.dep/.test(name)),
  );
  assert.ok(!names.some((name) => / (lib|run)\//.test(name)), names.join("\n"));
});

test("buildInitramfs() takes an archive's /init without a stage0", async () => {
  const { stage0: _, ...rest } = INPUT;
  const entries: CpioEntry[] = [
    { path: "init", type: "file", data: data("#!/bin/sh"), mode: 0o755 },
  ];
  const augments = [{ name: "a", bytes: await packCpio(entries) }];
  const { overrides } = await buildInitramfs({ ...rest, augments });
  assert.deepEqual(overrides, []);
  await assert.rejects(
    buildInitramfs(rest),
    (error) =>
      isCoded(error, "initramfs.no-init") &&
      /no stage0 and no archive to add/.test(error.message),
  );
});

test("buildInitramfs() refuses what cannot be, each by name", async () => {
  const refuses = async (
    promise: Promise<unknown>,
    code: `${string}.${string}`,
    message: RegExp,
  ) => {
    await assert.rejects(promise, (error) => {
      assert.ok(isCoded(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  };
  const augments = [{ name: "initrd.tar", bytes: data("ustar and more") }];
  await refuses(
    buildInitramfs({ ...INPUT, augments }),
    "cpio.bad-magic",
    /byte 0 of "initrd\.tar": found "ustar ", expected "070701"/,
  );
  await refuses(
    augmented([{ path: "lib", type: "file", data: data("x") }]),
    "initramfs.not-a-directory",
    /"lib" of extra\.cpio is a file, expected a directory/,
  );
  await refuses(
    augmented([
      { path: "a/b", type: "dir" },
      { path: "a", type: "symlink", target: "c" },
    ]),
    "initramfs.not-a-directory",
    /"a" .*it is no directory in extra\.cpio, but "a\/b" is in one/,
  );
  await refuses(
    augmented([
      { path: "lib", type: "symlink", target: "x" },
      { path: "x", type: "symlink", target: "lib" },
    ]),
    "initramfs.link-loop",
    /more than 40 links/,
  );
  await refuses(
    augmented([{ path: "a", type: "dir" }], { maxAugmentSize: 100 }),
    "cpio.too-large",
    /beyond the limit/,
  );
  await refuses(
    buildInitramfs({ ...INPUT, machine: "x86_64" }),
    "stage0.wrong-machine",
    /is for aarch64, expected x86_64/,
  );
  for (const release of ["", "..", "a/b", "a\n"]) {
    const modules = { release, load: [] };
    await assert.rejects(buildInitramfs({ ...INPUT, modules }), RangeError);
  }
  for (const file of ["../x.ko", "/x.ko", "a//b.ko"]) {
    const modules = { release: "6", load: [{ file, bytes: data("") }] };
    await assert.rejects(buildInitramfs({ ...INPUT, modules }), RangeError);
  }
});
