import assert from "node:assert/strict";
import test from "node:test";
import { readManifest } from "../../../scripts/fixtures/manifest.ts";
import { compareWithManifest, hash } from "../../../tests/support/compare.ts";
import {
  sealSuperblock,
  smallImage,
  smallImages,
} from "../../../tests/support/erofs_images.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import type { BlockReader } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import {
  ControlledSource,
  settle,
  sourceFailure,
  within,
} from "../../../tests/conformance/controlled_source.ts";
import { EROFS_INODE_CHUNK_BASED, type ErofsInode } from "./image.ts";
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

test("openErofs() gives the right bytes to many who read at once", async () => {
  for (const name of ["lz4hc-big", "dedupe", "fragments", "lzma", "chunk"]) {
    const { bytes, path } = smallImage(name);
    const whole = await openErofs(openMemory(bytes));
    const files = await openErofs(openMemory(bytes), { decodedBytes: 65536 });
    for (const entry of readManifest(path)) {
      if (entry.type !== "file" || !entry.size) continue;
      const { size } = entry;
      const expected = await readExactly(await whole.open(entry.path), 0, size);
      const one = await files.open(entry.path);
      const two = await files.open(entry.path);
      // neighbours and overlaps, forwards by one reader and backwards by another
      const step = Math.ceil(size / 40);
      const reads = Array.from({ length: 40 }, (_, i) => [
        { reader: one, offset: Math.min(i * step, size - 1) },
        { reader: two, offset: Math.max(0, size - (i + 1) * step) },
      ]).flat();
      await Promise.all(reads.map(async ({ reader, offset }) => {
        const length = Math.min(2 * step, size - offset);
        const found = await readExactly(reader, offset, length);
        const wanted = expected.subarray(offset, offset + length);
        assert.deepEqual(found, wanted, `${name} ${entry.path} at ${offset}`);
      }));
    }
  }
});

test("openErofs() lets one of many readers of an extent leave", async () => {
  const { bytes } = smallImage("lz4hc");
  const files = await openErofs(openMemory(bytes));
  const expected = await readExactly(await files.open("/lines"), 0, 5000);
  const source = new ControlledSource(bytes);
  const content = await (await openErofs(source)).open("/lines");
  source.hold();
  const reason = new Error("enough");
  const controller = new AbortController();
  const { signal } = controller;
  const leaver = content.read(0, new Uint8Array(5000), { signal });
  const stayer = readExactly(content, 0, 5000);
  await settle();
  controller.abort(reason);
  // the source still holds back what both wait for
  await within(1000, assert.rejects(leaver, reason));
  source.release();
  assert.deepEqual(await stayer, expected);
});

/** An image of which read number `n` fails. */
function failingAt(bytes: Uint8Array, n: number): BlockReader {
  const image = openMemory(bytes);
  let reads = 0;
  return {
    ...image,
    read(offset, into, options) {
      if (reads++ !== n) return image.read(offset, into, options);
      into.fill(0xee);
      return Promise.reject(sourceFailure(offset));
    },
  };
}

test("openErofs() forgets a failed read, of whatever part of the image", async () => {
  const { bytes } = smallImage("fragments");
  const whole = await openErofs(openMemory(bytes));
  for await (const { path, inode } of whole.walk("/")) {
    if (inode.type !== "file") continue;
    const expected = await readExactly(whole.source.open(inode), 0, inode.size);
    let failed = true;
    for (let n = 0; failed; n++) {
      failed = false;
      const twice = async <T>(action: () => Promise<T>): Promise<T> => {
        try {
          return await action();
        } catch (error) {
          assert.ok(isCoded(error, "read.failed"), String(error));
          failed = true;
          return await action();
        }
      };
      const image = failingAt(bytes, n);
      const files = await twice(() => openErofs(image));
      const content = await twice(() => files.open(path));
      const found = await twice(() => readExactly(content, 0, inode.size));
      assert.deepEqual(found, expected, `${path}, read ${n} failed`);
    }
  }
});

test("openErofs() lists and stats 3,000 names by few reads", async () => {
  const { bytes } = smallImage("names");
  const recorded = withRecord(openMemory(bytes));
  const files = await openErofs(recorded);
  recorded.reset();
  let count = 0;
  for await (const _ of files.walk("/")) count++;
  assert.equal(count, 3002);
  const { requests, bytes: read } = recorded.report;
  // pages of 4 KiB, each of them once: directories are read 16 pages at a time
  assert.ok(requests <= bytes.length / 4096, `${requests} reads`);
  assert.ok(read <= bytes.length, `${read} bytes`);
  // all of it is known now
  for await (const _ of files.walk("/")) count++;
  assert.equal(recorded.report.requests, requests);
});

test("openErofs() reads a chunk whatever its device id where there is one device", async () => {
  const { bytes, path } = smallImage("chunk-indexes");
  const copy = bytes.slice();
  const files = await openErofs(openMemory(bytes));
  let chunks = 0;
  for await (const entry of files.walk("/")) {
    const { layout, headEnd, size, u } = entry.inode as ErofsInode;
    if (layout !== EROFS_INODE_CHUNK_BASED) continue;
    const start = Math.ceil(headEnd / 8) * 8;
    const count = Math.ceil(size / (files.blockSize * 2 ** (u & 0x1f)));
    for (let i = 0; i < count; i++) {
      copy.fill(0xff, start + i * 8, start + i * 8 + 4); // advise and device_id
      chunks++;
    }
  }
  assert.ok(chunks > 3, `${chunks} chunks`);
  sealSuperblock(copy);
  const { differences } = await compareWithManifest(
    await openErofs(openMemory(copy)),
    readManifest(path),
  );
  assert.deepEqual(differences, []);
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
