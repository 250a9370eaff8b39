import assert from "node:assert/strict";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { withMovedBlocks } from "./overlay.ts";

const BLOCK = 512;

/** A reader of `bytes` whose blocks are stored by turns in their place and in that of the next one. */
function overSwapped(bytes: Uint8Array<ArrayBuffer>) {
  const stored = bytes.slice();
  const moved = new Map<number, number>();
  const blocks = Math.floor(bytes.length / BLOCK);
  for (let block = 0; block + 3 < blocks; block += 4) {
    const [a, b] = [block + 1, block + 2];
    moved.set(a, b).set(b, a);
    stored.set(bytes.subarray(a * BLOCK, b * BLOCK), b * BLOCK);
    stored.set(bytes.subarray(b * BLOCK, (b + 1) * BLOCK), a * BLOCK);
  }
  return withMovedBlocks(openMemory(stored), {
    blockSize: BLOCK,
    moved,
    patches: [],
  });
}

blockReaderConformance(
  "withMovedBlocks()",
  (bytes) => Promise.resolve({ reader: overSwapped(bytes) }),
  {
    over: (source) =>
      withMovedBlocks(source, {
        blockSize: BLOCK,
        moved: new Map([[3, 3]]),
        patches: [],
      }),
  },
);

test("withMovedBlocks() puts patches on top, the later one above", async () => {
  const reader = withMovedBlocks(openMemory(new Uint8Array(2048)), {
    blockSize: BLOCK,
    moved: new Map([[1, 2]]),
    patches: [
      { offset: 510, bytes: Uint8Array.of(1, 2) },
      { offset: 600, bytes: Uint8Array.of(3, 4, 5) },
      { offset: 601, bytes: Uint8Array.of(9) },
    ],
  });
  assert.deepEqual([...await readExactly(reader, 509, 4)], [0, 1, 2, 0]);
  assert.deepEqual([...await readExactly(reader, 601, 3)], [9, 5, 0]);
  assert.deepEqual([...await readExactly(reader, 511, 1)], [2]);
});

test("withMovedBlocks() reads what is in its place at once, and moved blocks together", async () => {
  const recorded = withRecord(openMemory(new Uint8Array(1 << 20)));
  const moved = new Map([[3, 1003], [7, 1004], [9, 1005]]);
  const reader = withMovedBlocks(recorded, {
    blockSize: BLOCK,
    moved,
    patches: [],
  });
  await readExactly(reader, 0, 16 * BLOCK);
  assert.equal(recorded.report.requests, 2);
  await readExactly(reader, 7 * BLOCK, BLOCK);
  assert.equal(recorded.report.requests, 2);
});
