/**
 * The Debian root as users get it: packed.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import { openGzip } from "../../src/format/gzip/open.ts";
import { openXz } from "../../src/format/xz/open.ts";
import { openZstd } from "../../src/format/zstd/open.ts";
import { rejectsWith } from "../fixtures/codecs/fixtures.ts";

const MIB = 1 << 20;
const ROOT = "debian-arm64.ext4";
const GPT = "debian-arm64.gpt";

/** Paths of fixtures, or why the test is skipped. */
function fixtures(...names: readonly string[]) {
  const paths = names.map((name) => findFixture(name) ?? "");
  const missing = names.filter((_, at) => paths[at] === "");
  const skip = missing.length === 0
    ? false
    : `missing: deno task fixtures ${missing.join(" ")}`;
  return { paths, skip };
}

async function sha256(reader: BlockReader): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(MIB);
  for (let at = 0; at < reader.size;) {
    const count = await reader.read(at, piece);
    hash.update(piece.subarray(0, count));
    at += count;
  }
  return hash.digest("hex");
}

const xz = fixtures(GPT, `${GPT}.xz`);
test(
  "openXz() reads a disk of Debian at any place",
  { skip: xz.skip },
  async () => {
    const disk = await openFile(xz.paths[0]!);
    const packed = await openFile(xz.paths[1]!);
    const image = withRecord(packed);
    const reader = await openXz(image);
    assert.equal(image.report.requests, 2);
    assert.equal(reader.size, disk.size);
    assert.ok(reader.blocks > 10);
    for (let i = 0, x = 3; i < 12; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      const at = x % (disk.size - MIB);
      const size = i % 2 === 0 ? 4096 : MIB / 2;
      assert.deepEqual(
        await readExactly(reader, at, size),
        await readExactly(disk, at, size),
      );
    }
    await reader.close();
    await packed.close();
    await disk.close();
  },
);

const zst = fixtures(ROOT, `${ROOT}.zst`);
test("openZstd() opens the Debian root at once, and gives all of it", {
  skip: zst.skip,
}, async () => {
  const root = await openFile(zst.paths[0]!);
  const packed = await openFile(zst.paths[1]!);
  const image = withRecord(packed);
  const reader = await openZstd(image);
  assert.equal(reader.size, root.size);
  assert.ok(image.report.bytes < MIB);
  assert.equal(await sha256(reader), await sha256(root));
  await reader.close();
  await packed.close();
  await root.close();
});

const gz = fixtures(ROOT, `${ROOT}.gz`);
test("openGzip() keeps the Debian root on disk, and finds it there again", {
  skip: gz.skip,
}, async () => {
  const root = await openFile(gz.paths[0]!);
  const packed = await openFile(gz.paths[1]!);
  const folder = mkdtempSync(join(tmpdir(), "packed-"));
  try {
    await rejectsWith(openGzip(packed), "store.no-room");
    const store = openDiskStore(folder, { maxBytes: 2 ** 30 });
    const first = await openGzip(packed, { store });
    assert.equal(first.size, root.size);
    assert.equal(await sha256(first), await sha256(root));
    await first.close();

    const image = withRecord(packed);
    const second = await openGzip(image, { store });
    assert.ok(image.report.bytes < 100);
    const at = 300 * MIB + 5;
    assert.deepEqual(
      await readExactly(second, at, MIB),
      await readExactly(root, at, MIB),
    );
    await second.close();
  } finally {
    rmSync(folder, { recursive: true });
    await packed.close();
    await root.close();
  }
});
