import assert from "node:assert/strict";
import test from "node:test";
import {
  patternBytes,
  settle,
  within,
} from "../../tests/conformance/controlled_source.ts";
import { FormatError, isCoded, ReadError } from "../errors.ts";
import { memoryStore } from "./memory_store.ts";
import { openSpooled, type Spoolable } from "./spool.ts";
import type { ContentStore, SpoolProgress } from "./store.ts";

const UNIT = 16 << 10;
const BYTES = patternBytes(40 * UNIT + 77);

let made = 0;

/** Work that counts how often it was started and how far it went. */
class Work {
  starts = 0;
  /** Bytes given, of the last start. */
  given = 0;
  ended = 0;
  aborted = 0;
  /** Where it fails, and how. */
  fault: { at: number; error: unknown } | undefined;
  readonly #bytes: Uint8Array;
  readonly #piece: number;

  constructor(bytes = BYTES, piece = 1000) {
    this.#bytes = bytes;
    this.#piece = piece;
  }

  readonly source = (signal: AbortSignal): ReadableStream<Uint8Array> => {
    this.starts++;
    let at = this.given = 0;
    signal.addEventListener("abort", () => this.aborted++);
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        // slow enough that others can come in between
        if (at % (16 * this.#piece) === 0) await settle(1);
        if (this.fault !== undefined && at >= this.fault.at) {
          return controller.error(this.fault.error);
        }
        if (at >= this.#bytes.length) {
          this.ended++;
          return controller.close();
        }
        controller.enqueue(this.#bytes.slice(at, at + this.#piece));
        at += this.#piece;
        this.given = Math.min(at, this.#bytes.length);
      },
    }, { highWaterMark: 0 });
  };
}

function open(work: Work, options: Partial<Spoolable> = {}) {
  const identity = `spool:${++made}`;
  return openSpooled({
    key: { identity, name: "spooled", size: BYTES.length },
    source: work.source,
    ahead: 0,
    ...options,
  });
}

type Reader = Awaited<ReturnType<typeof openSpooled>>;

async function assertReads(reader: Reader, offset: number, size: number) {
  const into = new Uint8Array(size);
  assert.equal(await within(5000, reader.read(offset, into)), size);
  assert.deepEqual(into, BYTES.slice(offset, offset + size));
}

test("openSpooled() works as far as it is read, and not again", async () => {
  const work = new Work();
  const reader = await open(work);
  await settle();
  assert.equal(work.starts, 0);
  await assertReads(reader, 100, 10);
  await settle();
  assert.ok(work.given < 3000, `${work.given}`);
  await assertReads(reader, 3 * UNIT, UNIT);
  await settle();
  assert.ok(work.given < 4 * UNIT + 2000, `${work.given}`);
  // also what is behind the front, and not a whole extent yet
  await assertReads(reader, 4 * UNIT - 50, 100);
  await assertReads(reader, 0, 4 * UNIT);
  assert.equal(work.starts, 1);
  await assertReads(reader, 0, BYTES.length);
  assert.deepEqual([work.starts, work.ended], [1, 1]);
  await assertReads(reader, 5, BYTES.length - 5);
  assert.equal(work.starts, 1);
  await reader.close();
});

test("openSpooled() works ahead of who reads", async () => {
  const work = new Work();
  const reader = await open(work, { ahead: 8 * UNIT });
  await assertReads(reader, 0, 10);
  await settle(200);
  assert.ok(work.given >= 8 * UNIT && work.given < 9 * UNIT, `${work.given}`);
  await assertReads(reader, 4 * UNIT, UNIT);
  await settle(200);
  assert.ok(work.given >= 13 * UNIT && work.given < 14 * UNIT);
  await reader.close();
});

test("openSpooled() does all of it at once when told so", async () => {
  const work = new Work();
  const reader = await open(work, { ahead: Infinity });
  while (work.ended === 0) await settle(1);
  assert.equal(work.starts, 1);
  await assertReads(reader, 0, BYTES.length);
  await reader.close();
});

test("openSpooled() finds out the size by working to the end", async () => {
  const work = new Work();
  const events: SpoolProgress[] = [];
  const reader = await open(work, {
    key: { identity: "unknown", name: "spooled" },
    onProgress: (progress) => events.push(progress),
  });
  assert.equal(reader.size, BYTES.length);
  assert.deepEqual([work.starts, work.ended], [1, 1]);
  await assertReads(reader, BYTES.length - 10, 10);
  assert.deepEqual(events.at(-1), {
    name: "spooled",
    done: BYTES.length,
    size: BYTES.length,
  });
  await reader.close();
});

test("openSpooled() does no work for what is kept", async () => {
  for (const size of [undefined, BYTES.length]) {
    const store = memoryStore();
    const key = { identity: `kept:${size}`, name: "kept", size };
    const first = await open(new Work(), { key, store });
    await assertReads(first, 0, BYTES.length);
    await first.close();
    const work = new Work();
    const again = await open(work, { key, store, ahead: Infinity });
    assert.equal(again.size, BYTES.length);
    await assertReads(again, 0, BYTES.length);
    assert.equal(work.starts, 0);
    await again.close();
  }
});

test("openSpooled() goes on with what an earlier run kept", async () => {
  const store = memoryStore();
  const key = { identity: "half", name: "half", size: BYTES.length };
  const first = await open(new Work(), { key, store });
  await assertReads(first, 0, 20 * UNIT);
  await first.close();
  const work = new Work();
  const again = await open(work, { key, store });
  await assertReads(again, 0, 15 * UNIT);
  await assertReads(again, 7 * UNIT + 9, 5);
  assert.equal(work.starts, 0);
  await assertReads(again, 10 * UNIT, 25 * UNIT);
  assert.equal(work.starts, 1);
  await again.close();
});

test("openSpooled() makes again what there is no room for", async () => {
  const work = new Work();
  const store = memoryStore({ maxBytes: 4 * UNIT });
  const reader = await open(work, { store });
  await assertReads(reader, 0, BYTES.length);
  assert.equal(work.starts, 1);
  await assertReads(reader, 0, 4 * UNIT);
  assert.equal(work.starts, 1);
  await assertReads(reader, 10 * UNIT, UNIT);
  assert.equal(work.starts, 2);
  // one more start serves all who wait for what the last one has passed
  await Promise.all(
    [3, 12, 30, 7, 25].map((unit) =>
      assertReads(reader, unit * UNIT + 10, UNIT)
    ),
  );
  assert.ok(work.starts <= 4, `${work.starts}`);
  await reader.close();
});

test("openSpooled() reads what its store cannot keep", async () => {
  const fails = () => Promise.reject(new Error("made to fail"));
  for (const size of [BYTES.length, undefined]) {
    const store: ContentStore = {
      async open(key) {
        const content = await memoryStore().open(key);
        content.write = fails;
        content.finish = fails;
        return content;
      },
    };
    const key = { identity: `fails:${size}`, name: "fails", size };
    const work = new Work();
    const reader = await open(work, { key, store });
    await assertReads(reader, 0, BYTES.length);
    await assertReads(reader, 5 * UNIT, 10);
    await reader.close();
  }
});

test("openSpooled() fails those who wait, and starts anew for the next", async () => {
  const work = new Work();
  const error = new ReadError("read.failed", "Cannot read: made to fail");
  work.fault = { at: 10 * UNIT, error };
  const reader = await open(work);
  const reads = [0, 9, 20, 30].map((unit) =>
    reader.read(unit * UNIT, new Uint8Array(UNIT)).then(() => "read", (e) => e)
  );
  const ends = await within(5000, Promise.all(reads));
  assert.deepEqual(ends, ["read", "read", error, error]);
  // what was kept before is right
  await assertReads(reader, 0, 9 * UNIT);
  assert.equal(work.starts, 1);
  work.fault = undefined;
  await assertReads(reader, 30 * UNIT, UNIT);
  assert.equal(work.starts, 2);
  await reader.close();
});

test("openSpooled() gives up all of what proves to be damaged", async () => {
  await assertGivenUp(new FormatError("xz.damaged", "Cannot read: damaged"));
});

test("openSpooled() gives up all of what has changed", async () => {
  await assertGivenUp(new ReadError("http.changed", "Cannot read: changed"));
});

async function assertGivenUp(error: Error): Promise<void> {
  const store = memoryStore();
  const key = { identity: "bad", name: "bad", size: BYTES.length };
  const work = new Work();
  work.fault = { at: BYTES.length, error };
  const reader = await open(work, { key, store });
  await assertReads(reader, 0, UNIT);
  // its last byte is not given before the end has proved right
  await assert.rejects(
    reader.read(BYTES.length - 1, new Uint8Array(1)),
    (found) => found === error,
  );
  const content = await store.open(key);
  assert.ok(!content.has(0, 1));
  await reader.close();
}

test("openSpooled() gives and keeps the last byte when the end has proved right", async () => {
  const error = new FormatError("xz.damaged", "Cannot read: damaged");
  for (const size of [3 * UNIT, 3 * UNIT - 5]) {
    for (const fault of [undefined, error]) {
      let prove = () => {};
      const proved = new Promise<void>((resolve) => prove = resolve);
      const store = memoryStore();
      const key = { identity: `last:${++made}`, name: "last", size };
      const reader = await openSpooled({
        key,
        store,
        ahead: 0,
        source: () =>
          new ReadableStream<Uint8Array>({
            start: (controller) => controller.enqueue(BYTES.slice(0, size)),
            pull: async (controller) => {
              await proved;
              if (fault === undefined) controller.close();
              else controller.error(fault);
            },
          }),
      });
      // rests behind all bytes when nobody asks for the end
      await assertReads(reader, 0, 10);
      await settle();
      const ends: unknown[] = [];
      const read = async (offset: number) => {
        const into = new Uint8Array(size);
        const count = await reader.read(offset, into);
        assert.equal(count, size - offset);
        assert.deepEqual(into.subarray(0, count), BYTES.slice(offset, size));
      };
      const reads = [size - 1, size - 1, 0, UNIT + 1].map((offset) =>
        read(offset).then(() => ends.push("read"), (e) => ends.push(e))
      );
      await settle();
      assert.deepEqual(ends, []);
      const content = await store.open(key);
      assert.ok(content.has(0, 2 * UNIT));
      assert.ok(!content.has(size - 1, 1));
      prove();
      await within(5000, Promise.all(reads));
      assert.deepEqual(ends, Array(4).fill(fault ?? "read"));
      assert.equal(content.has(size - 1, 1), fault === undefined);
      await reader.close();
    }
  }
});

test("openSpooled() refuses work that makes more or less than it should", async () => {
  for (const size of [BYTES.length - 1, BYTES.length + 1]) {
    const key = { identity: `wrong:${size}`, name: "wrong", size };
    const reader = await open(new Work(), { key });
    await assert.rejects(
      within(5000, reader.read(0, new Uint8Array(size))),
      (error) => isCoded(error, "spool.wrong-size"),
    );
    await reader.close();
  }
});

test("openSpooled() without a store refuses what is too large for memory", async () => {
  const isNoRoom = (error: unknown) => isCoded(error, "store.no-room");
  const size = (256 << 20) + 1;
  const key = { identity: "large", name: "large.img", size };
  await assert.rejects(open(new Work(), { key }), isNoRoom);
  const zeros = new Uint8Array(1 << 20);
  let starts = 0;
  const endless = () => {
    starts++;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(zeros),
    });
  };
  await assert.rejects(
    openSpooled({ key: { identity: "endless", name: "x" }, source: endless }),
    isNoRoom,
  );
  assert.equal(starts, 1);
});

