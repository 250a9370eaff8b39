import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { openMemory } from "../block/memory.ts";
import { parseDigest, verifyDigest, withDigest } from "./digest.ts";

const BYTES = Uint8Array.from(
  { length: 3_000_001 },
  (_, i) => i * 7 + (i >> 9),
);
const digestOf = (algorithm: "sha256" | "sha512", bytes = BYTES) =>
  parseDigest(
    `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`,
  );

test("parseDigest() takes what sha256sum and sha512sum print, after their names, and nothing else", () => {
  const hex = "0123456789abcdef".repeat(4);
  assert.deepEqual(parseDigest(`sha256:${hex}`), { algorithm: "sha256", hex });
  for (
    const text of [
      hex,
      `sha512:${hex}`,
      `sha256:${hex}0`,
      `sha256:${hex.toUpperCase()}`,
      `md5:${hex}`,
      ` sha256:${hex}`,
      "",
    ]
  ) assert.throws(() => parseDigest(text), RangeError, text);
});

test("verifyDigest() reads a file once, and refuses one that differs in its last bit", async () => {
  for (const algorithm of ["sha256", "sha512"] as const) {
    const steps: number[] = [];
    await verifyDigest(openMemory(BYTES), digestOf(algorithm), {
      onProgress: ({ done }) => void steps.push(done),
    });
    assert.deepEqual(steps, [1 << 20, 2 << 20, BYTES.length]);
    const other = BYTES.slice();
    other[other.length - 1]! ^= 1;
    await assert.rejects(
      verifyDigest(openMemory(other), digestOf(algorithm)),
      { code: "digest.mismatch" },
    );
  }
  const empty = new Uint8Array(0);
  await verifyDigest(openMemory(empty), digestOf("sha256", empty));
  await assert.rejects(verifyDigest(openMemory(empty), digestOf("sha256")), {
    code: "digest.mismatch",
  });
});

test("withDigest() hashes reads that go on from the start, in whatever pieces", async () => {
  const right = withDigest(openMemory(BYTES), digestOf("sha256"));
  const wrong = withDigest(
    openMemory(BYTES),
    digestOf("sha256", BYTES.slice(1)),
  );
  const into = new Uint8Array(100_000);
  await right.read(500_000, into);
  assert.equal(right.verified, 0);
  // each read begins within the one before
  for (let offset = 0; offset < BYTES.length - 90_000; offset += 90_000) {
    await right.read(offset, into);
    await wrong.read(offset, into);
  }
  assert.ok(right.verified < right.size);
  const rest = BYTES.length - right.verified;
  await right.read(right.verified, into.subarray(0, rest));
  assert.equal(right.verified, right.size);
  assert.equal(await right.read(0, into), into.length);
  const last = wrong.read(wrong.verified, into.subarray(0, rest));
  await assert.rejects(last, { code: "digest.mismatch" });
  await assert.rejects(wrong.read(0, into), { code: "digest.mismatch" });
});
