import assert from "node:assert/strict";
import test from "node:test";
import { exercise } from "../../../tests/support/exercise.ts";
import {
  oneSquashfs,
  smallSquashfs,
} from "../../../tests/support/squashfs_images.ts";
import { hash } from "../../../tests/support/compare.ts";
import { openMemory } from "../../block/memory.ts";
import { isCoded } from "../../errors.ts";
import type { SquashfsInode } from "./image.ts";
import { openSquashfs } from "./open.ts";

const use = (bytes: Uint8Array<ArrayBuffer>, maxEntries?: number) =>
  exercise(() => openSquashfs(openMemory(bytes)), maxEntries);

/** A copy cut at `size` bytes. `admit`: its superblock claims no more, so that it may be opened. */
function cut(bytes: Uint8Array<ArrayBuffer>, size: number, admit: boolean) {
  const copy = bytes.slice(0, size);
  if (admit && size >= 96) {
    new DataView(copy.buffer).setBigUint64(40, BigInt(size), true);
  }
  return copy;
}

/** Bytes at which something starts: tables, their blocks, data. */
async function structures(bytes: Uint8Array<ArrayBuffer>): Promise<number[]> {
  const { source } = await openSquashfs(openMemory(bytes));
  const { superblock } = source;
  const found = new Set([96, superblock.imageSize]);
  const tables = ["inodeTable", "directoryTable", "fragmentTable"] as const;
  const lists = ["exportTable", "idTable", "xattrTable"] as const;
  for (const name of [...tables, ...lists]) found.add(superblock[name] ?? 96);
  for await (
    const { inode } of (await openSquashfs(openMemory(bytes))).walk()
  ) {
    found.add((inode as SquashfsInode).blocksStart ?? 96);
  }
  return [...found].filter((at) => at <= bytes.length).sort((a, b) => a - b);
}

const IMAGES = smallSquashfs().filter(({ name }) => name !== "names");

for (const { name, bytes } of IMAGES) {
  test(`openSquashfs() refuses ${name} cut short at each structure`, async () => {
    const { source } = await openSquashfs(openMemory(bytes));
    const idsEnd = source.superblock.idTable + 8;
    for (const at of await structures(bytes)) {
      for (const size of [at - 1, at, at + 1]) {
        if (size >= bytes.length) continue;
        const { opened, codes } = await use(cut(bytes, size, false));
        assert.ok(!opened && codes.length === 1, `cut at ${size}: ${codes}`);
        // as damage inside the image: the superblock is content with what there is
        const inside = await use(cut(bytes, size, true));
        // behind the ids there are only extended attributes, which nobody reads
        assert.ok(!inside.read || size >= idsEnd, `admitted at ${size}`);
      }
    }
  });

  // the superblock is read alike whatever follows it
  if (name === "gzip") {
    test(`openSquashfs() survives flipped bits in the superblock of ${name}`, async () => {
      let opened = 0;
      for (let bit = 0; bit < 106 * 8; bit++) {
        const copy = bytes.slice();
        copy[bit >> 3]! ^= 1 << (bit & 7);
        if ((await use(copy, 6)).opened) opened++;
      }
      assert.ok(opened > 0);
    });
  }

  test(`openSquashfs() survives flipped bits in tables and data of ${name}`, async () => {
    const spots = await structures(bytes);
    let refused = 0;
    for (let i = 0; i < 120; i++) {
      const at = spots[(i * 7) % spots.length]! + ((i * 13) % 48);
      const bit = Math.min(at, bytes.length - 1) * 8 + (i % 8);
      const copy = bytes.slice();
      copy[bit >> 3]! ^= 1 << (bit & 7);
      if ((await use(copy)).codes.length > 0) refused++;
    }
    assert.ok(refused > 0);
  });
}

/** A change to an image whose metadata is stored as it is, and what reading then says. */
async function refusal(
  path: string,
  change: (view: DataView, inode: SquashfsInode, at: number) => void,
): Promise<string> {
  const { bytes } = oneSquashfs("raw");
  const { source, stat } = await openSquashfs(openMemory(bytes)).then(
    (files) => ({ source: files.source, stat: files.stat.bind(files) }),
  );
  const inode = await stat(path) as SquashfsInode;
  const block = Math.floor(inode.number / 65536);
  const at = source.superblock.inodeTable + block + 2 + inode.number % 65536;
  change(new DataView(bytes.buffer), inode, at);
  const files = await openSquashfs(openMemory(bytes, { name: "bad.img" }));
  const error = await files.open(path).then((reader) => hash(reader)).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(isCoded(error, "squashfs.damaged"), String(error));
  return error.message;
}

test("openSquashfs() says what of which inode is damaged", async () => {
  const message = await refusal("/size-4097", (view, _, at) => {
    // the size of its one block stands behind the 32 bytes of a basic file
    assert.equal(view.getUint32(at + 32, true), 4096 | 1 << 24);
    view.setUint32(at + 32, 4097 | 1 << 24, true);
  });
  assert.match(message, /^Cannot read inode \d+ of "bad.img": a block is said/);
});

test("openSquashfs() refuses sizes and places that the image cannot have", async () => {
  const set = (path: string, offset: number, value: number) =>
    refusal(path, (view, _, at) => {
      view.setUint32(at + offset, value, true);
    });
  assert.match(
    await set("/size-4097", 16, 0x7fffffff),
    /stored from byte 2147483647 on/,
  );
  assert.match(await set("/size-1", 20, 7), /the image has \d+ fragments/);
  assert.match(
    await set("/size-1", 24, 4096),
    /of fragment 0, which holds \d+/,
  );
  assert.match(
    await set("/size-4097", 28, 0xfffffff0),
    /a block is said to be there/,
  );
  const type = refusal("/size-4096", (view, _, at) => {
    view.setUint16(at, 15, true);
  });
  assert.match(await type, /its type is 15, expected 1 to 14/);
  const owner = refusal("/size-4096", (view, _, at) => {
    view.setUint16(at + 4, 500, true);
  });
  assert.match(await owner, /its owners are ids 500 and 0 of 1/);
});

test("openSquashfs() gives an error, not zeros, where a block does not decode", async () => {
  for (const name of ["gzip", "xz", "zstd", "lz4", "lzo"]) {
    const { bytes } = oneSquashfs(name);
    const files = await openSquashfs(openMemory(bytes));
    const { blocksStart } = await files.stat("/lines") as SquashfsInode;
    bytes.fill(0xff, blocksStart!, blocksStart! + 40);
    const reader = await (await openSquashfs(openMemory(bytes))).open("/lines");
    await assert.rejects(hash(reader), (error) => {
      assert.ok(isCoded(error, "squashfs.damaged"), String(error));
      assert.match(error.message, /stored at byte \d+ does not decode/);
      return true;
    });
  }
});
