/**
 * What every {@linkcode BlockReader} must do, as one suite for all of them.
 *
 * @module
 */

import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import {
  ControlledSource,
  patternBytes,
  settle,
  within,
} from "./controlled_source.ts";

/** A reader to judge, and what to do when done with it. */
export interface ReaderUnderTest {
  readonly reader: BlockReader;
  readonly close?: () => Promise<void> | void;
}

/** Cases that a reader may be excused from, by name, with the reason. */
export type SkipReasons = Readonly<Partial<Record<CaseName, string>>>;

/** What the suite can be told. */
export interface ConformanceOptions {
  readonly skip?: SkipReasons;
  /** Of a wrapper: puts it over a given source, for the cases in which the source misbehaves. */
  readonly over?: (
    source: BlockReader,
  ) => BlockReader | Promise<BlockReader>;
}

type MakeReader = (bytes: Uint8Array<ArrayBuffer>) => Promise<ReaderUnderTest>;

const SIZE = 70_001; // no block size divides it
const BYTES = patternBytes(SIZE);

type Case = (reader: BlockReader, make: MakeReader) => Promise<void>;

const cases = {
  "gives the bytes of random reads": async (reader) => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(SIZE + 100),
        fc.oneof(fc.nat(64), fc.nat(SIZE)),
        async (offset, length) => {
          const into = new Uint8Array(length);
          const count = await reader.read(offset, into);
          assert.equal(count, Math.max(0, Math.min(length, SIZE - offset)));
          assertSame(into.subarray(0, count), offset);
        },
      ),
      { numRuns: 150 },
    );
  },
  "gives the bytes of random reads at the same time": async (reader) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(SIZE), fc.nat(9000)), { maxLength: 20 }),
        async (ranges) => {
          await Promise.all(ranges.map(async ([offset, length]) => {
            const into = new Uint8Array(length);
            const count = await reader.read(offset, into);
            assertSame(into.subarray(0, count), offset);
          }));
        },
      ),
      { numRuns: 40 },
    );
  },
  "gives the bytes of unaligned reads": async (reader) => {
    for (const edge of [512, 4096, 16384, 65536]) {
      for (const offset of [edge - 1, edge, edge + 1]) {
        for (const length of [1, 2, 3, 511, 513]) {
          const into = new Uint8Array(length);
          assert.equal(await reader.read(offset, into), length);
          assertSame(into, offset);
        }
      }
    }
  },
  "gives the bytes of a reader read from start to end": async (reader) => {
    const step = 1000;
    for (let offset = 0; offset < SIZE; offset += step) {
      const into = new Uint8Array(step);
      const count = await reader.read(offset, into);
      assert.equal(count, Math.min(step, SIZE - offset));
      assertSame(into.subarray(0, count), offset);
    }
  },
  "reads nothing into an empty buffer": async (reader) => {
    for (const offset of [0, 17, SIZE, SIZE + 5]) {
      assert.equal(await reader.read(offset, new Uint8Array(0)), 0);
    }
  },
  "gives 0 at and past the end, fewer when crossing it": async (reader) => {
    const into = new Uint8Array(100).fill(0xa5);
    assert.equal(reader.size, SIZE);
    assert.equal(await reader.read(SIZE, into), 0);
    assert.equal(await reader.read(SIZE + 1, into), 0);
    assert.equal(await reader.read(Number.MAX_SAFE_INTEGER, into), 0);
    assert.equal(await reader.read(SIZE - 3, into), 3);
    assertSame(into.subarray(0, 3), SIZE - 3);
    assert.equal(await reader.read(SIZE - 100, into), 100);
    assertSame(into, SIZE - 100);
  },
  "rejects offsets that are none with a RangeError": async (reader) => {
    const wrong = [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53];
    for (const offset of wrong) {
      for (const length of [0, 8]) {
        const read = reader.read(offset, new Uint8Array(length));
        await assert.rejects(read, RangeError, `offset ${offset}`);
      }
    }
  },
  "states a block size and an identity": async (reader) => {
    assert.ok(Number.isSafeInteger(reader.blockSize) && reader.blockSize > 0);
    assert.equal(
      2 ** Math.round(Math.log2(reader.blockSize)),
      reader.blockSize,
    );
    assert.equal(typeof reader.identity, "string");
    assert.notEqual(reader.identity, "");
    assert.notEqual(reader.name, "");
    await Promise.resolve();
  },
  "fills a view without touching what is around it": async (reader) => {
    const memory = new Uint8Array(5000).fill(0xa5);
    const into = new Uint8Array(memory.buffer, 1003, 2000);
    assert.equal(await reader.read(333, into), 2000);
    assertSame(into, 333);
    assert.ok(memory.subarray(0, 1003).every((byte) => byte === 0xa5));
    assert.ok(memory.subarray(3003).every((byte) => byte === 0xa5));
    memory.fill(0xa5);
    assert.equal(await reader.read(SIZE - 10, into), 10);
    assert.ok(memory.subarray(3003).every((byte) => byte === 0xa5));
  },
  "answers 1000 reads at the same time": async (reader) => {
    const reads = Array.from({ length: 1000 }, async (_, i) => {
      const offset = (i * 7919) % SIZE;
      const into = new Uint8Array(1 + (i % 300));
      const count = await reader.read(offset, into);
      assert.equal(count, Math.min(into.length, SIZE - offset));
      assertSame(into.subarray(0, count), offset);
    });
    await within(20_000, Promise.all(reads));
  },
  "leaves the buffer alone after a read": async (reader) => {
    const into = new Uint8Array(4096);
    await reader.read(100, into);
    into.fill(0xa5);
    await reader.read(0, new Uint8Array(SIZE));
    await settle();
    assert.ok(into.every((byte) => byte === 0xa5));
  },
  "rejects with the reason when aborted before": async (reader) => {
    const reason = new Error("left");
    const into = new Uint8Array(64).fill(0xa5);
    for (const offset of [0, SIZE, SIZE + 10]) {
      const read = reader.read(offset, into, {
        signal: AbortSignal.abort(reason),
      });
      await assert.rejects(read, (error) => error === reason);
    }
    await settle();
    assert.ok(into.every((byte) => byte === 0xa5));
    assert.equal(await reader.read(0, into), 64);
    assertSame(into, 0);
  },
  "rejects with the reason or gives the bytes when aborted during": async (
    reader,
  ) => {
    const reason = new Error("left");
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const into = new Uint8Array(30_000);
      const other = new Uint8Array(30_000);
      const offset = i * 1000;
      const read = reader.read(offset, into, { signal: controller.signal });
      const besides = reader.read(offset + 10, other);
      if (i % 3 !== 0) await Promise.resolve();
      controller.abort(reason);
      const left = await within(
        5000,
        read.then(() => false, (error) => {
          assert.equal(error, reason);
          return true;
        }),
      );
      if (left) into.fill(0xa5);
      assert.equal(await within(5000, besides), other.length);
      assertSame(other, offset + 10);
      await settle(2);
      if (left) assert.ok(into.every((byte) => byte === 0xa5));
      else assertSame(into, offset);
      assert.equal(await reader.read(offset, into), into.length);
      assertSame(into, offset);
    }
  },
  "accepts a signal that never fires": async (reader) => {
    const { signal } = new AbortController();
    const into = new Uint8Array(20_000);
    assert.equal(await reader.read(7, into, { signal }), into.length);
    assertSame(into, 7);
  },
  "is a reader of nothing over nothing": async (_, make) => {
    const { reader, close } = await make(new Uint8Array(0));
    try {
      assert.equal(reader.size, 0);
      assert.equal(await reader.read(0, new Uint8Array(10)), 0);
      assert.equal(await reader.read(5, new Uint8Array(10)), 0);
      assert.equal(await reader.read(0, new Uint8Array(0)), 0);
    } finally {
      await close?.();
    }
  },
} satisfies Record<string, Case>;

