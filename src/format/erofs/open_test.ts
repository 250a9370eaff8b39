import assert from "node:assert/strict";
import test from "node:test";
import { readManifest } from "../../../scripts/fixtures/manifest.ts";
import { compareWithManifest, hash } from "../../../tests/support/compare.ts";
import {
  smallImage,
  smallImages,
} from "../../../tests/support/erofs_images.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import { openErofs } from "./open.ts";

const open = (name: string) => openErofs(openMemory(smallImage(name).bytes));

for (const { name, path, bytes } of smallImages()) {
  test(`openErofs() reads all of ${name} as fsck.erofs extracts it`, async () => {
    const files = await openErofs(openMemory(bytes));
    const { differences, paths } = await compareWithManifest(
      files,
      readManifest(path),
    );
    assert.deepEqual(differences, []);
    assert.ok(paths > 3);
  });

  test(`openErofs() gives the same bytes of ${name} in pieces of any size`, async () => {
    const files = await openErofs(openMemory(bytes), {
      decodedBytes: 0,
      metadataBytes: 65536,
    });
    for await (const { path, inode } of files.walk("/")) {
      if (inode.type !== "file") continue;
      const whole = await hash(files.source.open(inode));
      for (const step of [511, 4096, 5000]) {
        assert.equal(
          await hash(files.source.open(inode), step),
          whole,
          `${path} by ${step}`,
        );
      }
      if (inode.size < 3000) {
        assert.equal(
          await hash(files.source.open(inode), 1),
          whole,
          `${path} by 1`,
        );
      }
    }
  });
}

test("openErofs() finds each of 3,000 names of a directory, and no other", async () => {
  const files = await open("names");
  const paths: string[] = [];
  for await (const { path, inode } of files.walk("/")) {
    if (inode.type !== "directory") paths.push(path);
  }
  assert.ok(paths.length >= 3000, `${paths.length} names`);
  // a fresh one: nothing is known from the walk
  const fresh = await open("names");
  for (const path of paths) assert.ok(await fresh.find(path), path);
  for (const path of paths.slice(0, 500)) {
    assert.equal(await fresh.find(`${path}~`), undefined);
    assert.equal(await fresh.find(path.slice(0, -1)), undefined);
  }
});

test("openErofs() needs at most 3 reads to open", async () => {
  const recorded = withRecord(openMemory(smallImage("lz4hc").bytes));
  await openErofs(recorded);
  assert.ok(recorded.report.requests <= 3, `${recorded.report.requests} reads`);
});

test("openErofs() reads an extent once when many ask for parts of it", async () => {
  const recorded = withRecord(openMemory(smallImage("lz4hc-big").bytes));
  const files = await openErofs(recorded);
  let largest: { path: string; size: number } | undefined;
  for await (const { path, inode } of files.walk("/")) {
    if (inode.type === "file" && inode.size > (largest?.size ?? 0)) {
      largest = { path, size: inode.size };
    }
  }
  const content = await files.open(largest!.path);
  await content.read(0, new Uint8Array(10));
  const { requests } = recorded.report;
  for (let offset = 0; offset < 2000; offset += 100) {
    await content.read(offset, new Uint8Array(100));
  }
  assert.equal(recorded.report.requests, requests);
});

test("openErofs() refuses what is no erofs, by code", async () => {
  const rejected = async (bytes: Uint8Array<ArrayBuffer>) => {
    const error = await openErofs(openMemory(bytes)).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error), String(error));
    return error.code;
  };
  assert.equal(await rejected(new Uint8Array(0)), "erofs.truncated");
  assert.equal(await rejected(new Uint8Array(1151)), "erofs.truncated");
  assert.equal(await rejected(new Uint8Array(8192)), "erofs.bad-magic");
  const { bytes } = smallImage("plain");
  const damaged = bytes.slice();
  damaged[1024 + 64]! ^= 1; // the label
  assert.equal(await rejected(damaged), "erofs.checksum-mismatch");
});

test("openErofs() rejects with the reason of its signal", async () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const image = openMemory(smallImage("lz4hc").bytes);
  await assert.rejects(openErofs(image, { signal }), reason);
  const files = await openErofs(image);
  await assert.rejects(
    async () => {
      for await (const { inode } of files.walk("/")) {
        if (inode.type !== "file") continue;
        await files.source.open(inode).read(0, new Uint8Array(1), { signal });
      }
    },
    reason,
  );
});
