import assert from "node:assert/strict";
import test from "node:test";
import { readManifest } from "../../../scripts/fixtures/manifest.ts";
import { fileSystemConformance } from "../../../tests/conformance/file_system.ts";
import { compareWithManifest } from "../../../tests/support/compare.ts";
import {
  ext4SmallImage,
  ext4SmallImages,
  withoutSums,
  withSuperblock,
} from "../../../tests/support/ext4_images.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { type Ext4FileSystem, openExt4 } from "./open.ts";

const IMAGES = ext4SmallImages();
const WITH_MANIFEST = IMAGES.filter(({ name }) =>
  name !== "unclean" && name !== "kernel"
);

for (const { name, path: image, bytes } of WITH_MANIFEST) {
  test(`openExt4() finds in ${name} what debugfs finds`, async () => {
    const files = await openExt4(openMemory(bytes));
    const { differences, paths } = await compareWithManifest(
      files,
      readManifest(image),
    );
    assert.deepEqual(differences, []);
    assert.ok(paths > 5, `${paths} paths`);
  });

  test(`openExt4() finds in ${name} each name by itself, and no other`, async () => {
    const files = await openExt4(openMemory(bytes), { metadataBytes: 1 << 20 });
    for (const { path } of readManifest(image)) {
      assert.ok(await files.source.inode((await files.lstat(path)).number));
      assert.equal(await files.find(`${path.slice(0, -1)}~`), undefined);
    }
  });
}

fileSystemConformance(
  "ext4",
  async () => ({
    files: await openExt4(openMemory(ext4SmallImage("flat").bytes)),
  }),
  readManifest(ext4SmallImage("flat").path).filter(({ path }) => path !== "/"),
);

fileSystemConformance(
  "ext4 with inline data",
  async () => ({
    files: await openExt4(openMemory(ext4SmallImage("inline").bytes)),
  }),
  readManifest(ext4SmallImage("inline").path).filter(({ path }) =>
    path !== "/"
  ),
);

test("openExt4() says which of its names a file system goes by, and its features", async () => {
  const kind = async (name: string) => {
    const files = await openExt4(openMemory(ext4SmallImage(name).bytes));
    return [files.kind, files.blockSize, files.source.superblock.label];
  };
  assert.deepEqual(await kind("ext2"), ["ext2", 1024, "odd"]);
  assert.deepEqual(await kind("flat"), ["ext4", 1024, "odd"]);
  const { source } = await openExt4(
    openMemory(ext4SmallImage("inline").bytes),
  );
  assert.equal(
    source.features.join(" "),
    "ext_attr dir_index filetype extent 64bit flex_bg inline_data sparse_super " +
      "large_file huge_file dir_nlink extra_isize metadata_csum",
  );
  assert.equal(source.superblock.uuid, "fa57b009-0000-4000-8000-000000000003");
  assert.equal(source.needsRecovery, false);
});

test("openExt4() costs two reads, a name in a large directory two more", async () => {
  const recorded = withRecord(openMemory(ext4SmallImage("crowd").bytes));
  const files = await openExt4(recorded);
  assert.ok(recorded.report.requests <= 3, `${recorded.report.requests} reads`);
  recorded.reset();
  assert.equal(await files.find("/no such name"), undefined);
  assert.ok(recorded.report.requests <= 2, `${recorded.report.requests} reads`);
});

test("openExt4() reads a directory of up to 64 KiB at once", async () => {
  const recorded = withRecord(openMemory(ext4SmallImage("flat").bytes));
  const files = await openExt4(recorded);
  await files.lstat("/names");
  recorded.reset();
  for await (const { name } of files.list("/names")) {
    await files.lstat(`/names/${name}`);
  }
  assert.ok(recorded.report.requests <= 2, `${recorded.report.requests} reads`);
});

test("openExt4() reads content in one read where it lies in one place", async () => {
  const recorded = withRecord(openMemory(ext4SmallImage("ext2").bytes));
  const files = await openExt4(recorded);
  // 98 blocks, a block of their numbers among them
  const lines = await files.open("/lines");
  await readExactly(lines, 0, lines.size);
  recorded.reset();
  const bytes = await readExactly(lines, 0, lines.size);
  assert.equal(bytes.length, 100_000);
  assert.equal(recorded.report.requests, 1);
});

test("openExt4() finds names without knowing how they were hashed", async () => {
  const { bytes } = ext4SmallImage("crowd");
  const unstated = withSuperblock(bytes, (superblock) => {
    superblock.setUint32(0x160, 0, true); // signed or unsigned: not said
  });
  const files = await openExt4(openMemory(unstated));
  for (const name of ["name-0", "größe-1043", "снег-1137"]) {
    assert.equal((await files.stat(`/${name}`)).type, "file");
    assert.equal(await files.find(`/${name}~`), undefined);
  }
});