test("openSpooled() lets one reader leave, and works on for the others", async () => {
  const work = new Work();
  const reader = await open(work);
  const controller = new AbortController();
  const reason = new Error("left");
  const left = reader.read(30 * UNIT, new Uint8Array(UNIT), controller);
  const stays = assertReads(reader, 35 * UNIT, UNIT);
  await settle(1);
  controller.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  await stays;
  assert.deepEqual([work.starts, work.aborted], [1, 0]);
  await reader.close();
});

test("openSpooled() rests when the last reader has left, and goes on from there", async () => {
  const work = new Work();
  const reader = await open(work);
  const controller = new AbortController();
  const left = reader.read(30 * UNIT, new Uint8Array(UNIT), controller);
  left.catch(() => {});
  await settle(5);
  controller.abort();
  await assert.rejects(left);
  await settle(2);
  const { given } = work;
  await settle(20);
  assert.equal(work.given, given);
  assert.ok(given < 30 * UNIT, "it was done before anybody left");
  await assertReads(reader, 30 * UNIT, UNIT);
  assert.equal(work.starts, 1);
  await reader.close();
});

test("openSpooled() ends the work when it is closed, or its opening is left", async () => {
  const work = new Work();
  const reader = await open(work);
  const read = reader.read(39 * UNIT, new Uint8Array(UNIT));
  read.catch(() => {});
  await settle(2);
  await reader.close();
  await reader.close();
  await assert.rejects(read, (error) => isCoded(error, "read.closed"));
  assert.equal(work.aborted, 1);
  await assert.rejects(
    reader.read(0, new Uint8Array(1)),
    (error) => isCoded(error, "read.closed"),
  );
  const hanging = new Work();
  const controller = new AbortController();
  const reason = new Error("left");
  const opening = openSpooled({
    key: { identity: "hanging", name: "hanging" },
    source: (signal) => {
      signal.addEventListener("abort", () => hanging.aborted++);
      return new Promise(() => {});
    },
    signal: controller.signal,
  });
  opening.catch(() => {});
  await settle();
  controller.abort(reason);
  await assert.rejects(within(5000, opening), (error) => error === reason);
  assert.equal(hanging.aborted, 1);
});

test("openSpooled() tells progress ten times a second at most", async () => {
  const events: SpoolProgress[] = [];
  const bytes = patternBytes(1 << 20);
  const start = performance.now();
  const reader = await openSpooled({
    key: { identity: "told", name: "told" },
    source: new Work(bytes, 512).source,
    onProgress: (progress) => events.push(progress),
  });
  const most = (performance.now() - start) / 100 + 2;
  assert.ok(events.length >= 1 && events.length <= most, `${events.length}`);
  assert.equal(events.at(-1)!.done, bytes.length);
  await reader.close();
});
