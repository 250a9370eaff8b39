import assert from "node:assert/strict";
import test from "node:test";
import { warningsOf } from "./summary.ts";

test("warningsOf() names ten entries that gave way, and counts the rest", () => {
  const overrides = Array.from({ length: 12 }, (_, i) => ({
    path: `lib/${i}`,
    by: "more.cpio",
    instead: "stage0",
  }));
  const parts = (count: number) =>
    ({
      initramfs: { overrides: overrides.slice(0, count) },
      kernel: { release: "6.1" },
    }) as unknown as Parameters<typeof warningsOf>[0];
  assert.equal(warningsOf(parts(10)).length, 10);
  const warnings = warningsOf(parts(12));
  assert.equal(warnings.length, 11);
  assert.match(warnings[9]!.message, /"more.cpio" puts its own lib\/9/);
  assert.equal(warnings[10]!.message, "And so on: 12 entries in all");
});
