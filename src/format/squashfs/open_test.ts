import assert from "node:assert/strict";
import test from "node:test";
import { readManifest } from "../../../scripts/fixtures/manifest.ts";
import {
  ControlledSource,
  settle,
  sourceFailure,
  within,
} from "../../../tests/conformance/controlled_source.ts";
import { compareWithManifest, hash } from "../../../tests/support/compare.ts";
import {
  oneSquashfs,
  smallSquashfs,
} from "../../../tests/support/squashfs_images.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import { CodecPool } from "../../wasm/pool.ts";
import { openSquashfs, type SquashfsOptions } from "./open.ts";

const open = (name: string, options?: SquashfsOptions) =>
  openSquashfs(openMemory(oneSquashfs(name).bytes), options);

for (const { name, path, bytes } of smallSquashfs()) {
  test(`openSquashfs() reads all of ${name} as unsquashfs extracts it`, async () => {
    for (const options of [{}, { pool: new CodecPool() }]) {
      const files = await openSquashfs(openMemory(bytes), options);
      const { differences, paths } = await compareWithManifest(
        files,
        readManifest(path),
      );
      assert.deepEqual(differences, []);
      assert.ok(paths > 3);
    }
  });

  test(`openSquashfs() gives the same bytes of ${name} in pieces of any size`, async () => {
    const files = await openSquashfs(openMemory(bytes), {
      decodedBytes: 0,
      metadataBytes: 1 << 20,
    });
    let budget = 8; // names has 3,000 names of two files
    for await (const { path, inode } of files.walk("/")) {
      if (inode.type !== "file" || budget-- === 0) continue;
      const whole = await hash(files.source.open(inode));
      for (const step of [511, 4096, 5000]) {
        const found = await hash(files.source.open(inode), step);
        assert.equal(found, whole, `${path} by ${step}`);
      }
    }
  });
}

test("openSquashfs() finds each of 3,000 names of a directory, and no other", async () => {
  const files = await open("names");
  const paths: string[] = [];
  for await (const { path, inode } of files.walk("/")) {
    if (inode.type !== "directory") paths.push(path);
  }
  assert.ok(paths.length >= 3000, `${paths.length} names`);
  // a fresh one: nothing is known from the walk
  const fresh = await open("names");
  for (const path of paths) assert.ok(await fresh.find(path), path);
  for (const path of paths.slice(0, 300)) {
    assert.equal(await fresh.find(`${path}~`), undefined);
    assert.equal(await fresh.find(path.slice(0, -1)), undefined);
  }
  assert.equal(await fresh.find("/many/a"), undefined);
  assert.equal(await fresh.find("/many/z"), undefined);
});

test("openSquashfs() gives names of one inode one number, and their count", async () => {
  const files = await open("names");
  const first = await files.stat("/many/name-0000");
  const last = await files.stat("/many/name-2998");
  assert.equal(first.number, last.number);
  assert.equal(first.linkCount, 1500);
  assert.notEqual(first.number, (await files.stat("/many/name-0001")).number);
});

test("openSquashfs() needs 3 reads to open, and few for a file", async () => {
  const recorded = withRecord(openMemory(oneSquashfs("nofragments").bytes));
  const files = await openSquashfs(recorded);
  assert.ok(recorded.report.requests <= 3, `${recorded.report.requests} reads`);
  recorded.reset();
  const reader = await files.open("/twin-a");
  assert.ok(reader.size > 2 * files.blockSize);
  await reader.read(0, new Uint8Array(reader.size));
  assert.ok(recorded.report.requests <= 2, `${recorded.report.requests} reads`);
});

test("openSquashfs() fetches neighbouring blocks at once, and no more than is wanted", async () => {
  const recorded = withRecord(openMemory(oneSquashfs("raw").bytes));
  const files = await openSquashfs(recorded);
  const reader = await files.open("/holes");
  await reader.read(0, new Uint8Array(1)); // its inode is known then
  recorded.reset();
  // blocks 0 and 1 are holes, 2 is not
  assert.equal(await reader.read(0, new Uint8Array(8192)), 8192);
  assert.equal(recorded.report.requests, 0);
  assert.equal(await reader.read(8200, new Uint8Array(100)), 100);
  assert.deepEqual(recorded.report.ranges.map(({ length }) => length), [100]);
});

test("openSquashfs() fetches once what many want at the same time", async () => {
  const source = new ControlledSource(oneSquashfs("gzip").bytes);
  const files = await openSquashfs(source);
  const paths = ["/text", "/small", "/block", "/folder/few", "/mixed"];
  const before = source.requests;
  const sizes = await Promise.all(
    paths.map(async (path) => (await files.stat(path)).size),
  );
  assert.ok(source.requests - before <= 1);
  // a fragment, which files share
  const read = source.requests;
  const reader = await files.open("/small");
  await Promise.all(
    [0, 10, 20].map((offset) =>
      reader.read(offset, new Uint8Array(sizes[1]! - 20))
    ),
  );
  assert.equal(source.requests - read, 1);
});