test("openExt4() reads an image that was not unmounted as its journal says", async () => {
  const { bytes } = ext4SmallImage("unclean");
  const files = await openExt4(openMemory(bytes));
  assert.equal(files.source.needsRecovery, true);
  assert.equal(await files.resolve("/second/link"), "/first");
  assert.equal(await files.find("/third"), undefined);
  const recovered: BlockReader = files.source.recovered;
  assert.notEqual(recovered.identity, openMemory(bytes).identity);
  const again = await openExt4(recovered);
  assert.equal(again.source.needsRecovery, false);
  assert.equal(await again.resolve("/second/link"), "/first");
  assert.ok(!again.source.features.includes("needs_recovery"));
});

test("openExt4() reads what a power cut left of the journal of Linux 6.12", async () => {
  const files = await openExt4(openMemory(ext4SmallImage("kernel").bytes));
  assert.equal(files.source.needsRecovery, true);
  assert.equal((await files.stat("/link-2")).size, 5000);
  // never synced: a name, and no content yet
  assert.equal((await files.stat("/moved")).size, 0);
  assert.equal(await files.find("/before/file-0-3"), undefined);
  assert.equal(await files.find("/gone-0"), undefined);
  assert.equal(await files.find("/not-committed"), undefined);
  const synced = await files.open("/round-0/synced");
  const bytes = await readExactly(synced, 0, synced.size);
  assert.ok(bytes.length === 3000 && bytes.every((byte) => byte === 0x32));
  let paths = 0;
  for await (const _ of files.walk()) paths++;
  assert.equal(paths, 132);
});

const inodeAt = async (
  files: Ext4FileSystem,
  bytes: Uint8Array,
  path: string,
) => {
  const { inodesPerGroup, inodeSize, blockSize } = files.source.superblock;
  const { number } = await files.lstat(path);
  assert.ok(number <= inodesPerGroup, "in the first group");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const descriptors = blockSize === 1024 ? 2048 : blockSize;
  const table = view.getUint32(descriptors + 8, true) * blockSize;
  return table + (number - 1) * inodeSize;
};

test("openExt4() knows times from 1901 to 2446, and old numbers of devices", async () => {
  const bytes = withoutSums(ext4SmallImage("flat").bytes);
  const before = await openExt4(openMemory(bytes));
  const view = new DataView(bytes.buffer);
  const at = await inodeAt(before, bytes, "/sizes/1");
  const device = await inodeAt(before, bytes, "/types/block");
  view.setUint16(device + 40, 0x0803, true);
  const mtime = async (low: number, extra: number) => {
    view.setInt32(at + 16, low, true);
    view.setUint32(at + 136, extra, true);
    const files = await openExt4(openMemory(bytes));
    return (await files.stat("/sizes/1")).mtime;
  };
  assert.equal(await mtime(-1, 0), -1);
  assert.equal(await mtime(-(2 ** 31), 1), 2 ** 31);
  assert.equal(await mtime(0, 1 | 999 << 2), 2 ** 32);
  assert.equal(await mtime(0x7fffffff, 3), 3 * 2 ** 32 + 0x7fffffff);
  const files = await openExt4(openMemory(bytes));
  assert.equal((await files.lstat("/types/block")).rdev, 0x0803);
});

test("openExt4() refuses by name what is encrypted", async () => {
  const bytes = withoutSums(ext4SmallImage("flat").bytes);
  const before = await openExt4(openMemory(bytes));
  const view = new DataView(bytes.buffer);
  for (const path of ["/sizes/4096", "/links", "/links/up"]) {
    const at = await inodeAt(before, bytes, path);
    view.setUint32(at + 32, view.getUint32(at + 32, true) | 0x800, true);
  }
  const files = await openExt4(openMemory(bytes, { name: "a.img" }));
  const file = await files.open("/sizes/4096");
  const { number } = await files.stat("/sizes/4096");
  await assert.rejects(file.read(0, new Uint8Array(10)), {
    code: "ext4.unsupported-feature",
    message:
      `Cannot read file inode ${number} of "a.img": it is encrypted (encrypt); ` +
      "make the image without it, or update fastboop",
  });
  const refused = { code: "ext4.unsupported-feature" };
  await assert.rejects(files.find("/links/any"), refused);
  await assert.rejects(async () => {
    for await (const _ of files.list("/links"));
  }, refused);
});

test("openExt4() finds exact names where case is ignored, and does not guess others", async () => {
  const bytes = withoutSums(ext4SmallImage("flat").bytes);
  const before = await openExt4(openMemory(bytes));
  const at = await inodeAt(before, bytes, "/names");
  const view = new DataView(bytes.buffer);
  view.setUint32(at + 32, view.getUint32(at + 32, true) | 0x40000000, true);
  const files = await openExt4(openMemory(bytes));
  assert.equal((await files.stat("/names/aa")).type, "file");
  await assert.rejects(files.find("/names/AA"), {
    code: "ext4.unsupported-feature",
  });
});

test("openExt4() knows inodes of this format only", async () => {
  const { source } = await openExt4(openMemory(ext4SmallImage("flat").bytes));
  const foreign = {
    number: 12,
    type: "file",
    size: 1,
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: 0,
    linkCount: 1,
  } as const;
  assert.throws(() => source.open(foreign), TypeError);
});
