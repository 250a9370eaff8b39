import assert from "node:assert/strict";
import test from "node:test";
import {
  blockReaderConformance,
} from "../../../tests/conformance/block_reader.ts";
import {
  fileSystemConformance,
  type ManifestEntry,
} from "../../../tests/conformance/file_system.ts";
import { checkFailingSource } from "../../../tests/support/failing_source.ts";
import {
  packedImage,
  packedImages,
} from "../../../tests/support/packed_images.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { withSlice } from "../../block/slice.ts";
import { openElToritoImage, readElTorito } from "./el_torito.ts";
import { openIso9660 } from "./open.ts";

const IMAGES = packedImages("iso");

/** What made_tree.pl puts into both images with Rock Ridge, as far as it is easily said. */
const MANIFEST: readonly ManifestEntry[] = [
  { path: "/types/setuid", type: "file", mode: 0o4755, size: 10 },
  { path: "/types/setgid", type: "file", mode: 0o2711, size: 10 },
  { path: "/types/secret", type: "file", mode: 0, uid: 1000, gid: 65534 },
  {
    path: "/types/foreign",
    type: "file",
    uid: 4000000000,
    gid: 3000000000,
    content: new TextEncoder().encode("far\n"),
  },
  { path: "/types/sticky", type: "directory", mode: 0o1777 },
  { path: "/types/empty", type: "directory", mode: 0o700 },
  { path: "/types/fifo", type: "fifo", mode: 0o600 },
  { path: "/types/socket", type: "socket" },
  // 259:70000 and 1:3, as Linux encodes them
  {
    path: "/types/block",
    type: "block-device",
    mode: 0o640,
    rdev: (70000 & 0xff) | 259 << 8 | (70000 & ~0xff) << 12,
  },
  { path: "/types/char", type: "character-device", mode: 0o666, rdev: 0x103 },
  { path: "/links/up", type: "symlink", target: "../sizes/4096" },
  { path: "/links/absolute", type: "symlink", target: "/sizes/4096" },
  {
    path: "/links/dots",
    type: "symlink",
    target: "./././../links/.././links/up",
  },
  {
    path: "/links/through",
    type: "symlink",
    target: "/links/to-folder/../sizes/1",
  },
  { path: "/names/latin-\udce9", type: "file", size: 0 },
  { path: `/names/${"n".repeat(255)}`, type: "file", size: 0 },
  { path: "/names/snow-☃", type: "file", size: 0 },
  {
    path: "/deep/1/2/3/4/5/6/bottom",
    type: "file",
    content: new TextEncoder().encode("here\n"),
  },
];

for (const name of ["xorriso.iso", "rock-ridge.iso"]) {
  test(`openIso9660() of ${name} gives what Rock Ridge says`, async () => {
    const image = packedImage("iso", name).bytes;
    const files = await openIso9660(openMemory(image));
    assert.equal(files.source.names, "rock-ridge");
    assert.equal(files.source.volume.label, "SMALL");
    for (const { path, target, content, ...wanted } of MANIFEST) {
      const inode = await files.lstat(path);
      for (const [key, value] of Object.entries(wanted)) {
        assert.equal(inode[key as keyof typeof inode], value, `${key} ${path}`);
      }
      if (target !== undefined) {
        assert.equal(await files.readLink(path), target);
      }
      if (content !== undefined) {
        const reader = await files.open(path);
        assert.deepEqual(await readExactly(reader, 0, reader.size), content);
      }
    }
    const found: string[] = [];
    for await (const { path } of files.walk("/deep")) found.push(path);
    assert.equal(found.at(-1), "/deep/1/2/3/4/5/6/bottom");
    assert.equal(found.length, 8);
  });
}

const SIZES: readonly ManifestEntry[] = [0, 1, 511, 512, 513, 4095, 4096, 4097]
  .map((size) => ({
    path: `/sizes/${size}`,
    type: "file",
    size,
    mode: 0o444,
  }));
fileSystemConformance(
  "openIso9660() of joliet.iso",
  async () => {
    const { bytes } = packedImage("iso", "joliet.iso");
    return { files: await openIso9660(openMemory(bytes)) };
  },
  [
    { path: "/sizes", type: "directory", mode: 0o555 },
    ...SIZES,
    { path: "/holes", type: "file", size: 20480 },
    { path: "/labelled", type: "file", size: 12 },
    { path: "/deep", type: "directory" },
    ...["1", "1/2", "1/2/3", "1/2/3/4", "1/2/3/4/5", "1/2/3/4/5/6"].map((
      path,
    ) => ({
      path: `/deep/${path}`,
      type: "directory" as const,
    })),
  ],
);

for (const { name, bytes } of IMAGES) {
  test(`openIso9660() of ${name} costs at most 3 reads`, async () => {
    const source = withRecord(openMemory(bytes));
    await openIso9660(source);
    assert.ok(source.report.requests <= 3, `${source.report.requests} reads`);
  });

  test(`openIso9660() of ${name} gives each inode again by its number alone`, async () => {
    const files = await openIso9660(openMemory(bytes));
    const { source } = files;
    for await (const { path, inode } of files.walk("/")) {
      const fresh = (await openIso9660(openMemory(bytes))).source;
      assert.deepEqual(await fresh.inode(inode.number), inode, path);
      assert.equal(source.volume.blockSize, 2048);
    }
  });
}

