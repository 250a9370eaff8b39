import assert from "node:assert/strict";
import test from "node:test";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../tests/conformance/controlled_source.ts";
import { openMemory } from "./memory.ts";
import { withMerging } from "./merge.ts";
import { withRecord } from "./record.ts";

const BYTES = patternBytes(20_000);

async function reads(
  ranges: readonly (readonly [offset: number, length: number])[],
  options: Parameters<typeof withMerging>[1],
) {
  const below = withRecord(openMemory(BYTES));
  const reader = withMerging(below, options);
  await Promise.all(ranges.map(async ([offset, length]) => {
    const into = new Uint8Array(length);
    assert.equal(await reader.read(offset, into), length);
    assert.deepEqual(into, BYTES.slice(offset, offset + length));
  }));
  return below.report.ranges.sort((a, b) => a.offset - b.offset);
}

test("withMerging() joins reads over gaps that are not larger than allowed", async () => {
  const ranges = [[3000, 100], [0, 1000], [1100, 50], [500, 100]] as const;
  assert.deepEqual(await reads(ranges, { gap: 100 }), [
    { offset: 0, length: 1150 },
    { offset: 3000, length: 100 },
  ]);
  assert.deepEqual(await reads(ranges, { gap: 99 }), [
    { offset: 0, length: 1000 },
    { offset: 1100, length: 50 },
    { offset: 3000, length: 100 },
  ]);
});

test("withMerging() joins no more than allowed, and splits no read", async () => {
  const ranges = [[0, 1000], [1000, 1000], [2000, 1000], [3000, 5000]] as const;
  assert.deepEqual(await reads(ranges, { gap: 0, maxBytes: 2000 }), [
    { offset: 0, length: 2000 },
    { offset: 2000, length: 1000 },
    { offset: 3000, length: 5000 },
  ]);
});

test("withMerging() leaves large reads alone", async () => {
  const ranges = [[0, 100], [100, 500], [600, 100], [700, 501]] as const;
  const options = { gap: 600, maxRead: 499 };
  const found = await reads(ranges, options);
  assert.deepEqual(found, [
    { offset: 0, length: 700 },
    { offset: 100, length: 500 },
    { offset: 700, length: 501 },
  ]);
});

test("withMerging() stops a read when the last of those who wait leaves", async () => {
  const source = new ControlledSource(BYTES);
  const reader = withMerging(source);
  source.hold();
  const controllers = [new AbortController(), new AbortController()];
  const all = controllers.map(({ signal }, i) =>
    reader.read(i * 100, new Uint8Array(50), { signal })
  );
  for (const read of all) read.catch(() => {});
  await settle();
  assert.equal(source.pending, 1);
  controllers[0]!.abort(new Error("first"));
  await assert.rejects(all[0]!, /first/);
  await settle();
  assert.equal(source.pending, 1);
  controllers[1]!.abort(new Error("second"));
  await assert.rejects(all[1]!, /second/);
  await settle();
  assert.equal(source.pending, 0);
  assert.equal(source.aborted, 1);
});

test("withMerging() refuses bounds that are none", () => {
  const memory = openMemory(BYTES);
  assert.throws(() => withMerging(memory, { gap: -1 }), RangeError);
  assert.throws(() => withMerging(memory, { maxBytes: 0.5 }), RangeError);
});
