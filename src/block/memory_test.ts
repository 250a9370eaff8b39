import test from "node:test";
import assert from "node:assert/strict";
import { openMemory } from "./memory.ts";

test("openMemory() names different bytes differently", () => {
  const bytes = new Uint8Array(4);
  assert.notEqual(openMemory(bytes).identity, openMemory(bytes).identity);
  assert.equal(openMemory(bytes, { identity: "seed" }).identity, "seed");
});

test("openMemory() refuses what is not bytes", () => {
  const wrong = [1, 2, 3] as unknown as Uint8Array;
  assert.throws(() => openMemory(wrong), TypeError);
  assert.throws(
    () => openMemory(new Uint8Array(1), { blockSize: 3 }),
    RangeError,
  );
});
