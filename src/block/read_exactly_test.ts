import test from "node:test";
import assert from "node:assert/strict";
import { isCoded } from "../errors.ts";
import { openMemory } from "./memory.ts";
import { fillExactly, readExactly } from "./read_exactly.ts";
import { withRecord } from "./record.ts";

test("readExactly() gives bytes of their own", async () => {
  const reader = openMemory(Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual([...await readExactly(reader, 1, 3)], [2, 3, 4]);
  assert.deepEqual([...await readExactly(reader, 4, 0)], []);
});

test("readExactly() rejects before reading when the reader is too short", async () => {
  const reader = withRecord(openMemory(new Uint8Array(10)));
  for (const [offset, size] of [[0, 11], [10, 1], [99, 1], [5, 2 ** 50]]) {
    await assert.rejects(
      readExactly(reader, offset!, size!),
      (error) =>
        isCoded(error, "read.past-end") && error.facts["size"] === size,
    );
  }
  assert.equal(reader.report.requests, 0);
});

test("readExactly() rejects wrong numbers with a RangeError", async () => {
  const reader = openMemory(new Uint8Array(10));
  for (const [offset, size] of [[-1, 1], [0, -1], [0.5, 1], [0, NaN]]) {
    await assert.rejects(readExactly(reader, offset!, size!), RangeError);
  }
});

test("fillExactly() rejects when the reader gives less than it says it has", async () => {
  const liar = { ...openMemory(new Uint8Array(10)), size: 20 };
  await assert.rejects(
    fillExactly(liar, 5, new Uint8Array(10)),
    (error) => isCoded(error, "read.past-end") && error.facts["found"] === 5,
  );
});
