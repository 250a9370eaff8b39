import assert from "node:assert/strict";
import test from "node:test";
import {
  assertReads,
  QUICK,
  withServer,
} from "../../tests/support/http_world.ts";
import { patternBytes } from "../../tests/conformance/controlled_source.ts";
import { openMemory } from "../block/memory.ts";
import { withRecord } from "../block/record.ts";
import { withHttpAccess } from "./access.ts";
import { openHttp } from "./open.ts";

const MIB = 1 << 20;
const BYTES = patternBytes(40 * MIB);

test("withHttpAccess() makes few requests of many small reads", async () => {
  const far = withRecord(openMemory(BYTES));
  const reader = withHttpAccess(far);
  const read = (at: number) => assertReads(reader, at, 128, BYTES);
  await Promise.all(Array.from({ length: 100 }, (_, i) => read(i * 1000)));
  assert.equal(far.report.requests, 1);
  assert.equal(far.report.bytes, 4 * 32768);
  for (let i = 0; i < 100; i++) await read(i * 1000);
  assert.equal(far.report.requests, 1);
});

test("withHttpAccess() costs no byte more for large reads", async () => {
  const far = withRecord(openMemory(BYTES));
  const reader = withHttpAccess(far);
  const ranges = [[1001, 200_000], [5 * MIB + 3, MIB], [9 * MIB, 7 * MIB]];
  for (const [at, length] of ranges) {
    await assertReads(reader, at!, length!, BYTES);
  }
  assert.equal(far.report.requests, 3);
  assert.equal(far.report.bytes, 200_000 + MIB + 7 * MIB);
});

test("withHttpAccess() reads ahead of who reads in sequence, a quarter at most", async () => {
  for (const step of [4096, 65536, MIB]) {
    const far = withRecord(openMemory(BYTES));
    const reader = withHttpAccess(far);
    for (let at = 0; at < 16 * MIB; at += step) {
      await assertReads(reader, at, step, BYTES);
    }
    const { requests, bytes } = far.report;
    assert.ok(bytes >= 16 * MIB && bytes <= 20 * MIB, `${bytes}`);
    assert.ok(requests <= 50, `${requests} requests`);
    const ahead = far.report.ranges.map(({ offset, length }) =>
      offset + length
    );
    assert.ok(Math.max(...ahead) > 16 * MIB);
  }
});

test("withHttpAccess() leaves those alone who ask ahead themselves", async () => {
  const far = withRecord(openMemory(BYTES));
  const reader = withHttpAccess(far);
  let under: Promise<void>[] = [];
  for (let at = 0; at < 16 * MIB; at += MIB) {
    under.push(assertReads(reader, at, MIB, BYTES));
    if (under.length === 4) await under.shift();
  }
  await Promise.all(under);
  under = [];
  assert.equal(far.report.bytes, 16 * MIB);
});

test("withHttpAccess() asks a server once for what is wanted at once", async () => {
  await withServer({ content: BYTES.subarray(0, 4 * MIB) }, async (server) => {
    const reader = withHttpAccess(await openHttp(server.url(), QUICK));
    const signals = Array.from({ length: 10 }, () => new AbortController());
    await Promise.all(signals.map(async ({ signal }, i) => {
      const into = new Uint8Array(1000);
      await reader.read(MIB + i * 20_000, into, { signal });
      assert.deepEqual(
        into,
        BYTES.slice(MIB + i * 20_000, MIB + i * 20_000 + 1000),
      );
    }));
    assert.equal(server.requests.length, 2);
  });
});
