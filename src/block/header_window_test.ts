import assert from "node:assert/strict";
import test from "node:test";
import { patternBytes } from "../../tests/conformance/controlled_source.ts";
import { HeaderWindow } from "./header_window.ts";
import { openMemory } from "./memory.ts";
import { withRecord } from "./record.ts";

const BYTES = patternBytes(24 << 20);

/** Takes headers of 16 bytes, `step` bytes apart, and compares them. */
async function walk(step: number) {
  const image = withRecord(openMemory(BYTES));
  const window = new HeaderWindow(image, {});
  let headers = 0;
  for (let at = 0; at + 16 <= BYTES.length; at += step) {
    const found = window.held(at, 16) ?? await window.take(at, 16);
    assert.deepEqual(found, BYTES.subarray(at, at + 16));
    headers++;
  }
  return { ...image.report, headers };
}

test("HeaderWindow reads many headers at once where they are close", async () => {
  const { requests, headers } = await walk(1000);
  assert.ok(headers > 25_000 && requests <= 30, `${requests} reads`);
});

test("HeaderWindow reads little where headers are far apart", async () => {
  const { requests, bytes, headers } = await walk(1 << 20);
  assert.ok(requests <= headers, `${requests} reads`);
  assert.ok(bytes <= (64 << 10) * 2 + headers * 4096, `${bytes} bytes`);
});

test("HeaderWindow reads on where there are many headers not far apart", async () => {
  const { requests, headers } = await walk(100_000);
  assert.ok(headers > 250 && requests < headers / 3, `${requests} reads`);
});

test("HeaderWindow gives fewer bytes only at the end", async () => {
  const window = new HeaderWindow(openMemory(BYTES.subarray(0, 100)), {});
  assert.equal((await window.take(90, 20)).length, 10);
  assert.equal(window.held(95, 6), undefined);
  assert.equal(window.held(80, 5), undefined);
  assert.deepEqual(window.held(95, 5), BYTES.subarray(95, 100));
});
