import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { isCoded } from "../errors.ts";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../tests/conformance/controlled_source.ts";
import { withCoalescing } from "./coalesce.ts";
import { withRecord } from "./record.ts";

const BYTES = patternBytes(20_000);

function open() {
  const source = new ControlledSource(BYTES);
  const below = withRecord(source);
  const reader = withCoalescing(below);
  const read = async (offset: number, size: number, signal?: AbortSignal) => {
    const into = new Uint8Array(size);
    await reader.read(offset, into, { signal });
    assert.deepEqual(into, BYTES.slice(offset, offset + size));
  };
  return { source, report: below.report, reader, read };
}

test("withCoalescing() does equal reads once", async () => {
  const { source, report, read } = open();
  const { signal } = new AbortController();
  source.hold();
  const reads = Array.from(
    { length: 1000 },
    (_, i) => read(100, 500, i % 2 === 0 ? signal : undefined),
  );
  source.release();
  await Promise.all(reads);
  assert.equal(report.requests, 1);
  await read(100, 500);
  assert.equal(report.requests, 2, "nothing is kept");
});

test("withCoalescing() fetches of overlapping reads only what is missing", async () => {
  const { source, report, read } = open();
  source.hold();
  const reads = [read(1000, 1000), read(3000, 1000), read(500, 4000)];
  reads.push(read(600, 100), read(1999, 2), read(0, 5000));
  source.release();
  await Promise.all(reads);
  assert.deepEqual(report.ranges, [
    { offset: 1000, length: 1000 },
    { offset: 3000, length: 1000 },
    { offset: 500, length: 500 },
    { offset: 2000, length: 1000 },
    { offset: 4000, length: 500 },
    { offset: 0, length: 500 },
    { offset: 4500, length: 500 },
  ]);
});

test("withCoalescing() stops a fetch when the last one has left, not before", async () => {
  const { source, reader } = open();
  const [a, b] = [new AbortController(), new AbortController()];
  source.hold();
  const reads = [a, b].map(({ signal }) =>
    reader.read(0, new Uint8Array(100), { signal })
  );
  for (const read of reads) read.catch(() => {});
  await settle(1);
  a.abort("a left");
  await assert.rejects(reads[0]!, (error) => error === "a left");
  await settle(1);
  assert.equal(source.aborted, 0);
  b.abort("b left");
  await assert.rejects(reads[1]!, (error) => error === "b left");
  await settle(1);
  assert.equal(source.aborted, 1);
});

test("withCoalescing() does not join a fetch that was stopped", async () => {
  const { source, read } = open();
  const controller = new AbortController();
  source.hold();
  const left = read(0, 100, controller.signal);
  left.catch(() => {});
  await settle(1);
  controller.abort();
  const next = read(0, 100);
  source.release();
  await next;
  await assert.rejects(left);
});

test("withCoalescing() fails those who waited and forgets the failure", async () => {
  const { source, report, read } = open();
  source.hold();
  source.failures = 1;
  const reads = [read(0, 100), read(0, 100), read(50, 10), read(5000, 10)];
  for (const end of reads) end.catch(() => {});
  await settle(1);
  source.release();
  const ends = await Promise.allSettled(reads);
  assert.deepEqual(
    ends.map((end) => end.status),
    ["rejected", "rejected", "rejected", "fulfilled"],
  );
  for (const end of ends.slice(0, 3)) {
    assert.ok(isCoded((end as PromiseRejectedResult).reason, "read.failed"));
  }
  await read(0, 100);
  assert.equal(report.requests, 3);
});

test("withCoalescing() leaves the buffer of a failed read alone while others wait", async () => {
  const { source, reader, read } = open();
  source.hold();
  const first = read(0, 100);
  await settle(1);
  const wide = new Uint8Array(300);
  const failing = reader.read(0, wide); // waits for `first` and fetches 100 to 300
  const other = read(150, 100);
  failing.catch(() => {});
  first.catch(() => {});
  source.failures = 1;
  await settle(1);
  source.release();
  await assert.rejects(failing);
  wide.fill(0xa5);
  await other;
  await settle();
  assert.ok(wide.every((byte) => byte === 0xa5));
});

test("withCoalescing() gives the right bytes to all whatever they do", async () => {
  const step = fc.record({
    offset: fc.nat(3000),
    size: fc.integer({ min: 1, max: 1500 }),
    leaves: fc.option(fc.nat(3), { nil: undefined }),
    fails: fc.boolean(),
    waits: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { source, reader } = open();
      source.hold();
      const ends: Promise<unknown>[] = [];
      for (const { offset, size, leaves, fails, waits } of steps) {
        const controller = new AbortController();
        const { signal } = controller;
        const into = new Uint8Array(size);
        const options = leaves === undefined ? {} : { signal };
        const end = reader.read(offset, into, options).then(
          () => assert.deepEqual(into, BYTES.slice(offset, offset + size)),
          (error) =>
            assert.ok(error === "left" || isCoded(error, "read.failed")),
        );
        ends.push(end);
        if (fails) source.failures++;
        if (waits) await Promise.resolve();
        if (leaves === 0) controller.abort("left");
        else if (leaves !== undefined) {
          setTimeout(() => controller.abort("left"), leaves);
        }
        if (leaves === 3) {
          source.release();
          source.hold();
        }
      }
      await Promise.resolve();
      source.release();
      await Promise.all(ends);
      await settle(2);
      assert.equal(source.pending, 0);
    }),
    { numRuns: 100 },
  );
});