interface OverSource {
  readonly reader: BlockReader;
  readonly source: ControlledSource;
}

type OverCase = (fresh: () => Promise<OverSource>) => Promise<void>;

const overCases = {
  "ends 1000 reads over a failing source": async (fresh) => {
    const { reader, source } = await fresh();
    source.failures = Infinity;
    const { signal } = new AbortController();
    const reads = Array.from({ length: 1000 }, (_, i) => {
      const into = new Uint8Array(1 + (i * 37) % 5000);
      const options = i % 2 === 0 ? undefined : { signal };
      return reader.read((i * 61) % (SIZE - 5000), into, options);
    });
    const ends = await within(20_000, Promise.allSettled(reads));
    for (const end of ends) {
      assert.equal(end.status, "rejected");
      assert.ok(isCoded((end as PromiseRejectedResult).reason, "read.failed"));
    }
    source.failures = 0;
    await assertReads(reader, 0, SIZE);
    assert.equal(source.pending, 0);
  },
  "reads again after a failure": async (fresh) => {
    for (const length of [10, 5000, 60_000]) {
      const { reader, source } = await fresh();
      source.failures = 1;
      const failed = reader.read(SIZE - length, new Uint8Array(length));
      await assert.rejects(failed, (error) => isCoded(error, "read.failed"));
      source.failures = 0;
      await assertReads(reader, SIZE - length, length);
    }
  },
  "lets a reader leave at once": async (fresh) => {
    const reason = new Error("left");
    for (const length of [10, 5000, 60_000]) {
      const { reader, source } = await fresh();
      const controller = new AbortController();
      source.hold();
      const offset = SIZE - length;
      const into = new Uint8Array(length);
      const read = reader.read(offset, into, { signal: controller.signal });
      read.catch(() => {});
      await settle();
      assert.ok(source.pending > 0, "nothing under way");
      controller.abort(reason);
      await assert.rejects(within(2000, read), (error) => error === reason);
      into.fill(0xa5);
      await settle();
      assert.equal(source.pending, 0, "the source still works for nobody");
      source.release();
      await settle();
      assert.ok(into.every((byte) => byte === 0xa5));
      await assertReads(reader, offset, length);
    }
  },
  "keeps those who stay when another leaves": async (fresh) => {
    const { reader, source } = await fresh();
    const reason = new Error("left");
    const leaving = new AbortController();
    const staying = new AbortController();
    source.hold();
    const intos = Array.from({ length: 30 }, () => new Uint8Array(3000));
    const reads = intos.map((into, i) =>
      reader.read(40_000 + 50 * (i % 7), into, {
        signal: i % 3 === 0 ? leaving.signal : staying.signal,
      })
    );
    for (const read of reads) read.catch(() => {});
    await settle();
    leaving.abort(reason);
    for (const [i, read] of reads.entries()) {
      if (i % 3 === 0) {
        await assert.rejects(within(2000, read), (error) => error === reason);
        intos[i]!.fill(0xa5);
      }
    }
    source.release();
    for (const [i, read] of reads.entries()) {
      if (i % 3 === 0) continue;
      assert.equal(await within(2000, read), 3000);
      assertSame(intos[i]!, 40_000 + 50 * (i % 7));
    }
    await settle();
    for (const [i, into] of intos.entries()) {
      if (i % 3 === 0) assert.ok(into.every((byte) => byte === 0xa5));
    }
  },
  "serves who comes after the last one left": async (fresh) => {
    const { reader, source } = await fresh();
    const reason = new Error("left");
    const controller = new AbortController();
    source.hold();
    const first = reader.read(1000, new Uint8Array(2000), {
      signal: controller.signal,
    });
    first.catch(() => {});
    await settle();
    controller.abort(reason);
    const next = assertReads(reader, 1000, 2000);
    await assert.rejects(first, (error) => error === reason);
    source.release();
    await within(2000, next);
  },
} satisfies Record<string, OverCase>;

