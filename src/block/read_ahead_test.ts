import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { isCoded } from "../errors.ts";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../tests/conformance/controlled_source.ts";
import type { BlockReader } from "./reader.ts";
import { withReadAhead } from "./read_ahead.ts";
import { withRecord } from "./record.ts";

const PATTERN = Uint8Array.from({ length: 251 << 14 }, (_, i) => i % 251);

/** 200 MB that take no memory: each byte is told by its place. */
function huge(size = 200_000_000): BlockReader {
  return {
    blockSize: 4096,
    size,
    name: "huge",
    identity: "huge",
    read(offset, into) {
      const count = Math.max(0, Math.min(into.length, size - offset));
      const from = offset % 251;
      into.set(PATTERN.subarray(from, from + count));
      return Promise.resolve(count);
    },
  };
}

async function read(reader: BlockReader, offset: number, size: number) {
  const into = new Uint8Array(size);
  const count = await reader.read(offset, into);
  // Every byte of small reads; of large ones enough to see a shift or a gap.
  const step = size < 4096 ? 1 : 97;
  for (let i = 0; i < count; i += step) {
    if (into[i] !== (offset + i) % 251) assert.fail(`byte ${offset + i}`);
  }
  return count;
}

test("withReadAhead() costs scattered reads no byte", async () => {
  const below = withRecord(huge());
  const reader = withReadAhead(below);
  let asked = 0;
  let at = 1;
  for (let i = 0; i < 2000; i++) {
    at = (at * 48271) % 2147483647;
    const size = 1 + at % 70_000;
    asked += size;
    await read(reader, (at % 2400) * 83_000, size);
  }
  assert.equal(below.report.bytes, asked);
  assert.equal(below.report.requests, 2000);
});

test("withReadAhead() costs a kernel and 10 modules at most 1.3 times their bytes", async () => {
  const files = [{ offset: 90_000_000, size: 9_300_000 }];
  for (let i = 0; i < 10; i++) {
    files.push({ offset: 1_000_000 + i * 7_654_321, size: 9_000 + i * 31_000 });
  }
  for (const step of [4096, 20_000, 65_536, 1 << 20]) {
    const below = withRecord(huge());
    const reader = withReadAhead(below);
    let asked = 0;
    for (const { offset, size } of files) {
      for (let done = 0; done < size; done += step) {
        const part = Math.min(step, size - done);
        asked += part;
        await read(reader, offset + done, part);
      }
    }
    assert.ok(below.report.bytes <= 1.3 * asked, `${below.report.bytes}`);
  }
});

test("withReadAhead() reads a stream by few and growing reads", async () => {
  const below = withRecord(huge(32 << 20));
  const reader = withReadAhead(below);
  for (let at = 0; at < reader.size; at += 4096) await read(reader, at, 4096);
  const { ranges, requests, bytes } = below.report;
  const first = ranges.findIndex(({ length }) => length > 4096);
  assert.ok(first <= 64 && first > 0, `${first}`);
  assert.ok(requests < first + 100, `${requests} reads`);
  assert.equal(Math.max(...ranges.map(({ length }) => length)), 1 << 20);
  assert.equal(bytes, reader.size, "each byte once, nothing past the end");
});

test("withReadAhead() follows interleaved streams", async () => {
  const below = withRecord(huge());
  const reader = withReadAhead(below);
  const starts = [0, 50_000_000, 100_000_000, 150_000_000];
  for (let done = 0; done < 4 << 20; done += 8192) {
    for (const start of starts) await read(reader, start + done, 8192);
    // Scattered reads in between must not displace them.
    for (let i = 0; i < 5; i++) {
      await read(reader, (done * 17 + i * 9_999_991) % 199_000_000, 16);
    }
  }
  const large = below.report.ranges.filter(({ length }) => length > 8192);
  assert.ok(large.length > 30);
  const small = below.report.ranges.filter(({ length }) => length === 8192);
  assert.ok(small.length < 4 * 100, `${small.length}`);
});

test("withReadAhead() passes large reads straight through", async () => {
  const below = withRecord(huge());
  const reader = withReadAhead(below);
  for (let i = 0; i < 5; i++) await read(reader, i * (2 << 20), 2 << 20);
  assert.deepEqual(
    below.report.ranges.map(({ length }) => length),
    Array(5).fill(2 << 20),
  );
});

test("withReadAhead() fetches in vain at most a quarter, whatever is read", async () => {
  const step = fc.record({
    skip: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(5000)),
    jump: fc.option(fc.nat(1_000_000), { freq: 8, nil: undefined }),
    size: fc.integer({ min: 1, max: 3000 }),
    times: fc.integer({ min: 1, max: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const below = withRecord(huge(1_000_000));
      const reader = withReadAhead(below, { min: 256, max: 8192, streams: 3 });
      let at = 0;
      let asked = 0;
      for (const { skip, jump, size, times } of steps) {
        at = jump ?? at + skip;
        for (let i = 0; i < times; i++) {
          asked += await read(reader, at, size);
          at += size;
        }
      }
      assert.ok(below.report.bytes <= 1.25 * asked);
    }),
    { numRuns: 200 },
  );
});

test("withReadAhead() keeps errors ahead from those who did not ask", async () => {
  const bytes = patternBytes(100_000);
  const source = new ControlledSource(bytes);
  const bad = 50_000;
  const failing: BlockReader = {
    blockSize: source.blockSize,
    size: source.size,
    name: source.name,
    identity: source.identity,
    read(offset, into, options) {
      if (offset + into.length > bad) source.failures = 1;
      return source.read(offset, into, options);
    },
  };
  const reader = withReadAhead(failing, { min: 1024, max: 16384 });
  const into = new Uint8Array(500);
  for (let at = 0; at < bad; at += 500) {
    assert.equal(await reader.read(at, into), 500);
    assert.deepEqual(into, bytes.slice(at, at + 500));
  }
  await assert.rejects(
    reader.read(bad, into),
    (error) => isCoded(error, "read.failed"),
  );
});

test("withReadAhead() lets one leave while the window is on its way", async () => {
  const bytes = patternBytes(100_000);
  const source = new ControlledSource(bytes);
  const reader = withReadAhead(source, { min: 1024, max: 16384 });
  const into = new Uint8Array(500);
  let at = 0;
  for (; at < 20_000; at += 500) await reader.read(at, into);
  await settle();
  source.hold();
  const controller = new AbortController();
  const waiting: Promise<unknown>[] = [];
  for (; source.pending === 0; at += 500) {
    const { signal } = controller;
    waiting.push(reader.read(at, new Uint8Array(500), { signal }));
  }
  for (let i = 0; i < 30; i++, at += 500) {
    const { signal } = controller;
    waiting.push(reader.read(at, new Uint8Array(500), { signal }));
  }
  for (const end of waiting) end.catch(() => {});
  await settle();
  controller.abort("left");
  const ends = await Promise.allSettled(waiting);
  assert.ok(ends.some((end) => end.status === "rejected"));
  for (const end of ends) {
    if (end.status === "rejected") assert.equal(end.reason, "left");
  }
  source.release();
  assert.equal(await reader.read(at, into), 500);
  assert.deepEqual(into, bytes.slice(at, at + 500));
});

test("withReadAhead() refuses bounds that make no sense", () => {
  for (
    const wrong of [
      { min: 0 },
      { min: 2048, max: 1024 },
      { streams: 0 },
      { max: 0.5 },
    ]
  ) assert.throws(() => withReadAhead(huge(), wrong), RangeError);
});
