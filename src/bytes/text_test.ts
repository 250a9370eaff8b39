import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeName, encodeName, nameLength } from "./text.ts";

test("decodeName() and encodeName() keep any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const name = decodeName(bytes);
      assert.deepEqual(encodeName(name), bytes);
      assert.equal(nameLength(name), bytes.length);
    }),
    { numRuns: 3000 },
  );
});

test("decodeName() and encodeName() keep bytes next to UTF-8", () => {
  const lead = fc.constantFrom(0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5);
  const near = fc.array(
    fc.oneof(lead, fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x41)),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(near, (list) => {
      const bytes = Uint8Array.from(list);
      assert.deepEqual(encodeName(decodeName(bytes)), bytes);
    }),
    { numRuns: 5000 },
  );
});

test("decodeName() and encodeName() keep any well-formed string", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    if (/[\ud800-\udfff]/u.test(name)) return;
    assert.equal(decodeName(encodeName(name)), name);
    assert.deepEqual(encodeName(name), new TextEncoder().encode(name));
  }));
});

test("decodeName() escapes only what is not UTF-8", () => {
  const cases: [number[], string][] = [
    [[0x61, 0xff, 0x62], "a\udcffb"],
    [[0xc3, 0xa9, 0xc3], "é\udcc3"],
    [[0xef, 0xbb, 0xbf, 0x61], "\ufeffa"], // a name may begin with what looks like a mark
    [[0xed, 0xa0, 0x80], "\udced\udca0\udc80"], // a surrogate in UTF-8 is none
    [[0xc0, 0x80], "\udcc0\udc80"],
    [[0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f], "😀\udcf0\udc9f"],
  ];
  for (const [bytes, name] of cases) {
    assert.equal(decodeName(Uint8Array.from(bytes)), name);
  }
});

test("decodeName() reads long names and views", () => {
  const long = "ü".repeat(120);
  const bytes = new TextEncoder().encode(`xx${long}`);
  assert.equal(decodeName(bytes.subarray(2)), long);
});

test("encodeName() refuses surrogates that stand for no byte", () => {
  for (const name of ["\ud800", "a\udc7f", "\udfff", "\ud83d!"]) {
    assert.throws(() => encodeName(name), TypeError);
  }
});
