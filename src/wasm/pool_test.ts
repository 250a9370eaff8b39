import assert from "node:assert/strict";
import test from "node:test";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../tests/fixtures/codecs/fixtures.ts";
import { CodecPool, type WorkerLike } from "./pool.ts";
import { serveJobs, type WorkerScope } from "./serve_jobs.ts";

/** A worker on this thread: what is posted arrives later, as a copy. */
class FakeWorker implements WorkerLike {
  static made: FakeWorker[] = [];
  onmessage: WorkerLike["onmessage"] = null;
  onerror: WorkerLike["onerror"] = null;
  terminated = false;
  posted = 0;
  readonly #scope: WorkerScope;

  constructor(answers = true) {
    FakeWorker.made.push(this);
    this.#scope = {
      onmessage: null,
      postMessage: (message) => {
        if (!this.terminated) this.onmessage?.({ data: message });
      },
    };
    if (answers) serveJobs(this.#scope);
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    this.posted++;
    const { module, ...plain } = message as Record<string, unknown>;
    const data = structuredClone(plain, {
      transfer: transfer as ArrayBuffer[],
    });
    setTimeout(() => this.#scope.onmessage?.({ data: { ...data, module } }));
  }

  terminate(): void {
    this.terminated = true;
  }
}

const max = { maxSize: SEQ.length };

for (const inline of [true, false]) {
  const kind = inline ? "inline" : "in workers";
  test(`CodecPool runs jobs ${kind}`, async () => {
    const pool = new CodecPool(
      inline ? {} : { createWorker: () => new FakeWorker() },
    );
    const results = await Promise.all(
      Array.from(
        { length: 8 },
        () => pool.run("gunzip", fixture("seq.gz"), max),
      ),
    );
    for (const result of results) {
      assert.deepEqual(new Uint8Array(result), SEQ);
    }
    await rejectsWith(
      pool.run("gunzip", fixture("seq.gz"), { maxSize: 5 }),
      "gzip.output-limit",
    );
    await assert.rejects(pool.run("gzip", SEQ, { level: 77 }), RangeError);
    pool.close();
    await rejectsWith(pool.run("gzip", SEQ, {}), "wasm.pool-closed");
  });
}

test("CodecPool leaves the caller's data alone unless told to take it", async () => {
  const pool = new CodecPool({ createWorker: () => new FakeWorker() });
  const data = SEQ.slice();
  await pool.run("gzip", data, {});
  assert.deepEqual(data, SEQ);
  await pool.run("gzip", data, {}, { transfer: true });
  assert.equal(data.length, 0);
  pool.close();
});

test("CodecPool lets a caller leave at once and the others go on", async () => {
  FakeWorker.made = [];
  const pool = new CodecPool({ createWorker: () => new FakeWorker(), size: 1 });
  const running = new AbortController(), waiting = new AbortController();
  const first = pool.run("gzip", SEQ, {}, { signal: running.signal });
  const second = pool.run("gzip", SEQ, {}, { signal: waiting.signal });
  const third = pool.run("gunzip", fixture("seq.gz"), max);
  for (const job of [first, second]) job.catch(() => {});
  await new Promise((go) => setTimeout(go, 0));
  waiting.abort("left the queue");
  running.abort("left the worker");
  await assert.rejects(first, (reason) => reason === "left the worker");
  await assert.rejects(second, (reason) => reason === "left the queue");
  assert.equal((await third).length, SEQ.length);
  assert.deepEqual(FakeWorker.made.map((made) => made.terminated), [
    true,
    false,
  ]);
  await assert.rejects(
    pool.run("gzip", SEQ, {}, { signal: AbortSignal.abort("before") }),
    (reason) => reason === "before",
  );
  pool.close();
});

test("CodecPool fails the job of a dead worker with a code and replaces the worker", async () => {
  FakeWorker.made = [];
  const pool = new CodecPool({
    createWorker: () => new FakeWorker(FakeWorker.made.length > 0),
    size: 1,
  });
  const lost = pool.run("gzip", SEQ, {});
  const next = pool.run("gunzip", fixture("seq.gz"), max);
  lost.catch(() => {});
  while ((FakeWorker.made[0]?.posted ?? 0) === 0) {
    await new Promise((go) => setTimeout(go, 1));
  }
  FakeWorker.made[0]!.onerror?.({ message: "out of luck" });
  await rejectsWith(lost, "wasm.worker-failed");
  assert.equal((await next).length, SEQ.length);
  assert.equal(FakeWorker.made.length, 2);
  pool.close();
});

test("CodecPool refuses more than it can queue, and fails what waits when closed", async () => {
  const pool = new CodecPool({
    createWorker: () => new FakeWorker(false),
    size: 1,
    maxWaiting: 1,
  });
  const jobs = [pool.run("gzip", SEQ, {}), pool.run("gzip", SEQ, {})];
  for (const job of jobs) job.catch(() => {});
  await rejectsWith(pool.run("gzip", SEQ, {}), "wasm.pool-full");
  pool.close();
  for (const job of jobs) await rejectsWith(job, "wasm.pool-closed");
});

test("CodecPool runs inline when workers cannot be made", async () => {
  const pool = new CodecPool({
    createWorker: () => {
      throw new Error("refused by policy");
    },
  });
  const out = await pool.run("gunzip", fixture("seq.gz"), max);
  assert.deepEqual(new Uint8Array(out), SEQ);
  pool.close();
});
