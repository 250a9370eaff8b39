import test from "node:test";
import assert from "node:assert/strict";
import { openMemory } from "./memory.ts";
import { readExactly } from "./read_exactly.ts";
import { withRecord } from "./record.ts";
import { withSlice } from "./slice.ts";

const whole = openMemory(Uint8Array.from({ length: 8192 }, (_, i) => i), {
  blockSize: 4096,
  identity: "whole",
});

test("withSlice() shows a part and names it", async () => {
  const part = withSlice(whole, { offset: 100, size: 50 });
  assert.equal(part.size, 50);
  assert.notEqual(part.identity, whole.identity);
  assert.deepEqual([...await readExactly(part, 48, 2)], [148, 149]);
  assert.equal(await part.read(49, new Uint8Array(10)), 1);
  const rest = withSlice(whole, { offset: 8000 });
  assert.equal(rest.size, 192);
});

test("withSlice() lowers the block size to what its start is aligned to", () => {
  assert.equal(withSlice(whole, { offset: 0 }).blockSize, 4096);
  assert.equal(withSlice(whole, { offset: 4096 }).blockSize, 4096);
  assert.equal(withSlice(whole, { offset: 512 }).blockSize, 512);
  assert.equal(withSlice(whole, { offset: 3 }).blockSize, 1);
});

test("withSlice() never reads outside its part", async () => {
  const below = withRecord(whole);
  const part = withSlice(below, { offset: 100, size: 50 });
  await part.read(40, new Uint8Array(100));
  await part.read(60, new Uint8Array(100));
  assert.deepEqual(below.report.ranges, [{ offset: 140, length: 10 }]);
});

test("withSlice() refuses a part that is not within the reader", () => {
  for (
    const wrong of [
      { offset: -1 },
      { offset: 0.5 },
      { offset: 8193 },
      { offset: 8000, size: 193 },
      { offset: 0, size: -1 },
      { offset: 0, size: NaN },
    ]
  ) assert.throws(() => withSlice(whole, wrong), RangeError);
});
