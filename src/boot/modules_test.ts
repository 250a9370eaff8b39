import assert from "node:assert/strict";
import test from "node:test";
import { MemorySource, type PathDescription } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import { gzip, zstdEncode } from "../wasm/codecs.ts";
import { baseModules, resolveModules } from "./modules.ts";
import { readModules } from "./read_modules.ts";

const RELEASE = "6.12.1-arm64";
const ELF = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0);

const DEP = [
  "kernel/fs/a-fs.ko.xz: kernel/lib/low.ko kernel/lib/lowest.ko.gz",
  "kernel/lib/low.ko: kernel/lib/lowest.ko.gz",
  "kernel/lib/lowest.ko.gz:",
  "kernel/lib/soft_pre.ko.zst:",
  "kernel/lib/soft-post.ko:",
  "kernel/lib/aliased.ko:",
].join("\n");

/** An image with the modules of `DEP` and the indexes given. */
function tree(
  indexes: Record<string, string | Uint8Array>,
  contents: Record<string, Uint8Array> = {},
) {
  const folder = `/usr/lib/modules/${RELEASE}`;
  const files = DEP.split("\n").map((line) => line.split(":")[0]!);
  return withPaths(MemorySource.from(
    [
      ...Object.entries({ "modules.dep": DEP, ...indexes }),
      ...files.map((file) => [file, contents[file] ?? ELF] as const),
    ].filter(([, content]) => content !== "absent").map((
      [name, content],
    ): PathDescription => ({
      path: `${folder}/${name}`,
      type: "file",
      content,
    })),
  ));
}

const want = (...names: string[]) =>
  names.map((name) => ({ name, wantedBy: "the test" }));

test("resolveModules() puts dependencies first, each module once, and folds names", async () => {
  const files = tree({ "modules.builtin": "kernel/fs/in-side.ko\n" });
  const found = await resolveModules(
    files,
    RELEASE,
    want("low", "a_fs", "in_side", "in-side", "a-fs"),
  );
  assert.deepEqual(found, {
    release: RELEASE,
    folder: `/usr/lib/modules/${RELEASE}`,
    load: [
      { name: "lowest", file: "kernel/lib/lowest.ko.gz", from: "module low" },
      { name: "low", file: "kernel/lib/low.ko", from: "the test" },
      { name: "a_fs", file: "kernel/fs/a-fs.ko.xz", from: "the test" },
    ].map(({ name, file, from }) => ({
      name,
      wantedBy: from,
      path: `/usr/lib/modules/${RELEASE}/${file}`,
      file,
    })),
    builtin: [{ name: "in_side", wantedBy: "the test" }],
  });
});

test("resolveModules() loads soft dependencies before and after, the first line's alone", async () => {
  const files = tree({
    "modules.softdep": [
      "softdep low pre: soft-pre not-there post: soft_post",
      "softdep low pre: aliased",
    ].join("\n"),
  });
  const { load } = await resolveModules(files, RELEASE, want("a_fs"));
  assert.deepEqual(load.map(({ name }) => name), [
    "lowest",
    "soft_pre",
    "low",
    "soft_post",
    "a_fs",
  ]);
});

test("resolveModules() takes aliases by their exact name", async () => {
  const files = tree({
    "modules.alias":
      "alias fs-a a_fs\nalias crypto-x aliased\nalias crypto-x low\nalias usb:v* low\n",
    "modules.builtin.modinfo": "in_side.license=GPL\0in_side.alias=fs-in\0",
  });
  const { load, builtin } = await resolveModules(
    files,
    RELEASE,
    want("crypto_x", "fs-in"),
  );
  assert.deepEqual(load.map(({ name }) => name), ["aliased", "lowest", "low"]);
  assert.deepEqual(builtin.map(({ name }) => name), ["in_side"]);
  await assert.rejects(resolveModules(files, RELEASE, want("usb:v1234")), {
    code: "module.missing",
  });
});

test("resolveModules() names a missing module, what asked for it, the release and near names", async () => {
  const wanted = [{ name: "dwc3_qcom", wantedBy: "profile oneplus-fajita" }];
  await assert.rejects(resolveModules(tree({}), RELEASE, wanted), {
    code: "module.missing",
    message:
      `Cannot find module "dwc3_qcom" of release ${RELEASE}, wanted by profile oneplus-fajita: "/usr/lib/modules/${RELEASE}" has it neither as a module, as an alias nor built in; no name is near to it`,
  });
  await assert.rejects(resolveModules(tree({}), RELEASE, want("sotf-pre")), {
    code: "module.missing",
    message: /built in; nearest are soft_pre/,
  });
});

