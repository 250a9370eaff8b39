import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../../block/memory.ts";
import { memoryStore } from "../../block/memory_store.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { gzip } from "../../wasm/codecs.ts";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../../tests/fixtures/codecs/fixtures.ts";
import { behind } from "../../../tests/support/behind.ts";
import { madeBgzf, madeGzi } from "../../../tests/support/made_packed.ts";
import { join } from "../../../tests/support/made_xz.ts";
import {
  assertCutsRefused,
  assertFlipsHonest,
  assertSame,
  unpack,
} from "../../../tests/support/packed_reader.ts";
import { openGzip } from "./open.ts";

const PATTERN = patternBytes(70_001);

blockReaderConformance("openGzip()", async (bytes) => {
  const reader = await openGzip(openMemory(await gzip(bytes)));
  return { reader, close: () => reader.close() };
});

blockReaderConformance("openGzip() of BGZF", async (bytes) => {
  const packed = await madeBgzf(bytes, 10_000);
  const reader = await openGzip(openMemory(packed));
  return { reader, close: () => reader.close() };
}, {
  over: async (source) =>
    await openGzip(behind(source, await madeBgzf(PATTERN, 10_000))),
});

test("openGzip() reads members one after another, and zeros after them", async () => {
  for (const file of ["seq.gz", "members.gz"]) {
    assertSame(await unpack(openGzip, fixture(file)), SEQ);
  }
});

test("openGzip() ignores metadata behind the last member, as OpenWrt adds it", async () => {
  const text = '{ "metadata_version": "1.1" }\nFWx0';
  const metadata = join(new Uint8Array(8), new TextEncoder().encode(text));
  const bgzf = await madeBgzf(SEQ, 5000);
  for (const packed of [fixture("seq.gz"), fixture("members.gz"), bgzf]) {
    assertSame(await unpack(openGzip, join(packed, metadata)), SEQ);
  }
  const reader = await openGzip(openMemory(join(bgzf, metadata)));
  assert.equal(reader.access, "random");
  await reader.close();
});

test("openGzip() decodes once with a store, and not again when that has it", async () => {
  const store = memoryStore();
  const packed = openMemory(await gzip(PATTERN));
  const told: number[] = [];
  const first = await openGzip(packed, {
    store,
    onProgress: ({ done }) => told.push(done),
  });
  assert.equal(told.at(-1), PATTERN.length);
  assert.equal(first.access, "forward");
  await first.close();
  const image = withRecord(packed);
  const second = await openGzip(image, { store });
  assert.equal(second.size, PATTERN.length);
  assertSame(await readExactly(second, 0, second.size), PATTERN);
  assert.ok(image.report.bytes < 100, `${image.report.bytes} bytes read`);
  await second.close();
});

test("openGzip() of BGZF reads what a member takes, with an index not even all headers", async () => {
  const content = patternBytes(4 << 20);
  const packed = await madeBgzf(content, 60_000);
  const image = withRecord(openMemory(packed));
  const plain = await openGzip(image);
  assert.equal(plain.access, "random");
  image.reset();
  assertSame(
    await readExactly(plain, 2_000_000, 100),
    content.subarray(2_000_000, 2_000_100),
  );
  assert.equal(image.report.requests, 1);
  assert.ok(image.report.bytes < 600_000);

  image.reset();
  const indexed = await openGzip(image, { index: madeGzi(packed) });
  assert.ok(image.report.requests <= 3, `${image.report.requests} reads`);
  assert.ok(image.report.bytes < 70_000, `${image.report.bytes} bytes`);
  assert.equal(indexed.size, content.length);
  assertSame(await readExactly(indexed, 0, content.length), content);
});

test("openGzip() refuses an index of another file by name", async () => {
  const packed = openMemory(await madeBgzf(PATTERN, 10_000));
  for (const index of [new Uint8Array(3), new Uint8Array(24).fill(1)]) {
    await rejectsWith(openGzip(packed, { index }), "gzip.bad-index");
  }
  const other = madeGzi(await madeBgzf(PATTERN, 7000));
  await rejectsWith(openGzip(packed, { index: other }), "gzip.bad-index");
});

test("openGzip() goes on as ordinary gzip when BGZF ends in another member", async () => {
  const packed = join(await madeBgzf(SEQ, 5000), await gzip(PATTERN));
  assertSame(await unpack(openGzip, packed), join(SEQ, PATTERN));
});

test("openGzip() refuses what is no gzip file, and damage", async () => {
  await rejectsWith(openGzip(openMemory(new Uint8Array(0))), "gzip.bad-magic");
  await rejectsWith(openGzip(openMemory(fixture("seq.zst"))), "gzip.bad-magic");
  const packed = fixture("seq.gz");
  await assertCutsRefused(openGzip, packed, { step: 7 });
  await assertFlipsHonest(openGzip, packed, SEQ, 3);
  const bgzf = await madeBgzf(SEQ, 5000);
  const refused = await assertFlipsHonest(openGzip, bgzf, SEQ, 3);
  assert.ok(refused > 0.9, `${refused} refused`);
});
