import assert from "node:assert/strict";
import test from "node:test";
import { decodeLzo1x } from "./lzo.ts";

const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const ascii = (value: string) => new TextEncoder().encode(value);
const END = [0x11, 0, 0];

// Every instruction of Linux' Documentation/staging/lzo.rst, put together by hand.
const STREAMS: readonly (readonly [string, number[], string])[] = [
  ["nothing", END, ""],
  ["first literals", [17 + 5, ...ascii("hello"), ...END], "hello"],
  ["1 to 3 first literals", [17 + 2, ...ascii("hi"), ...END], "hi"],
  [
    "a long run of literals",
    [0, 2, ...ascii("01234567890123456789"), ...END],
    "01234567890123456789",
  ],
  [
    "a copy of 2 bytes from within 1 KiB, with a literal behind",
    // the literals before are few, so that the small opcode has this meaning
    [17 + 3, ...ascii("abc"), (2 << 2) | 1, 0, 0x21, ...END],
    "abcab!",
  ],
  [
    "a copy of 3 to 4 bytes from within 2 KiB",
    [17 + 4, ...ascii("abcd"), 0x40 | (1 << 5) | (3 << 2), 0, ...END],
    "abcdabcd",
  ],
  [
    "a copy of 5 to 8 bytes that reaches into itself",
    [17 + 4, ...ascii("abcd"), 0x80 | (3 << 5) | (1 << 2), 0, ...END],
    "abcdcdcdcdcd",
  ],
  [
    "a copy from within 16 KiB with a long length",
    [17 + 4, ...ascii("abcd"), 0x20, 3, 3 << 2, 0, ...END],
    "abcd" + "abcd".repeat(9),
  ],
];

for (const [what, stream, expected] of STREAMS) {
  test(`decodeLzo1x() decodes ${what}`, () => {
    assert.equal(text(decodeLzo1x(Uint8Array.from(stream), 4096)), expected);
    // exactly as much room as is needed, and one byte less
    const { length } = expected;
    assert.equal(text(decodeLzo1x(Uint8Array.from(stream), length)), expected);
    if (length > 0) {
      assert.equal(decodeLzo1x(Uint8Array.from(stream), length - 1), undefined);
    }
  });

  test(`decodeLzo1x() refuses ${what} cut short`, () => {
    for (let size = 0; size < stream.length; size++) {
      const part = Uint8Array.from(stream.slice(0, size));
      assert.equal(decodeLzo1x(part, 4096), undefined, `${size} bytes`);
    }
  });
}

test("decodeLzo1x() copies from far back", () => {
  const far = 20_000;
  const start = Uint8Array.from({ length: far }, (_, i) => i * 7 ^ i >> 8);
  const run = far - 18;
  const zeros = Math.floor((run - 1) / 255);
  const distance = 16384 + 100;
  const stream = Uint8Array.from([
    ...[0, ...new Array(zeros).fill(0), run - zeros * 255],
    ...start,
    ...[0x10 | 5, (100 << 2) & 0xff, 100 >> 6],
    ...END,
  ]);
  const found = decodeLzo1x(stream, far + 7)!;
  assert.deepEqual(found.subarray(0, far), start);
  const from = far - distance;
  assert.deepEqual(found.subarray(far), start.subarray(from, from + 7));
});

test("decodeLzo1x() copies 3 bytes from beyond 2 KiB after a run of literals", () => {
  const start = Uint8Array.from({ length: 2100 }, (_, i) => i * 5 ^ i >> 8);
  const run = start.length - 18;
  const zeros = Math.floor((run - 1) / 255);
  // distance 2049 + 2 + (7 << 2)
  const stream = Uint8Array.from([
    ...[0, ...new Array(zeros).fill(0), run - zeros * 255],
    ...start,
    ...[2 << 2, 7],
    ...END,
  ]);
  const found = decodeLzo1x(stream, 2103)!;
  assert.deepEqual(found.subarray(2100), start.subarray(21, 24));
});

test("decodeLzo1x() refuses what reaches before its start", () => {
  const stream = [17 + 4, ...ascii("abcd"), 0x40 | (4 << 2), 0, ...END];
  assert.equal(decodeLzo1x(Uint8Array.from(stream), 4096), undefined);
});

test("decodeLzo1x() refuses bytes behind the end, and lengths without end", () => {
  const trailing = [17 + 4, ...ascii("abcd"), ...END, 0];
  assert.equal(decodeLzo1x(Uint8Array.from(trailing), 4096), undefined);
  assert.equal(decodeLzo1x(new Uint8Array(1 << 20), 1 << 20), undefined);
});