/** Names of the cases, for {@linkcode ConformanceOptions.skip}. */
export type CaseName = keyof typeof cases | keyof typeof overCases;

/** Registers the suite for one kind of reader. */
export function blockReaderConformance(
  name: string,
  make: MakeReader,
  { skip = {}, over }: ConformanceOptions = {},
): void {
  for (const [title, run] of Object.entries(cases) as [CaseName, Case][]) {
    test(`${name} ${title}`, skipOptions(skip[title]), async () => {
      const { reader, close } = await make(BYTES.slice());
      try {
        await run(reader, make);
      } finally {
        await close?.();
      }
    });
  }
  if (over === undefined) return;
  const entries = Object.entries(overCases) as [CaseName, OverCase][];
  for (const [title, run] of entries) {
    test(`${name} ${title}`, skipOptions(skip[title]), async () => {
      await run(async () => {
        const source = new ControlledSource(BYTES.slice());
        return { source, reader: await over(source) };
      });
    });
  }
}

function skipOptions(reason: string | undefined): { skip?: string } {
  return reason === undefined ? {} : { skip: reason };
}

async function assertReads(
  reader: BlockReader,
  offset: number,
  length: number,
): Promise<void> {
  const into = new Uint8Array(length);
  assert.equal(await within(5000, reader.read(offset, into)), length);
  assertSame(into, offset);
}

/** Compares without making the long message that `deepEqual` makes of 60000 bytes. */
function assertSame(found: Uint8Array, offset: number): void {
  for (let i = 0; i < found.length; i++) {
    if (found[i] !== BYTES[offset + i]) {
      assert.fail(
        `byte ${offset + i} is ${found[i]}, expected ${BYTES[offset + i]}`,
      );
    }
  }
}