test("openIso9660() shows each set of names of an image", async () => {
  const { bytes } = packedImage("iso", "xorriso.iso");
  const find = async (names: "rock-ridge" | "joliet" | "plain") => {
    const files = await openIso9660(openMemory(bytes), { names });
    assert.equal(files.source.names, names);
    assert.deepEqual(files.source.features, ["rock-ridge", "joliet"]);
    const found: string[] = [];
    for await (const { name } of files.list("/")) found.push(name);
    return { found: found.sort(), fifo: await files.find("/types/fifo") };
  };
  const all = ["deep", "holes", "labelled", "links", "names", "sizes", "types"];
  const rockRidge = await find("rock-ridge");
  assert.deepEqual(rockRidge.found, all);
  assert.equal(rockRidge.fifo?.type, "fifo");
  assert.deepEqual((await find("joliet")).found, all);
  assert.deepEqual((await find("plain")).found, all);
  assert.equal((await find("joliet")).fifo, undefined);
});

test("openIso9660() gives a file in one piece as a slice of the image", async () => {
  const { bytes } = packedImage("iso", "xorriso.iso");
  const image = openMemory(bytes);
  const files = await openIso9660(image);
  const inode = await files.stat("/sizes/4097");
  const extents = await files.source.extentsOf(inode);
  assert.equal(extents.length, 1);
  const slice = withSlice(image, extents[0]!);
  const opened = await files.open("/sizes/4097");
  assert.equal(opened.identity, slice.identity);
  assert.equal(opened.size, 4097);
  const again = await openIso9660(image, { names: "joliet" });
  assert.equal((await again.open("/sizes/4097")).identity, slice.identity);
});

test("openIso9660() reads the session that it is told", async () => {
  const { bytes } = packedImage("iso", "sessions.iso");
  const first = await openIso9660(openMemory(bytes));
  assert.equal(await first.find("/added"), undefined);
  const second = await openIso9660(openMemory(bytes), { sessionSector: 320 });
  const added = await second.open("/added");
  assert.equal(
    new TextDecoder().decode(await readExactly(added, 0, added.size)),
    "added\n",
  );
  // what was there before is not stored again
  const inode = await second.stat("/sizes/4096");
  const [extent] = await second.source.extentsOf(inode);
  assert.ok(extent!.offset < 320 * 2048);
  await assert.rejects(
    openIso9660(openMemory(bytes), { sessionSector: 400 }),
    { code: "iso.bad-magic" },
  );
});

test("readElTorito() gives the boot images", async () => {
  const image = openMemory(packedImage("iso", "el-torito.iso").bytes);
  const entries = await readElTorito(image);
  assert.deepEqual(
    entries?.map(({ offset: _, ...entry }) => entry),
    [
      {
        platform: "x86",
        bootable: true,
        emulation: "none",
        size: 2048,
        sizeStated: true,
      },
      {
        platform: "efi",
        bootable: true,
        emulation: "none",
        size: 20480,
        sizeStated: true,
      },
    ],
  );
  for (const [index, letter] of ["P", "E"].entries()) {
    const reader = openElToritoImage(image, entries![index]!);
    const text = new TextDecoder().decode(
      await readExactly(reader, 0, reader.size),
    );
    assert.equal(text, letter.repeat(reader.size));
  }
  const plain = openMemory(packedImage("iso", "plain.iso").bytes);
  assert.equal(await readElTorito(plain), undefined);
});

for (
  const [name, path] of [
    ["xorriso.iso", "/types/foreign"],
    ["rock-ridge.iso", "/deep/1/2/3/4/5/6/bottom"],
    ["plain.iso", "/sizes/4096"],
  ] as const
) {
  test(`openIso9660() of ${name} keeps nothing of reads that fail or are left`, async () => {
    const { bytes } = packedImage("iso", name);
    await checkFailingSource(
      bytes,
      (image, signal) => openIso9660(image, { signal }),
      path,
    );
  });
}

blockReaderConformance("openIso9660() file", async (content) => {
  const { bytes } = packedImage("iso", "plain.iso");
  const image = new Uint8Array(bytes.length + content.length);
  image.set(bytes);
  image.set(content, bytes.length);
  const { number } = await (await openIso9660(openMemory(bytes))).stat(
    "/holes",
  );
  setBoth(image, number + 2, bytes.length / 2048);
  setBoth(image, number + 10, content.length);
  const files = await openIso9660(openMemory(image));
  return { reader: await files.open("/holes") };
});

test("openIso9660() reads blocks smaller than a sector", async () => {
  const { bytes } = packedImage("iso", "plain.iso");
  const files = await openIso9660(openMemory(bytes));
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const descriptor = 16 * 2048;
  view.setUint16(descriptor + 128, 512, true);
  view.setUint16(descriptor + 130, 512, false);
  setBoth(copy, descriptor + 80, view.getUint32(descriptor + 80, true) * 4);
  const scale = (record: number) =>
    setBoth(copy, record + 2, view.getUint32(record + 2, true) * 4);
  const contents = new Map<string, Uint8Array>();
  for await (const { path, inode } of files.walk("/")) {
    if (inode.type === "file") {
      const reader = files.source.open(inode);
      contents.set(path, await readExactly(reader, 0, reader.size));
    } else {
      // its own record and that of its parent, with which it begins
      const own = view.getUint32(inode.number + 2, true) * 2048;
      scale(own);
      scale(own + bytes[own]!);
    }
    scale(inode.number);
  }
  const small = await openIso9660(openMemory(copy));
  assert.equal(small.blockSize, 512);
  assert.equal(small.source.volume.size, files.source.volume.size);
  for (const [path, content] of contents) {
    const reader = await small.open(path);
    assert.deepEqual(await readExactly(reader, 0, reader.size), content, path);
  }
  assert.ok(contents.size > 5);
});

/** Writes a number in both byte orders. */
function setBoth(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(at, value, true);
  view.setUint32(at + 4, value, false);
}
