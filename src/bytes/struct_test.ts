import test from "node:test";
import assert from "node:assert/strict";
import { isCoded } from "../errors.ts";
import {
  bytesOf,
  i16,
  i32,
  i8,
  safeU64,
  safeU64be,
  struct,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64be,
  u8,
} from "./struct.ts";

const All = struct("all", {
  a: u8,
  b: u16,
  c: u32,
  d: u64,
  e: safeU64,
  f: i8,
  g: i16,
  h: i32,
  i: u16be,
  j: u32be,
  k: u64be,
  l: safeU64be,
  m: bytesOf(3),
});

const VALUES = {
  a: 0xfe,
  b: 0x1234,
  c: 0xdeadbeef,
  d: 0xfedcba9876543210n,
  e: Number.MAX_SAFE_INTEGER,
  f: -2,
  g: -300,
  h: -70000,
  i: 0x1234,
  j: 0xdeadbeef,
  k: 0xfedcba9876543210n,
  l: 2 ** 40 + 7,
  m: Uint8Array.of(7, 8, 9),
};

test("struct() writes each field in its byte order", () => {
  const hex = Array.from(
    All.encode(VALUES),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
  assert.equal(
    hex,
    "fe" + "3412" + "efbeadde" + "1032547698badcfe" + "ffffffffffff1f00" +
      "fe" + "d4fe" + "90eefeff" + "1234" + "deadbeef" + "fedcba9876543210" +
      "0000010000000007" + "070809",
  );
});

test("struct() reads what it wrote, at any place", () => {
  const memory = new Uint8Array(200).fill(0xaa);
  const view = memory.subarray(13);
  All.write(VALUES, view, 5);
  assert.deepEqual(All.read(view, 5), VALUES);
  assert.equal(memory[17], 0xaa);
  assert.equal(memory[18 + All.size], 0xaa);
});

test("struct() states its size and offsets", () => {
  const Small = struct("small", { a: u8, b: u32, c: u16 });
  assert.equal(Small.size, 7);
  assert.deepEqual(Small.offsets, { a: 0, b: 1, c: 5 });
});

test("struct() read() refuses bytes that end before it", () => {
  for (
    const [length, at] of [[All.size - 1, 0], [All.size, 1], [0, 0], [5, 9]]
  ) {
    assert.throws(
      () => All.read(new Uint8Array(length!), at),
      (error) => isCoded(error, "struct.too-short"),
    );
  }
});

test("struct() does not read past a view into the memory behind it", () => {
  const memory = new Uint8Array(1000);
  assert.throws(
    () => All.read(memory.subarray(0, 10)),
    (error) => isCoded(error, "struct.too-short"),
  );
});

test("safeU64 refuses numbers that are not exact", () => {
  for (const type of [safeU64, safeU64be]) {
    const S = struct("s", { n: type });
    const W = struct("w", { n: type === safeU64 ? u64 : u64be });
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    assert.equal(S.read(W.encode({ n: most })).n, Number.MAX_SAFE_INTEGER);
    for (const n of [most + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      assert.throws(
        () => S.read(W.encode({ n })),
        (error) =>
          isCoded(error, "struct.number-too-large") &&
          error.facts["found"] === n && error.facts["field"] === "s.n",
      );
    }
  }
});

test("struct() refuses to write values that do not fit", () => {
  const S = struct("s", { a: u8, b: i16, c: u64, d: bytesOf(2) });
  const good = { a: 1, b: 1, c: 1n, d: new Uint8Array(2) };
  for (
    const wrong of [
      { a: 256 },
      { a: -1 },
      { a: 1.5 },
      { a: NaN },
      { b: 32768 },
      { b: -32769 },
      { c: -1n },
      { c: 2n ** 64n },
      { d: new Uint8Array(3) },
    ]
  ) assert.throws(() => S.encode({ ...good, ...wrong }), RangeError);
  assert.throws(() => S.write(good, new Uint8Array(S.size - 1)), RangeError);
});
