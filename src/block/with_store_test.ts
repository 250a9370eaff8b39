import assert from "node:assert/strict";
import test from "node:test";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../tests/conformance/controlled_source.ts";
import { isCoded, ReadError } from "../errors.ts";
import { openMemory } from "./memory.ts";
import { memoryStore } from "./memory_store.ts";
import { withRecord } from "./record.ts";
import type { ContentStore, StoredContent } from "./store.ts";
import { withStore } from "./with_store.ts";

const UNIT = 16 << 10;
const BYTES = patternBytes(10 * UNIT + 100);

async function assertReads(
  reader: { read(offset: number, into: Uint8Array): Promise<number> },
  offset: number,
  size: number,
) {
  const into = new Uint8Array(size);
  assert.equal(await reader.read(offset, into), size);
  assert.deepEqual(into, BYTES.slice(offset, offset + size));
}

test("withStore() fetches whole extents, once", async () => {
  const source = withRecord(openMemory(BYTES));
  const reader = await withStore(source, memoryStore());
  await assertReads(reader, UNIT + 5, 10);
  await assertReads(reader, UNIT + 100, UNIT - 100);
  assert.deepEqual(source.report.ranges, [{ offset: UNIT, length: UNIT }]);
  assert.deepEqual(reader.report, {
    kept: UNIT - 100,
    fetched: UNIT,
  });
  await assertReads(reader, BYTES.length - 1, 1);
  assert.deepEqual(source.report.ranges.at(-1), {
    offset: 10 * UNIT,
    length: 100,
  });
});

test("withStore() joins what is missing side by side, and fetches what is apart at once", async () => {
  const source = new ControlledSource(BYTES);
  const counted = withRecord(source);
  const reader = await withStore(counted, memoryStore());
  await assertReads(reader, 4 * UNIT, UNIT);
  counted.reset();
  source.hold();
  const into = new Uint8Array(BYTES.length);
  const read = reader.read(0, into);
  await settle();
  assert.equal(source.pending, 2);
  assert.deepEqual(counted.report.ranges, [
    { offset: 0, length: 4 * UNIT },
    { offset: 5 * UNIT, length: 5 * UNIT + 100 },
  ]);
  source.release();
  assert.equal(await read, BYTES.length);
  assert.deepEqual(into, BYTES);
});

test("withStore() waits for what others are fetching", async () => {
  const source = new ControlledSource(BYTES);
  const reader = await withStore(source, memoryStore());
  source.hold();
  const reads = Array.from(
    { length: 100 },
    (_, i) => assertReads(reader, i * 100, 200),
  );
  await settle();
  assert.equal(source.pending, 1);
  source.release();
  await Promise.all(reads);
  assert.equal(source.requests, 1);
});

test("withStore() keeps nothing of a read that failed or was left", async () => {
  const source = new ControlledSource(BYTES);
  const store = memoryStore();
  const reader = await withStore(source, store);
  source.failures = 1;
  await assert.rejects(
    reader.read(0, new Uint8Array(10)),
    (error) => isCoded(error, "read.failed"),
  );
  const { identity, name, size } = source;
  const content = await store.open({ identity, name, size });
  assert.ok(!content.has(0, 1));
  source.hold();
  const controller = new AbortController();
  const left = reader.read(0, new Uint8Array(10), controller);
  left.catch(() => {});
  await settle();
  controller.abort();
  await assert.rejects(left);
  source.release();
  await settle();
  assert.ok(!content.has(0, 1));
  assert.equal(source.pending, 0);
  await assertReads(reader, 0, 10);
  assert.ok(content.has(0, UNIT));
});

/** A store whose contents misbehave as told. */
function withFaults(faults: Partial<StoredContent>): ContentStore {
  const inner = memoryStore();
  return {
    async open(key, options) {
      const content = await inner.open(key, options);
      return {
        extentSize: content.extentSize,
        get size() {
          return content.size;
        },
        has: (offset, size) => content.has(offset, size),
        read: (offset, into, options) => content.read(offset, into, options),
        write: (offset, bytes) => content.write(offset, bytes),
        finish: (size) => content.finish(size),
        drop: () => content.drop(),
        close: () => content.close(),
        ...faults,
      };
    },
  };
}

test("withStore() reads from the source what the store cannot give", async () => {
  const wrong = new ReadError("read.failed", "Cannot read: made to fail");
  const faults: Partial<StoredContent>[] = [
    { read: () => Promise.reject(wrong) },
    { read: (_, into) => (into.fill(0xee), Promise.resolve(false)) },
    { write: () => Promise.reject(wrong) },
    { write: () => Promise.resolve() },
    { has: () => true, read: () => Promise.resolve(false) },
  ];
  for (const fault of faults) {
    const reader = await withStore(openMemory(BYTES), withFaults(fault));
    for (let i = 0; i < 3; i++) {
      await assertReads(reader, 0, BYTES.length);
      await assertReads(reader, UNIT + 7, 3 * UNIT);
    }
    await reader.close();
  }
});

test("withStore() gives up what it has when the source has changed", async () => {
  const store = memoryStore();
  const source = openMemory(BYTES, { identity: "changing" });
  const reader = await withStore(source, store);
  await assertReads(reader, 0, UNIT);
  const changed = await withStore({
    ...source,
    read: () =>
      Promise.reject(new ReadError("read.changed", "Cannot read: changed")),
  }, store);
  await assertReads(changed, 0, 10);
  await assert.rejects(
    changed.read(UNIT, new Uint8Array(1)),
    (error) => isCoded(error, "read.changed"),
  );
  await assert.rejects(
    changed.read(0, new Uint8Array(1)),
    (error) => isCoded(error, "read.changed"),
  );
});

test("withStore() does not take content of another size", async () => {
  const store = memoryStore();
  const identity = "resized";
  const longer = await withStore(
    openMemory(patternBytes(BYTES.length + 1, 9), { identity }),
    store,
  );
  await longer.read(0, new Uint8Array(100));
  await longer.close();
  const reader = await withStore(openMemory(BYTES, { identity }), store);
  await assertReads(reader, 0, 100);
});

test("withStore() refuses reads once it is closed, and keeps what it has", async () => {
  const store = memoryStore();
  const source = new ControlledSource(BYTES);
  const reader = await withStore(source, store);
  await assertReads(reader, 0, BYTES.length);
  await reader.close();
  await reader.close();
  await assert.rejects(
    reader.read(0, new Uint8Array(1)),
    (error) => isCoded(error, "read.closed"),
  );
  const again = await withStore(source, store);
  await assertReads(again, 0, BYTES.length);
  assert.equal(source.requests, 1);
  assert.deepEqual(again.report, { kept: BYTES.length, fetched: 0 });
});
