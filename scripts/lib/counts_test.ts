import test from "node:test";
import assert from "node:assert/strict";
import { parseBun, parseDeno, parseTap } from "./counts.ts";

test("parseDeno() reads the last line of results", () => {
  const output = "ok | 1 passed | 0 failed (1s)\nx\n" +
    "FAILED | 12 passed (3 steps) | 2 failed | 1 ignored (2s)\n\nerror: Test failed\n";
  assert.deepEqual(parseDeno(output), { passed: 12, failed: 2, skipped: 1 });
  assert.equal(parseDeno("error: Module not found"), undefined);
});

test("parseBun() reads the counts and errors between tests", () => {
  const output = "\n 40 pass\n 2 skip\n 1 fail\n 1 error\n 99 expect() calls\n";
  assert.deepEqual(parseBun(output), { passed: 40, failed: 2, skipped: 2 });
  assert.equal(parseBun("bun: not found"), undefined);
});

test("parseTap() reads the counts at the end", () => {
  const output = "# tests 8\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n" +
    "# skipped 1\n# todo 0\n# duration_ms 9\n";
  assert.deepEqual(parseTap(output), { passed: 5, failed: 2, skipped: 1 });
  assert.equal(parseTap("node: bad option"), undefined);
});
