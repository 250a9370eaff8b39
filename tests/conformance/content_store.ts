/**
 * What every {@linkcode ContentStore} must do, as one suite for all of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type {
  ContentStore,
  StoredContent,
  StoreKey,
} from "../../src/block/store.ts";
import { patternBytes, settle, within } from "./controlled_source.ts";

/** A store to judge, empty, and what to do when done with it. */
export interface StoreUnderTest {
  readonly store: ContentStore;
  /** Of a store that outlasts the program: the same, as another program would open it. */
  readonly again?: () => Promise<ContentStore> | ContentStore;
  /** Changes one byte that is kept, behind the back of the store. */
  readonly corrupt?: (key: StoreKey, offset: number) => Promise<void>;
  readonly close?: () => Promise<void> | void;
}

/** Makes a store that keeps at most `maxBytes`; as many as it likes when absent. */
export type MakeStore = (maxBytes?: number) => Promise<StoreUnderTest>;

type Case = (under: StoreUnderTest, make: MakeStore) => Promise<void>;

let made = 0;

/** A key that no other test uses. */
export function newKey(size?: number): StoreKey {
  const identity = `content-store:${++made}`;
  return { identity, name: `content ${made}`, size };
}

/** Content of more than one extent whose last is short. */
function contentFor({ extentSize }: StoredContent, extents = 5) {
  return patternBytes(extents * extentSize - 1234);
}

async function opened(
  { store }: StoreUnderTest,
): Promise<
  { key: StoreKey; content: StoredContent; bytes: Uint8Array<ArrayBuffer> }
> {
  const probe = await store.open(newKey());
  const bytes = contentFor(probe);
  await probe.close();
  const key = newKey(bytes.length);
  return { key, bytes, content: await store.open(key) };
}

async function assertKept(
  content: StoredContent,
  bytes: Uint8Array,
  offset = 0,
  size = bytes.length - offset,
): Promise<void> {
  assert.ok(content.has(offset, size), `${size} bytes at ${offset} not kept`);
  const into = new Uint8Array(size);
  assert.equal(await within(5000, content.read(offset, into)), true);
  const wrong = into.findIndex((byte, i) => byte !== bytes[offset + i]);
  assert.equal(wrong, -1, `byte ${offset + wrong} is wrong`);
}

