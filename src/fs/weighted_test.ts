import test from "node:test";
import assert from "node:assert/strict";
import { Weighted } from "./weighted.ts";

test("Weighted forgets what was not used for longest", () => {
  const kept = new Weighted<string, number>(10);
  kept.set("a", 1, 4);
  kept.set("b", 2, 4);
  assert.equal(kept.get("a"), 1);
  kept.set("c", 3, 4);
  assert.equal(kept.get("b"), undefined);
  assert.equal(kept.get("a"), 1);
  assert.equal(kept.get("c"), 3);
});

test("Weighted does not keep what is heavier than its limit, nor the old value", () => {
  const kept = new Weighted<string, number>(10);
  kept.set("a", 1, 4);
  kept.set("b", 2, 4);
  kept.set("a", 3, 11);
  assert.equal(kept.get("a"), undefined);
  assert.equal(kept.get("b"), 2);
  kept.set("c", 4, 6);
  assert.equal(
    kept.get("b"),
    2,
    "the weight of what was dropped counts no more",
  );
});
