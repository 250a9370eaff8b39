import assert from "node:assert/strict";
import test from "node:test";
import { ext4SmallImage } from "../../../tests/support/ext4_images.ts";
import { withCache } from "../../block/cache.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { encodeName } from "../../bytes/text.ts";
import { isCoded } from "../../errors.ts";
import { Recent } from "../../fs/recent.ts";
import { Crc32c } from "./checksum.ts";
import { openContent } from "./content.ts";
import { hashName } from "./hash.ts";
import { lookupIndexed } from "./htree.ts";
import type { Ext4Image, Ext4Inode } from "./image.ts";
import { openExt4 } from "./open.ts";

const BLOCK = 1024;
const ROOT_ENTRIES = 32;
const NODE_ENTRIES = 8;

/** Names from a hash on are in a block of the directory. */
interface Entry {
  readonly hash: number;
  readonly block: number;
}

/** A directory in memory that was made by e2fsck, to be given another index. */
async function openCrowd(features: readonly string[] = []) {
  const reader = openMemory(ext4SmallImage("crowd").bytes);
  const { source } = await openExt4(reader);
  const image: Ext4Image = {
    superblock: {
      ...source.superblock,
      // what is built here has no check sums
      has: (feature) =>
        feature !== "metadata_csum" &&
        (features.includes(feature) || source.superblock.has(feature)),
    },
    crc: await Crc32c.load(),
    data: reader,
    metadata: withCache(reader),
    inodes: withCache(reader),
    extents: new Recent(16),
    tables: new Map(),
  };
  const directory = await source.inode(2) as Ext4Inode;
  const content = openContent(image, directory, reader);
  const bytes = await readExactly(content, 0, content.size);
  const names = new Map<string, number>();
  for await (const { name, number } of source.list(directory)) {
    names.set(name, number);
  }
  return { image, directory, bytes, names };
}

function entriesOf(root: Uint8Array): Entry[] {
  const view = new DataView(root.buffer, root.byteOffset, BLOCK);
  const count = view.getUint16(ROOT_ENTRIES + 2, true);
  return Array.from({ length: count }, (_, i) => ({
    hash: i === 0 ? 0 : view.getUint32(ROOT_ENTRIES + i * 8, true),
    block: view.getUint32(ROOT_ENTRIES + i * 8 + 4, true),
  }));
}

function putEntries(
  block: Uint8Array,
  at: number,
  entries: readonly Entry[],
): void {
  const view = new DataView(block.buffer, block.byteOffset, BLOCK);
  for (const [i, { hash, block }] of entries.entries()) {
    view.setUint32(at + i * 8, hash, true);
    view.setUint32(at + i * 8 + 4, block, true);
  }
  view.setUint16(at, Math.floor((BLOCK - at) / 8), true);
  view.setUint16(at + 2, entries.length, true);
}

/** The directory with levels of nodes between its root and its names, at most `width` in each. */
function withLevels(
  bytes: Uint8Array<ArrayBuffer>,
  levels: number,
  width: number,
): Uint8Array<ArrayBuffer> {
  const blocks = [bytes];
  let entries = entriesOf(bytes);
  let next = bytes.length / BLOCK;
  for (let level = 0; level < levels; level++) {
    const above: Entry[] = [];
    for (let i = 0; i < entries.length; i += width) {
      const node = new Uint8Array(BLOCK);
      new DataView(node.buffer).setUint16(4, BLOCK, true);
      putEntries(node, NODE_ENTRIES, entries.slice(i, i + width));
      above.push({ hash: entries[i]!.hash, block: next++ });
      blocks.push(node);
    }
    entries = above;
  }
  const all = new Uint8Array(next * BLOCK);
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  putEntries(all, ROOT_ENTRIES, entries);
  all[30] = levels;
  return all;
}

for (const [levels, width] of [[0, 0], [1, 12], [2, 5]] as const) {
  test(`lookupIndexed() finds every name below ${levels} levels of nodes`, async () => {
    const { image, directory, bytes, names } = await openCrowd(["large_dir"]);
    const content = openMemory(
      levels === 0 ? bytes : withLevels(bytes, levels, width),
    );
    const find = (name: string) =>
      lookupIndexed(image, directory, content, encodeName(name));
    for (const [name, number] of names) {
      if (name === "lost+found") continue;
      assert.equal(await find(name), number, name);
      assert.equal(await find(`${name}~`), undefined);
    }
  });
}

test("lookupIndexed() refuses more levels than large_dir allows", async () => {
  const { image, directory, bytes } = await openCrowd();
  const content = openMemory(withLevels(bytes, 2, 5));
  await assert.rejects(
    lookupIndexed(image, directory, content, encodeName("name-0")),
    (error) => {
      assert.ok(isCoded(error, "ext4.damaged"));
      assert.match(
        error.message,
        /2 levels below the root, expected at most 1/,
      );
      return true;
    },
  );
});

test("lookupIndexed() goes on where names with one hash do", async () => {
  const { image, directory, bytes, names } = await openCrowd(["large_dir"]);
  const { hashSeed, signedHash } = image.superblock;
  const key = { seed: hashSeed, signed: signedHash! };
  const entries = entriesOf(bytes);
  // the name with the highest hash of the 20th block moves to a block of its own
  const from = entries[20]!;
  const upTo = entries[21]!.hash;
  const [name, hash] = [...names.keys()]
    .map((name) => [name, hashName(encodeName(name), 1, key)!] as const)
    .filter(([, hash]) => hash >= from.hash && hash < upTo)
    .sort((a, b) => b[1] - a[1])[0]!;
  const view = new DataView(bytes.buffer);
  const wanted = encodeName(name);
  for (let at = from.block * BLOCK;;) {
    const found = bytes.subarray(at + 8, at + 8 + wanted.length);
    if (found.every((byte, i) => byte === wanted[i])) {
      view.setUint32(at, 0, true);
      break;
    }
    at += view.getUint16(at + 4, true);
  }
  const all = new Uint8Array(bytes.length + BLOCK);
  all.set(bytes);
  const added = new DataView(all.buffer, bytes.length);
  added.setUint32(0, names.get(name)!, true);
  added.setUint16(4, BLOCK, true);
  added.setUint8(6, wanted.length);
  all.set(wanted, bytes.length + 8);
  const goesOn = { hash: hash + 1, block: bytes.length / BLOCK };
  for (const [levels, width] of [[0, 0], [1, 21], [2, 7]] as const) {
    const content = all.slice();
    putEntries(content, ROOT_ENTRIES, entries.toSpliced(21, 0, goesOn));
    const found = await lookupIndexed(
      image,
      directory,
      openMemory(levels === 0 ? content : withLevels(content, levels, width)),
      wanted,
    );
    assert.equal(found, names.get(name), `${levels} levels`);
  }
});
