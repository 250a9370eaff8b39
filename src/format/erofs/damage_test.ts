import assert from "node:assert/strict";
import test from "node:test";
import {
  cut,
  flip,
  sealSuperblock,
  smallImage,
  smallImages,
} from "../../../tests/support/erofs_images.ts";
import { exercise } from "../../../tests/support/exercise.ts";
import { openMemory } from "../../block/memory.ts";
import { isCoded } from "../../errors.ts";
import type { ErofsInode } from "./image.ts";
import { openErofs } from "./open.ts";

const use = (bytes: Uint8Array<ArrayBuffer>, maxEntries?: number) =>
  exercise(() => openErofs(openMemory(bytes)), maxEntries);

/** Bytes at which something of the image starts: inodes, their data or index. */
async function structures(bytes: Uint8Array<ArrayBuffer>): Promise<number[]> {
  const files = await openErofs(openMemory(bytes));
  const found = new Set([1024, 1152, 4096]);
  for await (const { inode } of files.walk("/")) {
    const { headEnd, u } = inode as ErofsInode;
    found.add(files.source.superblock.metaStart + inode.number * 32).add(
      headEnd,
    );
    if (u < bytes.length / files.blockSize) found.add(u * files.blockSize);
  }
  return [...found].filter((at) => at < bytes.length).sort((a, b) => a - b);
}

// "names" has 3,000 files and nothing else: slow, and no other structures
const IMAGES = smallImages().filter(({ name }) => name !== "names");

for (const { name, bytes } of IMAGES) {
  test(`openErofs() refuses ${name} cut short at each structure`, async () => {
    for (const at of await structures(bytes)) {
      for (const size of [at - 1, at, at + 1]) {
        const { opened, codes } = await use(cut(bytes, size));
        assert.ok(!opened && codes.length === 1, `cut at ${size}: ${codes}`);
        // as damage inside the image: the superblock is content with what there is
        await use(cut(bytes, size, true));
      }
    }
  });

  test(`openErofs() survives flipped bits in the superblock of ${name}`, async () => {
    let opened = 0;
    for (let bit = 1024 * 8; bit < 1152 * 8; bit++) {
      if ((await use(flip(bytes, bit), 6)).opened) opened++;
    }
    assert.ok(opened > 0);
  });

  test(`openErofs() survives flipped bits in inodes, directories and data of ${name}`, async () => {
    const spots = await structures(bytes);
    let refused = 0;
    for (let i = 0; i < 250; i++) {
      // near a structure, where it matters most; the step visits all of them
      const at = spots[(i * 7) % spots.length]! + ((i * 13) % 48);
      const bit = Math.min(at, bytes.length - 1) * 8 + (i % 8);
      if ((await use(flip(bytes, bit))).codes.length > 0) refused++;
    }
    assert.ok(refused > 0);
  });
}

test("openErofs() survives an inode whose size is larger than anything", async () => {
  const { bytes } = smallImage("lz4hc");
  const files = await openErofs(openMemory(bytes));
  const codes = new Set<string>();
  for await (const { inode } of files.walk("/")) {
    const at = files.source.superblock.metaStart + inode.number * 32;
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(at + 8, 0xfffffff0, true);
    sealSuperblock(copy);
    for (const code of (await use(copy)).codes) codes.add(code);
  }
  assert.ok(codes.has("erofs.damaged"), [...codes].join());
});

test("openErofs() says which block of which directory is damaged", async () => {
  const { bytes } = smallImage("names");
  const files = await openErofs(openMemory(bytes));
  let folder: ErofsInode | undefined;
  for await (const { inode } of files.walk("/")) {
    if (inode.type === "directory" && inode.size > 8192) {
      folder = inode as ErofsInode;
      break;
    }
  }
  const { number, u } = folder!;
  const copy = bytes.slice();
  copy.fill(0xff, u * 4096 + 4096 + 8, u * 4096 + 4096 + 10); // the second block's first name
  const damaged = await openErofs(openMemory(copy, { name: "bad.img" }));
  await assert.rejects(
    async () => {
      for await (const _ of damaged.walk("/"));
    },
    {
      code: "erofs.damaged",
      message:
        `Cannot read directory inode ${number} at byte 4096 of "bad.img": ` +
        "it is not what the format allows; the image is damaged",
    },
  );
});

test("openErofs() names the features that it does not read", async () => {
  const { bytes } = smallImage("plain");
  const refused = async (change: (view: DataView) => void) => {
    const copy = bytes.slice();
    change(new DataView(copy.buffer));
    sealSuperblock(copy);
    const error = await openErofs(openMemory(copy)).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error, "erofs.unsupported-feature"), String(error));
    return error.message;
  };
  const incompat = (bits: number) => (view: DataView) =>
    view.setUint32(1104, bits, true);
  assert.match(await refused(incompat(0x80)), /uses 48bit,/);
  assert.match(await refused(incompat(0x100)), /uses metabox,/);
  assert.match(
    await refused(incompat(0x40000)),
    /uses incompatible feature bit 18,/,
  );
  assert.match(
    await refused((view) => view.setUint16(1110, 2, true)),
    /multi-device \(2 extra\)/,
  );
  const algorithm = (view: DataView) => {
    view.setUint32(1104, 3, true);
    view.setUint16(1108, 0x21, true);
  };
  assert.match(await refused(algorithm), /uses compression algorithm 5,/);
});
