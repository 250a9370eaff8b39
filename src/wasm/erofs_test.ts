import assert from "node:assert/strict";
import test from "node:test";
import {
  ErofsFault,
  type ErofsMap,
  type ErofsParser,
  EXTENT_FRAGMENT,
  EXTENT_INLINE,
  EXTENT_INTERLACED,
  loadErofsParser,
} from "./erofs.ts";

// numbers of erofs_fs.h
const BIG_PCLUSTERS = 0x6;
const INLINE = 0x8;
const INTERLACED = 0x10;
const FRAGMENT = 0x20;
const [PLAIN, HEAD1, NONHEAD] = [0, 1, 2] as const;
const CBLKCNT = 1 << 11;

const SHIFTED = 4;
const BLOCK = 4096;
const MIB = 1 << 20;

/** A map header of `advise`, at byte 0, with its full index behind it. */
function mapOf(
  parser: ErofsParser,
  size: number,
  advise: number,
  { low = 0, lclusterBits = 0 } = {},
): ErofsMap {
  const header = new DataView(new ArrayBuffer(8));
  header.setUint32(0, low, true);
  header.setUint16(4, advise, true);
  header.setUint8(7, lclusterBits);
  return parser.map(new Uint8Array(header.buffer), 0, size, false, 12);
}

type Entry = readonly [
  type: number,
  offset: number,
  block: number,
];

function fullIndex(entries: readonly Entry[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(entries.length * 8));
  entries.forEach(([type, offset, block], i) => {
    view.setUint16(i * 8, type, true);
    view.setUint16(i * 8 + 2, offset, true);
    view.setUint32(i * 8 + 4, block, true);
  });
  return new Uint8Array(view.buffer);
}

function tableOf(parser: ErofsParser, map: ErofsMap, entries: Entry[]) {
  const { start } = parser.indexRange(map, 0, map.lclusters);
  return parser.extents(map, fullIndex(entries), start, 0, map.lclusters)!;
}

/** An extent that goes on over `count` lclusters. */
const headAndRest = (head: Entry, count: number): Entry[] => [
  head,
  ...Array.from({ length: count - 1 }, (): Entry => [NONHEAD, 0, 1]),
];

test("ErofsParser.extents() gives a fragment of any size", async () => {
  const parser = await loadErofsParser();
  const map = mapOf(parser, 20 * MIB, FRAGMENT, { low: 77 });
  const entries = headAndRest([PLAIN, 0, 3], map.lclusters);
  const table = tableOf(parser, map, entries);
  assert.equal(table.count, 1);
  assert.equal(table.length(0), 20 * MIB);
  assert.equal(table.flags(0), EXTENT_FRAGMENT);
  // the upper half of the offset stands where a block address would
  assert.equal(table.physical(0), 3 * 2 ** 32 + 77);
});

test("ErofsParser.extents() looks for the end of an extent no further than the format allows", async () => {
  const parser = await loadErofsParser();
  const map = mapOf(parser, 2 ** 40, BIG_PCLUSTERS);
  const index = (count: number) => fullIndex(headAndRest([HEAD1, 0, 1], count));
  const { start: from } = parser.indexRange(map, 0, 1);
  // 12 MiB are 3,072 lclusters
  assert.equal(parser.extents(map, index(3000), from, 0, 1), undefined);
  assert.throws(
    () => parser.extents(map, index(3100), from, 0, 1),
    (error) => error instanceof ErofsFault && error.reason === "damaged",
  );
});

test("ErofsParser.extents() takes inlined plain data as it stands", async () => {
  const parser = await loadErofsParser();
  const map = mapOf(parser, BLOCK + 300, INLINE | INTERLACED, {
    low: 500 << 16,
  });
  const table = tableOf(parser, map, [[PLAIN, 0, 1], [PLAIN, 0, 0]]);
  assert.equal(table.kind(0), EXTENT_INTERLACED);
  assert.equal(table.kind(1), SHIFTED);
  assert.equal(table.flags(1), EXTENT_INLINE);
  assert.equal(table.stored(1), 500);
  assert.equal(table.length(1), 300);
});

test("ErofsParser.extents() takes one block for plain data without a block count", async () => {
  const parser = await loadErofsParser();
  const map = mapOf(parser, 2 * BLOCK + 10, BIG_PCLUSTERS);
  const stored = (...last: Entry[]) =>
    tableOf(parser, map, [[HEAD1, 0, 1], ...last]).stored(1);
  assert.equal(stored([PLAIN, 4000, 5], [NONHEAD, 0, 1]), BLOCK);
  assert.equal(stored([PLAIN, 4000, 5], [NONHEAD, 0, CBLKCNT | 2]), 2 * BLOCK);
  assert.equal(stored([HEAD1, 4000, 5], [NONHEAD, 0, CBLKCNT | 2]), 2 * BLOCK);
  assert.throws(() => stored([HEAD1, 4000, 5], [NONHEAD, 0, 1]), ErofsFault);
});

test("ErofsParser.extents() counts blocks, not lclusters, where these are larger", async () => {
  const parser = await loadErofsParser();
  const map = mapOf(parser, 4 * BLOCK, 0, { lclusterBits: 1 });
  assert.equal(map.lclusters, 2);
  const table = tableOf(parser, map, [[HEAD1, 0, 1], [HEAD1, 8191, 2]]);
  assert.equal(table.stored(0), BLOCK);
  assert.equal(table.logical(1), 8192 + 8191);
  assert.throws(
    () => tableOf(parser, map, [[HEAD1, 0, 1], [HEAD1, 8192, 2]]),
    ErofsFault,
  );
});