test("resolveModules() refuses what modules.dep names and is not there", async () => {
  const files = tree({}, {});
  const gone = tree({ "kernel/lib/low.ko": "absent" });
  assert.ok(await resolveModules(files, RELEASE, want("low")));
  const dep = tree({
    "modules.dep": `${DEP}\nkernel/gone.ko:\nkernel/up.ko: kernel/no.ko\n`,
  });
  await assert.rejects(resolveModules(dep, RELEASE, want("gone")), {
    code: "module.missing",
    message:
      `Cannot find module "gone" of release ${RELEASE}, wanted by the test: modules.dep names "/usr/lib/modules/${RELEASE}/kernel/gone.ko", which is not there`,
  });
  await assert.rejects(resolveModules(dep, RELEASE, want("up")), {
    code: "module.missing",
    message: /^Cannot find module "no" .* wanted by module up:/,
  });
  assert.ok(gone);
});

test("resolveModules() refuses an image without the modules of the release, or without index", async () => {
  await assert.rejects(resolveModules(tree({}), "6.13.0", want("low")), {
    code: "module.no-folder",
    message:
      `Cannot find modules of release 6.13.0 in "memory": found ${RELEASE} in /usr/lib/modules and /lib/modules, expected 6.13.0`,
  });
  const bare = tree({ "modules.dep": "absent" });
  await assert.rejects(resolveModules(bare, RELEASE, want("low")), {
    code: "module.no-index",
    message:
      `Cannot read modules of release ${RELEASE}: found neither modules.dep nor modules.dep.bin in "/usr/lib/modules/${RELEASE}", expected one; run depmod when building the image`,
  });
  const damaged = tree({
    "modules.dep": "absent",
    "modules.dep.bin": new Uint8Array(40),
  });
  await assert.rejects(resolveModules(damaged, RELEASE, want("low")), {
    code: "module.damaged-index",
    message:
      'Cannot read module index "modules.dep.bin" at byte 0: found 0x00000000, expected 0xb007f457; the file may be damaged',
  });
});

test("resolveModules() stops with the reason of its signal", async () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(
    resolveModules(tree({}), RELEASE, want("low"), { signal }),
    reason,
  );
});

test("baseModules() has the root's file system, and the console where it is wanted", () => {
  const names = (options: Parameters<typeof baseModules>[0]) =>
    baseModules(options).map(({ name }) => name).join(" ");
  const base = "configfs libcomposite usb_f_fs ublk_drv overlay";
  assert.equal(names({ rootFileSystem: "erofs" }), `${base} erofs`);
  assert.equal(
    names({ rootFileSystem: "ext4", serial: true }),
    `${base} ext4 usb_f_acm`,
  );
});

test("readModules() unpacks by content, names files as unpacked, and keeps the order", async () => {
  const files = tree({}, {
    "kernel/lib/lowest.ko.gz": await gzip(ELF),
    "kernel/lib/soft_pre.ko.zst": await zstdEncode(ELF),
  });
  const wanted = want("soft_pre", "low");
  const { load } = await resolveModules(files, RELEASE, wanted);
  const read = await readModules(files, load);
  assert.deepEqual(read.map(({ file }) => file), [
    "kernel/lib/soft_pre.ko",
    "kernel/lib/lowest.ko",
    "kernel/lib/low.ko",
  ]);
  for (const { bytes } of read) assert.deepEqual(bytes, ELF);
  const kept = await readModules(files, load, { keepCompressed: true });
  assert.equal(kept[0]!.file, "kernel/lib/soft_pre.ko.zst");
  assert.deepEqual(kept[0]!.bytes, await zstdEncode(ELF));
});

test("readModules() refuses damage and more than the limit, naming module and file", async () => {
  const packed = await gzip(ELF);
  const cases = [
    [packed.subarray(0, 20), 64, "module.damaged", /ends/],
    [Uint8Array.of(1, 2, 3, 4), 64, "module.damaged", /found no ELF object/],
    [packed, 7, "module.too-large", /holds more than 7 bytes/],
    [await gzip(new Uint8Array(64 << 10)), 1 << 10, "module.too-large", /1024/],
  ] as const;
  for (const [content, maxSize, code, what] of cases) {
    const files = tree({}, { "kernel/lib/lowest.ko.gz": content });
    const { load } = await resolveModules(files, RELEASE, want("lowest"));
    await assert.rejects(readModules(files, load, { maxSize }), (error) => {
      const { code: found, message } = error as Error & { code: string };
      assert.equal(found, code);
      assert.match(message, what);
      assert.match(
        message,
        /^Cannot read module "lowest" from "\/usr\/lib\/modules\/.*\/kernel\/lib\/lowest\.ko\.gz": /,
      );
      return true;
    });
  }
});
