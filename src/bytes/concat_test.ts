import assert from "node:assert/strict";
import test from "node:test";
import { concat } from "./concat.ts";

test("concat() copies parts in their order", () => {
  const part = Uint8Array.of(1, 2);
  const whole = concat([part, new Uint8Array(0), Uint8Array.of(3)]);
  assert.deepEqual(whole, Uint8Array.of(1, 2, 3));
  part[0] = 9;
  assert.equal(whole[0], 1);
  assert.equal(concat([]).length, 0);
  assert.notEqual(concat([part]), part);
});
