import assert from "node:assert/strict";
import test from "node:test";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../tests/fixtures/codecs/fixtures.ts";
import { openPieceDecoder, type PieceDecoder, pieceSpecs } from "./pieces.ts";
import { CodecPool, type WorkerLike } from "./pool.ts";
import { serveJobs, type WorkerScope } from "./serve_jobs.ts";

/** A worker on this thread: what is posted arrives later, as a copy. */
class FakeWorker implements WorkerLike {
  static made: FakeWorker[] = [];
  onmessage: WorkerLike["onmessage"] = null;
  onerror: WorkerLike["onerror"] = null;
  terminated = false;
  readonly posted: Record<string, unknown>[] = [];
  readonly #scope: WorkerScope = {
    onmessage: null,
    postMessage: (data) => {
      if (!this.terminated) this.onmessage?.({ data });
    },
  };

  constructor() {
    FakeWorker.made.push(this);
    serveJobs(this.#scope);
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    const { module, ...plain } = message as Record<string, unknown>;
    this.posted.push(plain);
    const data = structuredClone(plain, {
      transfer: transfer as ArrayBuffer[],
    });
    setTimeout(() => this.#scope.onmessage?.({ data: { ...data, module } }));
  }

  terminate(): void {
    this.terminated = true;
  }
}

/** Feeds pieces of `size` bytes, as long as they are taken. */
async function decode(
  decoder: PieceDecoder,
  data: Uint8Array,
  size: number,
  room: number,
): Promise<Uint8Array> {
  const found: number[] = [];
  for (let at = 0;;) {
    const piece = data.subarray(at, at + size);
    const finish = at + piece.length === data.length;
    const { bytes, consumed, ended } = await decoder.run(piece, finish, room);
    found.push(...bytes);
    at += consumed;
    if (ended) return Uint8Array.from(found);
  }
}

const FORMATS = [
  ["seq.gz", pieceSpecs.gzip],
  ["seq.zst", pieceSpecs.zstd],
  ["seq.lz4", pieceSpecs.lz4],
  ["seq.bz2", pieceSpecs.bzip2],
] as const;

for (const inline of [true, false]) {
  const kind = inline ? "on this thread" : "in workers";
  const open = () =>
    new CodecPool(inline ? {} : { createWorker: () => new FakeWorker() });

  for (const [file, spec] of FORMATS) {
    test(`openDecoder() decodes ${file} in pieces, ${kind}`, async () => {
      const pool = open();
      for (const [size, room] of [[1000, 1], [7, 500], [1e6, 1e6]] as const) {
        const decoder = pool.openDecoder(spec(SEQ.length));
        const found = await decode(decoder, fixture(file), size, room);
        assert.deepEqual(found, SEQ);
        decoder.close();
        decoder.close();
      }
      pool.close();
    });
  }

  test(`openDecoder() tells damage and limits by code, ${kind}`, async () => {
    const pool = open();
    const damaged = fixture("seq.gz");
    damaged[100]! ^= 1;
    const spec = pieceSpecs.gzip(SEQ.length);
    await rejectsWith(
      decode(pool.openDecoder(spec), damaged, 1e6, 1e6),
      ...["gzip.damaged", "gzip.checksum-mismatch"],
    );
    await rejectsWith(
      decode(pool.openDecoder(spec), fixture("seq.gz").slice(0, 99), 1e6, 1e6),
      "gzip.truncated",
    );
    const small = pool.openDecoder(pieceSpecs.gzip(10));
    await rejectsWith(
      decode(small, fixture("seq.gz"), 1e6, 1e6),
      "gzip.output-limit",
    );
    pool.close();
  });
}

test("openDecoder() spreads decoders over workers and closes them there", async () => {
  FakeWorker.made = [];
  const pool = new CodecPool({
    createWorker: () => new FakeWorker(),
    size: 2,
  });
  const decoders = Array.from(
    { length: 4 },
    () => pool.openDecoder(pieceSpecs.gzip(SEQ.length)),
  );
  const found = await Promise.all(
    decoders.map((decoder) => decode(decoder, fixture("seq.gz"), 500, 500)),
  );
  for (const bytes of found) assert.deepEqual(bytes, SEQ);
  assert.equal(FakeWorker.made.length, 2);
  for (const decoder of decoders) decoder.close();
  const closings = FakeWorker.made.map(({ posted }) =>
    posted.filter((message) => message["close"] === true).length
  );
  assert.deepEqual(closings, [2, 2]);
  pool.close();
  assert.ok(FakeWorker.made.every(({ terminated }) => terminated));
});

test("openDecoder() fails its runs when the worker dies or the pool closes", async () => {
  FakeWorker.made = [];
  const pool = new CodecPool({ createWorker: () => new FakeWorker() });
  const spec = pieceSpecs.gzip(SEQ.length);
  const decoder = pool.openDecoder(spec);
  const start = fixture("seq.gz").subarray(0, 100);
  await decoder.run(start, false, 1000);
  const run = decoder.run(start, false, 1000);
  FakeWorker.made[0]!.onerror!({ message: "it burst" });
  await rejectsWith(run, "wasm.worker-failed");
  await rejectsWith(decoder.run(start, false, 1000), "wasm.worker-failed");
  const next = pool.openDecoder(spec);
  assert.deepEqual(await decode(next, fixture("seq.gz"), 1e6, 1e6), SEQ);
  const last = pool.openDecoder(spec).run(start, false, 1000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const waiting = next.run(start, false, 1000);
  pool.close();
  await last.catch(() => {});
  await rejectsWith(waiting, "wasm.pool-closed");
});

test("openDecoder() works on this thread when workers cannot be made", async () => {
  const pool = new CodecPool({
    createWorker() {
      throw new Error("not allowed");
    },
  });
  const decoder = pool.openDecoder(pieceSpecs.gzip(SEQ.length));
  assert.deepEqual(await decode(decoder, fixture("seq.gz"), 77, 77), SEQ);
  pool.close();
});

test("openPieceDecoder() can be closed while it runs", async () => {
  const decoder = openPieceDecoder(pieceSpecs.gzip(SEQ.length));
  const run = decoder.run(fixture("seq.gz"), true, 1e6);
  decoder.close();
  await run.catch(() => {});
  decoder.close();
});
