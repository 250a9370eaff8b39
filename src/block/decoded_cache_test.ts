import assert from "node:assert/strict";
import test from "node:test";
import { DecodedCache } from "./decoded_cache.ts";

test("DecodedCache gives what is at least as long as asked for", () => {
  const cache = new DecodedCache(100);
  const bytes = new Uint8Array(40);
  cache.set(1, bytes);
  assert.equal(cache.get(1, 40), bytes);
  assert.equal(cache.get(1, 10), bytes);
  assert.equal(cache.get(1, 41), undefined);
  assert.equal(cache.get(2, 1), undefined);
});

test("DecodedCache drops what was used longest ago, by bytes", () => {
  const cache = new DecodedCache(100);
  for (const key of [1, 2, 3]) cache.set(key, new Uint8Array(30));
  assert.ok(cache.get(1, 30)); // now 2 is the oldest
  cache.set(4, new Uint8Array(30));
  assert.deepEqual([1, 2, 3, 4].map((key) => !!cache.get(key, 1)), [
    true,
    false,
    true,
    true,
  ]);
  cache.set(5, new Uint8Array(100));
  assert.deepEqual([1, 3, 4, 5].map((key) => !!cache.get(key, 1)), [
    false,
    false,
    false,
    true,
  ]);
});

test("DecodedCache counts a replaced extent once", () => {
  const cache = new DecodedCache(100);
  for (let length = 1; length <= 60; length++) {
    cache.set("a", new Uint8Array(length));
  }
  cache.set("b", new Uint8Array(40));
  assert.ok(cache.get("a", 60) && cache.get("b", 40));
});

test("DecodedCache keeps nothing larger than itself, and drops nothing for it", () => {
  const cache = new DecodedCache(100);
  cache.set(1, new Uint8Array(100));
  cache.set(2, new Uint8Array(101));
  assert.ok(cache.get(1, 100));
  assert.equal(cache.get(2, 1), undefined);
  const none = new DecodedCache(0);
  none.set(1, new Uint8Array(1));
  assert.equal(none.get(1, 1), undefined);
});
