import assert from "node:assert/strict";
import test from "node:test";
import { sleep } from "./link.ts";

test("sleep() is not over at once when it is longer than a timer may be", async () => {
  const stop = new AbortController();
  for (const ms of [2 ** 31, Infinity]) {
    const first = await Promise.race([
      sleep(ms, stop.signal).then(() => "long", () => "stopped"),
      sleep(20, stop.signal).then(() => "short"),
    ]);
    assert.equal(first, "short");
  }
  stop.abort();
});
