import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { lz4FrameEncode } from "../../wasm/codecs.ts";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../../tests/fixtures/codecs/fixtures.ts";
import { behind } from "../../../tests/support/behind.ts";
import { madeLz4 } from "../../../tests/support/made_packed.ts";
import { join } from "../../../tests/support/made_xz.ts";
import {
  assertCutsRefused,
  assertFlipsHonest,
  assertSame,
  unpack,
} from "../../../tests/support/packed_reader.ts";
import { openLz4 } from "./open.ts";

const PATTERN = patternBytes(70_001);

blockReaderConformance("openLz4() of one block", async (bytes) => {
  const reader = await openLz4(openMemory(await lz4FrameEncode(bytes)));
  return { reader, close: () => reader.close() };
}, {
  over: async (source) =>
    await openLz4(behind(source, await lz4FrameEncode(PATTERN))),
});

blockReaderConformance("openLz4() of blocks", async (bytes) => {
  const reader = await openLz4(openMemory(madeLz4(bytes)));
  return { reader, close: () => reader.close() };
}, {
  over: async (source) => await openLz4(behind(source, madeLz4(PATTERN))),
});

test("openLz4() reads every kind of frame", async () => {
  for (const file of ["seq.lz4", "linked.lz4", "frames.lz4"]) {
    assertSame(await unpack(openLz4, fixture(file)), SEQ);
  }
  const content = patternBytes(300_000);
  for (const independent of [true, false]) {
    for (const sized of [true, false]) {
      const packed = madeLz4(content, { independent, sized });
      assertSame(await unpack(openLz4, packed), content);
    }
  }
  assertSame(
    await unpack(openLz4, join(madeLz4(content), madeLz4(SEQ))),
    join(content, SEQ),
  );
});

test("openLz4() reads the block it needs, when blocks are independent", async () => {
  const content = patternBytes(3 << 20);
  const image = withRecord(openMemory(madeLz4(content)));
  const reader = await openLz4(image);
  assert.equal(reader.access, "random");
  assert.equal(reader.parts, 48);
  assert.ok(image.report.requests <= 50, `${image.report.requests} reads`);
  image.reset();
  const at = 2_000_001;
  assertSame(
    await readExactly(reader, at, 200),
    content.subarray(at, at + 200),
  );
  assert.equal(image.report.requests, 1);
  assert.ok(image.report.bytes < 70_000);
});

test("openLz4() does not look for more than 256 blocks, and tells of a second frame at the end", async () => {
  const content = patternBytes(20 << 20);
  const packed = join(madeLz4(content), madeLz4(SEQ));
  const image = withRecord(openMemory(packed));
  const reader = await openLz4(image);
  assert.equal(image.report.requests, 1);
  assertSame(await readExactly(reader, 0, 1000), content.subarray(0, 1000));
  await rejectsWith(
    reader.read(reader.size - 1, new Uint8Array(1)),
    "lz4.several-frames",
  );
});

test("openLz4() refuses legacy frames, other files, and damage, by name", async () => {
  const open = (bytes: Uint8Array<ArrayBuffer>) => openLz4(openMemory(bytes));
  await rejectsWith(open(fixture("legacy.lz4")), "lz4.legacy");
  await rejectsWith(open(new Uint8Array(0)), "lz4.bad-magic");
  await rejectsWith(open(fixture("seq.gz")), "lz4.bad-magic");
  await assertCutsRefused(openLz4, fixture("seq.lz4"), { step: 11 });
  await assertCutsRefused(openLz4, madeLz4(PATTERN), { step: 1111 });
  await assertFlipsHonest(openLz4, fixture("seq.lz4"), SEQ, 11);
});
