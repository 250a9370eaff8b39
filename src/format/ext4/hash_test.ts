import assert from "node:assert/strict";
import test from "node:test";
import { encodeName } from "../../bytes/text.ts";
import { hashName } from "./hash.ts";

const SEED = [0x09b057fa, 0x00400000, 0x00000080, 0x03000000] as const;
const SHORT = "a";
const LATIN = "größe-1043";
const LONG = "снег-1137-and-more-than-thirty-two-bytes";
const BLOCKS = "f".repeat(64);

/** As `debugfs -R "dx_hash -h VERSION -s fa57b009-0000-4000-8000-000000000003 NAME"` says, 1.47.0. */
const HASHES: readonly (readonly [number, boolean, string, number])[] = [
  [0, true, SHORT, 0xe74b53e2],
  [0, true, LATIN, 0x102944bc],
  [0, true, LONG, 0xbb026ddc],
  [0, true, BLOCKS, 0x086c3284],
  [1, true, SHORT, 0x30111dec],
  [1, true, LATIN, 0x012ac844],
  [1, true, LONG, 0xff11658e],
  [1, true, BLOCKS, 0x97721c28],
  [2, true, SHORT, 0x71754110],
  [2, true, LATIN, 0xc884c80a],
  [2, true, LONG, 0xf0d0a334],
  [2, true, BLOCKS, 0xa129ec46],
  [0, false, LATIN, 0xeb3212a6],
  [0, false, LONG, 0x15df85ee],
  [1, false, LATIN, 0xae3b6d1e],
  [1, false, LONG, 0xf9cc415c],
  [2, false, LATIN, 0xe239ec58],
  [2, false, LONG, 0xd51b1dec],
];

for (const [version, signed, name, expected] of HASHES) {
  test(`hashName() gives what debugfs says of "${name}", version ${version}, ${signed ? "signed" : "unsigned"}`, () => {
    const hash = hashName(encodeName(name), version, { seed: SEED, signed });
    assert.equal(hash, expected);
  });
}

test("hashName() takes the start of MD4 when there is no seed", () => {
  const key = { seed: [0, 0, 0, 0] as const, signed: true };
  assert.equal(hashName(encodeName("plain"), 1, key), 0xe860d254);
});

test("hashName() does not know other versions", () => {
  const key = { seed: SEED, signed: true };
  assert.equal(hashName(encodeName("a"), 3, key), undefined);
  assert.equal(hashName(encodeName("a"), 6, key), undefined);
});