test("openSquashfs() tells what unsquashfs -s tells", async () => {
  const { superblock, features } = (await open("xz")).source;
  assert.equal(superblock.compression, "xz");
  assert.equal(superblock.blockSize, 16384);
  assert.equal(superblock.mkfsTime, 1767225600);
  assert.deepEqual(superblock.compressorOptions, {
    dictionarySize: 16384,
    filters: 1,
  });
  assert.deepEqual(features, [
    "xz",
    "block size 16384",
    "duplicates removed",
    "exportable",
  ]);
  const raw = (await open("raw")).source;
  assert.ok(raw.features.includes("uncompressed data"));
});

test("openSquashfs() looks at nothing behind the image", async () => {
  const { bytes } = oneSquashfs("gzip");
  const padded = new Uint8Array(bytes.length + 5000).fill(0xee);
  padded.set(bytes);
  const files = await openSquashfs(openMemory(padded));
  const whole = await openSquashfs(openMemory(bytes));
  const paths = async (of: typeof files) => {
    const found: string[] = [];
    for await (const { path, inode } of of.walk("/")) {
      found.push(path);
      if (inode.type === "file") found.push(await hash(of.source.open(inode)));
    }
    return found;
  };
  assert.deepEqual(await paths(files), await paths(whole));
});

test("openSquashfs() refuses by name what it does not read", async () => {
  const refused = async (
    name: string,
    change: (view: DataView) => void,
    code: `${string}.${string}`,
  ) => {
    const { bytes } = oneSquashfs(name);
    change(new DataView(bytes.buffer));
    const reader = openMemory(bytes, { name: "a.img" });
    const error = await openSquashfs(reader).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error, code), String(error));
    return error.message;
  };
  const unsupported = "squashfs.unsupported-feature";
  assert.match(await refused("lzma", () => {}, unsupported), /lzma/);
  const version = (view: DataView) => view.setUint16(28, 3, true);
  assert.match(await refused("gzip", version, unsupported), /version 3\.0/);
  const swapped = (view: DataView) => view.setUint32(0, 0x73717368, false);
  assert.match(await refused("gzip", swapped, unsupported), /big-endian/);
  const codec = (view: DataView) => view.setUint16(20, 7, true);
  assert.match(await refused("gzip", codec, unsupported), /compression 7/);
  const magic = (view: DataView) => view.setUint32(0, 1);
  assert.equal(
    await refused("gzip", magic, "squashfs.bad-magic"),
    'Cannot open squashfs of "a.img": magic at byte 0 is 0x01000000, expected 0x73717368; the file holds something else',
  );
  const bad = "squashfs.bad-superblock";
  const log = (view: DataView) => view.setUint16(22, 13, true);
  assert.match(await refused("gzip", log, bad), /block size is 4096/);
  const ids = (view: DataView) => view.setUint16(26, 0, true);
  assert.match(await refused("gzip", ids, bad), /no ids/);
  const many = (view: DataView) => view.setUint16(26, 65535, true);
  assert.match(await refused("gzip", many, bad), /65535 ids/);
  const order = (view: DataView) => view.setBigUint64(72, 1n << 40n, true);
  assert.match(await refused("gzip", order, bad), /directoryTable starts at/);
  const root = (view: DataView) => view.setBigUint64(32, 1n << 60n, true);
  assert.match(await refused("gzip", root, bad), /root's inode/);
});

test("openSquashfs() reads again after a failure, and lets a reader leave", async () => {
  const source = new ControlledSource(oneSquashfs("zstd").bytes);
  const files = await openSquashfs(source);
  const reader = await files.open("/lines");
  const into = new Uint8Array(reader.size);
  source.failures = 1;
  await assert.rejects(reader.read(0, into), sourceFailure(96));
  assert.equal(await reader.read(0, into), reader.size);
  const expected = await hash(reader);

  const reason = new Error("left");
  const controller = new AbortController();
  source.hold();
  const left = reader.read(0, into, { signal: controller.signal });
  left.catch(() => {});
  await settle();
  assert.ok(source.pending > 0);
  controller.abort(reason);
  await assert.rejects(within(2000, left), (error) => error === reason);
  source.release();
  await settle();
  assert.equal(source.pending, 0);
  assert.equal(await hash(reader), expected);
});

test("openSquashfs() decodes in a pool that has no room as well", async () => {
  const { bytes } = oneSquashfs("xz");
  const pool = new CodecPool({ size: 1, maxWaiting: 0 });
  const files = await openSquashfs(openMemory(bytes), { pool });
  const plain = await openSquashfs(openMemory(bytes));
  const readers = await Promise.all(
    ["/lines", "/mixed", "/same", "/text"].map((path) => files.open(path)),
  );
  const found = await Promise.all(readers.map((reader) => hash(reader)));
  for (const [i, path] of ["/lines", "/mixed", "/same", "/text"].entries()) {
    assert.equal(found[i], await hash(await plain.open(path)));
  }
});
