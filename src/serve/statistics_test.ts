import assert from "node:assert/strict";
import test from "node:test";
import { Statistics } from "./statistics.ts";

test("Statistics counts each request once, by what it asked for", () => {
  const statistics = new Statistics();
  for (let i = 0; i < 5; i++) statistics.begin();
  statistics.end("read", 0, 4096, 1);
  statistics.end("write", 95, 0, 1);
  statistics.end("flush", 0, 0, 1);
  statistics.drop();
  assert.equal(statistics.inFlight, 1);
  assert.equal(statistics.answered, 3);
  const { latency: _, ...report } = statistics.report({ hits: 2, misses: 1 });
  assert.deepEqual(report, {
    requests: { read: 1, write: 1, flush: 1, discard: 0 },
    failed: 1,
    bytesRead: 4096,
    bytesWritten: 0,
    inFlight: 1,
    maxInFlight: 5,
    cache: { hits: 2, misses: 1 },
  });
  statistics.end("write", 0, 512, 1);
  const next = statistics.report();
  assert.equal(next.bytesWritten, 512);
  assert.equal(next.maxInFlight, 1);
  assert.equal(next.cache, undefined);
});

test("percentiles are right to a sixteenth, from a microsecond to a minute", () => {
  for (const scale of [0.002, 0.05, 1, 40]) {
    const statistics = new Statistics();
    const all: number[] = [];
    for (let i = 1; i <= 1000; i++) {
      const ms = i * i / 1000 * scale;
      all.push(ms);
      statistics.begin();
      statistics.end("read", 0, 0, ms);
    }
    const { latency } = statistics.report();
    const expected = { p50: all[499]!, p95: all[949]!, p99: all[989]! };
    for (const [name, value] of Object.entries(expected)) {
      const found = latency![name as keyof typeof expected];
      const least = Math.max(value, 0.001);
      assert.ok(
        found >= least * 0.999 && found <= least * 1.07,
        `${name} of ${scale}: ${found}, expected ${value}`,
      );
    }
    assert.equal(latency!.max, all.at(-1));
    assert.equal(statistics.report().latency, undefined);
  }
});

test("latencies beyond the table are counted", () => {
  const statistics = new Statistics();
  for (const ms of [0, -1, 1e9, 7e4]) {
    statistics.begin();
    statistics.end("read", 0, 0, ms);
  }
  const { latency } = statistics.report();
  assert.equal(latency!.max, 1e9);
  assert.ok(latency!.p50 <= 0.002 && latency!.p99 > 6e4);
});
