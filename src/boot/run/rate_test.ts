import assert from "node:assert/strict";
import { test } from "node:test";
import { RateMeter } from "./rate.ts";

test("RateMeter tells the rate of the last second, and 0 at first", () => {
  const meter = new RateMeter();
  assert.equal(meter.measure(0, 100), 0);
  assert.equal(meter.measure(500, 600), 1000);
  assert.equal(meter.measure(1000, 1100), 1000);
  // from here on ten times as fast
  assert.equal(meter.measure(6000, 1600), 5500);
  assert.equal(meter.measure(11000, 2100), 10000);
  // and not at all
  assert.equal(meter.measure(11000, 4000), 0);
});
