import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBase64 } from "./base64.ts";

// RFC 4648, section 10, and bytes above 127
for (
  const [text, bytes] of [
    ["", []],
    ["Zg==", [102]],
    ["Zm9vYmFy", [102, 111, 111, 98, 97, 114]],
    ["AP+A", [0, 255, 128]],
  ] as const
) {
  test(`decodeBase64() of "${text}"`, () => {
    assert.deepEqual([...decodeBase64(text)], [...bytes]);
  });
}

test("decodeBase64() refuses what is no base64", () => {
  assert.throws(() => decodeBase64("Z*=="));
});
