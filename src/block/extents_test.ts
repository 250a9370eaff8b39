import test from "node:test";
import assert from "node:assert/strict";
import { blockReaderConformance } from "../../tests/conformance/block_reader.ts";
import { joinExtents, withExtents } from "./extents.ts";
import { openMemory } from "./memory.ts";
import { readExactly } from "./read_exactly.ts";
import type { BlockReader } from "./reader.ts";
import { withRecord } from "./record.ts";

/** Extents that cut `size` bytes into uneven pieces, to be laid out backwards. */
function pieces(size: number): { offset: number; size: number }[] {
  const all = [];
  for (let at = 0, step = 4999; at < size; at += step, step += 100) {
    all.push({ offset: at, size: Math.min(step, size - at) });
  }
  return all;
}

/** The pieces of `bytes` in reverse order, and the extents that put them right. */
function scatter(bytes: Uint8Array): {
  stored: Uint8Array<ArrayBuffer>;
  extents: { offset: number; size: number }[];
} {
  const stored = new Uint8Array(bytes.length);
  let end = bytes.length;
  const extents = pieces(bytes.length).map(({ offset, size }) => {
    end -= size;
    stored.set(bytes.subarray(offset, offset + size), end);
    return { offset: end, size };
  });
  return { stored, extents };
}

/** Shows a source so that reading its extents in their order gives its own bytes. */
function mirror(source: BlockReader): BlockReader {
  return withExtents(source, pieces(source.size));
}

blockReaderConformance("withExtents()", (bytes) => {
  const { stored, extents } = scatter(bytes);
  return Promise.resolve({
    reader: withExtents(openMemory(stored), extents),
  });
}, { over: mirror });

test("withExtents() reads extents that touch by one read", async () => {
  const source = withRecord(openMemory(new Uint8Array(1000)));
  const reader = withExtents(source, [
    { offset: 100, size: 50 },
    { offset: 150, size: 50 },
    { offset: 400, size: 0 },
    { offset: 200, size: 10 },
    { offset: 0, size: 5 },
  ]);
  assert.equal((await readExactly(reader, 0, 115)).length, 115);
  assert.deepEqual(source.report.ranges, [
    { offset: 100, length: 110 },
    { offset: 0, length: 5 },
  ]);
});

test("withExtents() refuses an extent outside the reader", () => {
  const source = openMemory(new Uint8Array(1000));
  assert.throws(
    () => withExtents(source, [{ offset: 990, size: 11 }]),
    RangeError,
  );
  assert.equal(withExtents(source, []).size, 0);
});

test("withExtents() states what it shows by its identity and block size", () => {
  const source = openMemory(new Uint8Array(8192), { identity: "source" });
  const reader = withExtents(source, [
    { offset: 4096, size: 256 },
    { offset: 0, size: 100 },
  ]);
  assert.equal(reader.identity, "source|extents:4096+256,0+100");
  assert.equal(reader.blockSize, 256);
});

test("joinExtents() leaves out what is empty", () => {
  assert.deepEqual(
    joinExtents([{ offset: 1, size: 0 }, { offset: 5, size: 2 }, {
      offset: 7,
      size: 1,
    }]),
    [{ offset: 5, size: 3 }],
  );
});
