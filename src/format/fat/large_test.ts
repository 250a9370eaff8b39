import assert from "node:assert/strict";
import test from "node:test";
import { checkFailingSource } from "../../../tests/support/failing_source.ts";
import { packedImage } from "../../../tests/support/packed_images.ts";
import { clampRead } from "../../block/range.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { openFat } from "./open.ts";

const CLUSTER = 4096;
const RESERVED = 32 * 512;
const TABLE_SECTORS = 10240; // for 1,310,718 clusters
const DATA = RESERVED + TABLE_SECTORS * 512;
const IMAGE_SIZE = DATA + 1_200_000 * CLUSTER;
const FILE_SIZE = 2 ** 32 - 1;

/**
 * A FAT32 of 4.6 GiB that nobody has to keep: its root directory, cluster 2, has one file of the
 * largest size, in clusters 3, 4, 5 …; each byte of it is the lowest one of its cluster's number.
 */
function largeImage(): BlockReader {
  const boot = new Uint8Array(512);
  const view = new DataView(boot.buffer);
  view.setUint16(11, 512, true);
  boot[13] = CLUSTER / 512;
  view.setUint16(14, RESERVED / 512, true);
  boot[16] = 1;
  boot[21] = 0xf8;
  view.setUint32(32, IMAGE_SIZE / 512, true);
  view.setUint32(36, TABLE_SECTORS, true);
  view.setUint32(44, 2, true);
  boot.set([0x55, 0xaa], 510);
  const entry = new Uint8Array(CLUSTER);
  entry.set(new TextEncoder().encode("LARGE   BIN"));
  entry[26] = 3;
  new DataView(entry.buffer).setUint32(28, FILE_SIZE, true);
  const last = 3 + Math.ceil(FILE_SIZE / CLUSTER) - 1;

  const byteAt = (at: number): number => {
    if (at < 512) return boot[at]!;
    if (at >= DATA + CLUSTER) return Math.floor((at - DATA) / CLUSTER) + 2;
    if (at >= DATA) return entry[at - DATA]!;
    if (at < RESERVED) return 0;
    const cluster = Math.floor((at - RESERVED) / 4);
    const next = cluster === 2 || cluster === last ? 0x0fffffff : cluster + 1;
    return next >>> ((at - RESERVED) % 4) * 8;
  };
  return {
    blockSize: 512,
    size: IMAGE_SIZE,
    name: "large.img",
    identity: "large",
    read(offset, into): Promise<number> {
      const count = clampRead(IMAGE_SIZE, offset, into.length);
      for (let i = 0; i < count; i++) into[i] = byteAt(offset + i);
      return Promise.resolve(count);
    },
  };
}

test("openFat() reads a file of 4 GiB less a byte by one read for each MiB of table", async () => {
  const source = withRecord(largeImage());
  const files = await openFat(source);
  assert.equal(files.kind, "FAT32");
  const inode = await files.stat("/large.bin");
  assert.equal(inode.size, FILE_SIZE);
  source.reset();
  const content = await files.open("/LARGE.BIN");
  const into = new Uint8Array(8);
  assert.equal(await content.read(FILE_SIZE - 5, into), 5);
  const last = 3 + Math.ceil(FILE_SIZE / CLUSTER) - 1;
  assert.deepEqual([...into.subarray(0, 5)], Array(5).fill(last & 0xff));
  // 4 MiB of table and a bit, in windows of 1 MiB that begin at a page, and the bytes themselves
  assert.ok(source.report.requests <= 6, `${source.report.requests} reads`);
  assert.deepEqual(await files.source.extentsOf(inode), [
    { offset: DATA + CLUSTER, size: FILE_SIZE },
  ]);
  source.reset();
  assert.equal(await content.read(2 ** 31, into), 8);
  assert.equal(source.report.requests, 1, "the chain is remembered");
});

for (const name of ["fat12.img", "fat32.img"]) {
  test(`openFat() of ${name} keeps nothing of reads that fail or are left`, async () => {
    const { bytes } = packedImage("fat", name);
    await checkFailingSource(
      bytes,
      (image, signal) => openFat(image, { signal }),
      "/folder/below/deep.txt",
    );
  });
}
