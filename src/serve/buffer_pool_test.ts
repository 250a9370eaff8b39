import assert from "node:assert/strict";
import test from "node:test";
import { BufferPool } from "./buffer_pool.ts";

test("BufferPool gives what it was given, as long as it fits", () => {
  const pool = new BufferPool(1 << 20);
  const one = pool.take(5000);
  assert.equal(one.length, 5000);
  pool.give(one);
  for (const length of [4097, 8192, 6000]) {
    const again = pool.take(length);
    assert.equal(again.buffer, one.buffer);
    assert.equal(again.length, length);
    pool.give(again);
  }
  assert.notEqual(pool.take(4096).buffer, one.buffer);
  assert.notEqual(pool.take(8193).buffer, one.buffer);
});

test("BufferPool never gives a buffer that is in use", () => {
  const pool = new BufferPool(1 << 20);
  const held = new Set<ArrayBuffer>();
  for (let round = 0; round < 1000; round++) {
    const bytes = pool.take(1 + (round * 7919) % 60000);
    assert.ok(!held.has(bytes.buffer));
    held.add(bytes.buffer);
    if (round % 3 !== 0) continue;
    const [first] = held;
    held.delete(first!);
    pool.give(new Uint8Array(first!));
  }
});

test("BufferPool keeps no more than it may", () => {
  const pool = new BufferPool(16384);
  const all = [4096, 8192, 8192, 4096].map((size) => pool.take(size));
  for (const one of all) pool.give(one);
  const again = [4096, 8192, 8192, 4096].map((size) => pool.take(size).buffer);
  const kept = again.filter((buffer) =>
    all.some((one) => one.buffer === buffer)
  );
  assert.equal(
    kept.reduce((sum, { byteLength }) => sum + byteLength, 0),
    16384,
  );
});
