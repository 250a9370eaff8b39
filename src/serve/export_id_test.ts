import assert from "node:assert/strict";
import test from "node:test";
import { deriveExportId } from "./export_id.ts";

test("deriveExportId() gives what the reference gives", () => {
  assert.equal(deriveExportId("file:/dev/null", 512, 1024), 0xf67974ef);
  assert.equal(deriveExportId("file:/dev/null", 4096, 1024), 0xc333d965);
  assert.equal(deriveExportId("random:1234", 4096, 16), 0xd0a088e4);
  const bytes = new TextEncoder().encode("random:1234");
  assert.equal(deriveExportId(bytes, 4096, 16), 0xd0a088e4);
});

test("deriveExportId() refuses numbers that do not fit", () => {
  for (const wrong of [-1, 0.5, NaN, 2 ** 32]) {
    assert.throws(() => deriveExportId("", wrong, 1), RangeError);
  }
  for (const wrong of [-1, 0.5, NaN, 2 ** 53]) {
    assert.throws(() => deriveExportId("", 512, wrong), RangeError);
  }
});