const cases = {
  "has nothing at first": async (under) => {
    const { content, bytes } = await opened(under);
    assert.equal(content.size, bytes.length);
    assert.ok(!content.has(0, 1));
    assert.ok(!content.has(bytes.length - 1, 1));
    assert.equal(await content.read(0, new Uint8Array(10)), false);
    assert.ok(content.has(0, 0));
    await content.close();
  },
  "gives back what was written, by any range": async (under) => {
    const { content, bytes } = await opened(under);
    await content.write(0, bytes);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length),
        fc.oneof(fc.nat(64), fc.nat(bytes.length)),
        async (offset, size) => {
          const count = Math.min(size, bytes.length - offset);
          await assertKept(content, bytes, offset, count);
        },
      ),
      { numRuns: 60 },
    );
    assert.ok(!content.has(bytes.length - 1, 2), "has bytes past the end");
    await content.close();
  },
  "keeps extents apart": async (under) => {
    const { content, bytes } = await opened(under);
    const unit = content.extentSize;
    await content.write(unit, bytes.subarray(unit, 2 * unit));
    await content.write(4 * unit, bytes.subarray(4 * unit));
    assert.ok(!content.has(0, 1));
    assert.ok(!content.has(unit, unit + 1));
    assert.ok(!content.has(unit - 1, 2));
    assert.equal(await content.read(0, new Uint8Array(2 * unit)), false);
    await assertKept(content, bytes, unit, unit);
    await assertKept(content, bytes, 4 * unit);
    await content.close();
  },
  "does not take the memory it was given": async (under) => {
    const { content, bytes } = await opened(under);
    const given = bytes.slice();
    await content.write(0, given);
    given.fill(0xa5);
    await assertKept(content, bytes);
    const into = new Uint8Array(100);
    await content.read(0, into);
    into.fill(0xa5);
    await assertKept(content, bytes);
    await content.close();
  },
  "refuses to write where no extent begins": async (under) => {
    const { content } = await opened(under);
    for (const offset of [-1, 1, 0.5, content.extentSize + 1, NaN]) {
      await assert.rejects(
        content.write(offset, new Uint8Array(1)),
        RangeError,
      );
    }
    await content.close();
  },
  "shares an entry among all who have it open": async (under) => {
    const { key, content, bytes } = await opened(under);
    const other = await under.store.open(key);
    await content.write(0, bytes);
    await assertKept(other, bytes);
    await content.close();
    await content.close();
    await assertKept(other, bytes);
    assert.equal(await content.read(0, new Uint8Array(1)), false);
    await content.write(0, bytes);
    await other.close();
  },
  "keeps what was written when it is opened again": async (under) => {
    const { key, content, bytes } = await opened(under);
    const unit = content.extentSize;
    await content.write(0, bytes.subarray(0, 2 * unit));
    await content.write(4 * unit, bytes.subarray(4 * unit));
    await content.close();
    const stores = [under.store];
    if (under.again !== undefined) stores.push(await under.again());
    for (const store of stores) {
      const again = await store.open(key);
      assert.equal(again.size, bytes.length);
      await assertKept(again, bytes, 0, 2 * unit);
      await assertKept(again, bytes, 4 * unit);
      assert.ok(!again.has(2 * unit, 1));
      await again.close();
    }
  },
  "keeps contents of different identity apart": async (under) => {
    const one = await opened(under);
    const other = await opened(under);
    const bytes = patternBytes(one.bytes.length, 2);
    await one.content.write(0, one.bytes);
    assert.ok(!other.content.has(0, 1));
    await other.content.write(0, bytes);
    await assertKept(one.content, one.bytes);
    await assertKept(other.content, bytes);
    await one.content.close();
    await other.content.close();
  },
  "learns the size at the end": async (under) => {
    const key = newKey();
    const content = await under.store.open(key);
    assert.equal(content.size, undefined);
    const bytes = contentFor(content);
    const unit = content.extentSize;
    await content.write(0, bytes.subarray(0, 3 * unit));
    assert.equal(content.size, undefined);
    await content.write(3 * unit, bytes.subarray(3 * unit));
    await content.finish(bytes.length);
    assert.equal(content.size, bytes.length);
    await assertKept(content, bytes);
    await content.close();
    const store = under.again === undefined ? under.store : await under.again();
    for (const again of [key, { ...key, size: bytes.length }]) {
      const content = await store.open(again);
      assert.equal(content.size, bytes.length);
      await assertKept(content, bytes);
      await content.close();
    }
  },
  "has nothing of content of another size": async (under) => {
    const { key, content, bytes } = await opened(under);
    await content.write(0, bytes);
    await content.close();
    const size = bytes.length + 1;
    const other = await under.store.open({ ...key, size });
    assert.ok(other.size !== size || !other.has(0, 1));
    await other.close();
  },
  "gives up what is dropped": async (under) => {
    const { key, content, bytes } = await opened(under);
    const other = await under.store.open(key);
    await content.write(0, bytes);
    await content.drop();
    for (const each of [content, other]) {
      assert.ok(!each.has(0, 1));
      assert.equal(await each.read(0, new Uint8Array(1)), false);
      await each.write(0, bytes);
    }
    const fresh = await under.store.open(key);
    assert.ok(!fresh.has(0, 1));
    const changed = patternBytes(bytes.length, 3);
    await fresh.write(0, changed);
    await content.drop();
    await content.close();
    await other.close();
    await assertKept(fresh, changed);
    await fresh.close();
  },
  "rejects with the reason when aborted": async (under) => {
    const { key, content, bytes } = await opened(under);
    await content.write(0, bytes);
    const reason = new Error("left");
    const signal = AbortSignal.abort(reason);
    const isReason = (error: unknown) => error === reason;
    const into = new Uint8Array(100).fill(0xa5);
    await assert.rejects(under.store.open(key, { signal }), isReason);
    await assert.rejects(content.read(0, into, { signal }), isReason);
    await assert.rejects(content.write(0, bytes, { signal }), isReason);
    await settle();
    assert.ok(into.every((byte) => byte === 0xa5));
    await assertKept(content, bytes);
    await content.close();
  },
  "leaves the buffer alone when aborted during a read": async (under) => {
    const { key, content, bytes } = await opened(under);
    await content.write(0, bytes);
    await content.close();
    const reason = new Error("left");
    for (let i = 0; i < 5; i++) {
      const again = await under.store.open(key);
      const controller = new AbortController();
      const into = new Uint8Array(bytes.length);
      const read = again.read(0, into, { signal: controller.signal });
      if (i > 0) await settle(i - 1);
      controller.abort(reason);
      const left = await within(
        5000,
        read.then(() => false, (error) => {
          assert.equal(error, reason);
          return true;
        }),
      );
      if (left) into.fill(0xa5);
      await settle();
      if (left) assert.ok(into.every((byte) => byte === 0xa5));
      else assert.deepEqual(into, bytes);
      await again.close();
    }
  },
  "takes many reads and writes at the same time": async (under) => {
    const { content, bytes } = await opened(under);
    const unit = content.extentSize;
    const writes = Array.from({ length: 50 }, (_, i) => {
      const offset = (i % 5) * unit;
      return content.write(offset, bytes.subarray(offset, offset + unit));
    });
    const reads = Array.from({ length: 200 }, async (_, i) => {
      if (i % 3 === 0) await settle(1);
      const offset = (i * 7919) % (bytes.length - 100);
      const into = new Uint8Array(100);
      if (!await content.read(offset, into)) return;
      assert.deepEqual(into, bytes.slice(offset, offset + 100));
    });
    await within(20_000, Promise.all([...writes, ...reads]));
    await assertKept(content, bytes);
    await content.close();
  },
  "keeps content of nothing": async (under) => {
    const key = newKey(0);
    const content = await under.store.open(key);
    assert.equal(content.size, 0);
    assert.ok(content.has(0, 0));
    assert.ok(!content.has(0, 1));
    await content.close();
    const unknown = await under.store.open(newKey());
    await unknown.finish(0);
    assert.equal(unknown.size, 0);
    await unknown.close();
  },
  "keeps nothing more when there is no room": async (under, make) => {
    const { extentSize } = await under.store.open(newKey());
    const small = await make(20 * extentSize);
    try {
      const key = newKey(100 * extentSize);
      const bytes = patternBytes(100 * extentSize);
      const content = await small.store.open(key);
      for (let at = 0; at < bytes.length; at += extentSize) {
        await content.write(at, bytes.subarray(at, at + extentSize));
      }
      let kept = 0;
      for (let at = 0; at < bytes.length; at += extentSize) {
        if (!content.has(at, extentSize)) continue;
        kept++;
        await assertKept(content, bytes, at, extentSize);
      }
      assert.ok(kept > 0 && kept <= 20, `${kept} extents kept`);
      await content.close();
    } finally {
      await small.close?.();
    }
  },
  "removes what was used longest ago, and nothing that is open": async (
    under,
    make,
  ) => {
    const { extentSize } = await under.store.open(newKey());
    const small = await make(40 * extentSize);
    try {
      const bytes = patternBytes(8 * extentSize);
      const keys = Array.from({ length: 6 }, () => newKey(bytes.length));
      const held = await small.store.open(keys[0]!);
      await held.write(0, bytes);
      for (const key of keys.slice(1)) {
        const content = await small.store.open(key);
        await content.write(0, bytes);
        await content.close();
        await settle(20); // times of use must differ
      }
      await assertKept(held, bytes);
      const last = await small.store.open(keys.at(-1)!);
      await assertKept(last, bytes);
      const second = await small.store.open(keys[1]!);
      assert.ok(!second.has(0, bytes.length));
      for (const each of [held, last, second]) await each.close();
    } finally {
      await small.close?.();
    }
  },
  "notices what is damaged, and takes it anew": async (under) => {
    if (under.corrupt === undefined) return;
    const { key, content, bytes } = await opened(under);
    const unit = content.extentSize;
    await content.write(0, bytes);
    await content.close();
    for (const offset of [0, 2 * unit + 77, bytes.length - 1]) {
      await under.corrupt(key, offset);
      const again = await under.store.open(key);
      const index = Math.floor(offset / unit);
      assert.ok(again.has(0, bytes.length));
      assert.equal(await again.read(0, new Uint8Array(bytes.length)), false);
      assert.ok(!again.has(offset, 1));
      for (let i = 0; i < 5; i++) {
        if (i !== index) {
          await assertKept(again, bytes, i * unit, Math.min(unit, 1000));
        }
      }
      const end = Math.min((index + 1) * unit, bytes.length);
      await again.write(index * unit, bytes.subarray(index * unit, end));
      await assertKept(again, bytes);
      await again.close();
      const healed = await under.store.open(key);
      await assertKept(healed, bytes);
      await healed.close();
    }
  },
} satisfies Record<string, Case>;

/** Names of the cases. */
export type StoreCaseName = keyof typeof cases;

/** The cases by name, for what cannot register tests: a page in a browser. */
export const contentStoreCases: Readonly<Record<string, Case>> = cases;

/** Registers the suite for one kind of store. */
export function contentStoreConformance(name: string, make: MakeStore): void {
  for (const [title, run] of Object.entries(cases) as [string, Case][]) {
    test(`${name} ${title}`, async (context) => {
      const under = await make();
      try {
        if (title.startsWith("notices") && under.corrupt === undefined) {
          context.skip("nothing can change it behind its back");
          return;
        }
        await run(under, make);
      } finally {
        await under.close?.();
      }
    });
  }
}
