import test from "node:test";
import assert from "node:assert/strict";
import { withCache } from "./cache.ts";
import { openMemory } from "./memory.ts";
import { withRecord } from "./record.ts";
import { patternBytes } from "../../tests/conformance/controlled_source.ts";

const BYTES = patternBytes(100_000);
const pageSize = 1024;

function open(maxPages = 16) {
  const below = withRecord(openMemory(BYTES));
  const reader = withCache(below, { pageSize, maxBytes: maxPages * pageSize });
  return { below, reader, report: below.report };
}

test("withCache() reads a kept page once", async () => {
  const { reader, report } = open();
  for (let i = 0; i < 100; i++) await reader.read(i, new Uint8Array(200));
  assert.deepEqual(report.ranges, [{ offset: 0, length: 1024 }]);
});

test("withCache() fetches missing pages side by side by one read", async () => {
  const { below, reader, report } = open();
  await reader.read(2048, new Uint8Array(10));
  below.reset();
  await reader.read(100, new Uint8Array(4000));
  assert.deepEqual(report.ranges, [
    { offset: 0, length: 2048 },
    { offset: 3072, length: 2048 },
  ]);
  below.reset();
  await reader.read(0, new Uint8Array(4096));
  assert.equal(report.requests, 0);
});

test("withCache() stays within its bytes and drops what was used longest ago", async () => {
  const { below, reader, report } = open(4);
  const touch = (page: number) =>
    reader.read(page * pageSize, new Uint8Array(1));
  for (const page of [0, 1, 2, 3, 0, 4]) await touch(page);
  assert.notEqual(reader.readCached(0, 1), undefined);
  assert.equal(reader.readCached(pageSize, 1), undefined);
  below.reset();
  for (const page of [0, 2, 3, 4]) await touch(page);
  assert.equal(report.requests, 0);
  const kept = Array.from(
    { length: 90 },
    (_, page) => reader.readCached(page * pageSize, 1),
  );
  assert.equal(kept.filter((bytes) => bytes !== undefined).length, 4);
});

test("withCache() passes large reads through and keeps nothing of them", async () => {
  const { below, reader, report } = open(16);
  const into = new Uint8Array(50_000);
  await reader.read(333, into);
  assert.deepEqual(into, BYTES.slice(333, 50_333));
  assert.deepEqual(report.ranges, [{ offset: 333, length: 50_000 }]);
  assert.equal(reader.readCached(2048, 1), undefined);
  await reader.read(0, new Uint8Array(1));
  below.reset();
  await reader.read(333, into);
  assert.deepEqual(into, BYTES.slice(333, 50_333));
  assert.deepEqual(report.ranges, [{ offset: 1024, length: 49_309 }]);
});

test("withCache() readCached() gives views only of ranges within one kept page", async () => {
  const { reader } = open();
  assert.equal(reader.readCached(0, 1), undefined);
  await reader.read(0, new Uint8Array(3000));
  assert.deepEqual(reader.readCached(1030, 8), BYTES.subarray(1030, 1038));
  assert.equal(
    reader.readCached(1030, 8)!.buffer,
    reader.readCached(1024, 1)!.buffer,
  );
  assert.equal(reader.readCached(1020, 8), undefined);
  assert.equal(reader.readCached(-1, 1), undefined);
  await reader.read(99_999, new Uint8Array(1));
  assert.equal(reader.readCached(99_999, 1)!.length, 1);
  assert.equal(reader.readCached(99_999, 2), undefined);
});

test("withCache() views outlive their page", async () => {
  const { reader } = open(1);
  await reader.read(0, new Uint8Array(1));
  const view = reader.readCached(10, 20)!;
  for (let page = 1; page < 20; page++) {
    await reader.read(page * pageSize, new Uint8Array(1));
  }
  assert.deepEqual(view, BYTES.subarray(10, 30));
});

test("withCache() keeps identity and block size", () => {
  const { below, reader } = open();
  assert.equal(reader.identity, below.identity);
  assert.equal(reader.blockSize, below.blockSize);
  assert.equal(reader.size, below.size);
});

test("withCache() refuses options that make no sense", () => {
  const below = openMemory(BYTES);
  assert.throws(() => withCache(below, { pageSize: 1000 }), RangeError);
  assert.throws(() => withCache(below, { pageSize: 0 }), RangeError);
  assert.throws(
    () => withCache(below, { pageSize: 1024, maxBytes: 1023 }),
    RangeError,
  );
  assert.throws(() => withCache(below, { maxBytes: NaN }), RangeError);
  assert.throws(
    () => withCache(below, { maxBytes: "1" as unknown as number }),
    TypeError,
  );
});
