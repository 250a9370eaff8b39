import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { zstdEncode } from "../../wasm/codecs.ts";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../../tests/fixtures/codecs/fixtures.ts";
import { behind } from "../../../tests/support/behind.ts";
import { madeSeekable } from "../../../tests/support/made_packed.ts";
import { join } from "../../../tests/support/made_xz.ts";
import {
  assertCutsRefused,
  assertFlipsHonest,
  assertSame,
  unpack,
} from "../../../tests/support/packed_reader.ts";
import { walkFrames } from "./frames.ts";
import { openZstd } from "./open.ts";

const PATTERN = patternBytes(70_001);

blockReaderConformance("openZstd() of one frame", async (bytes) => {
  const reader = await openZstd(openMemory(await zstdEncode(bytes)));
  return { reader, close: () => reader.close() };
}, {
  over: async (source) =>
    await openZstd(behind(source, await zstdEncode(PATTERN))),
});

blockReaderConformance("openZstd() with a seek table", async (bytes) => {
  const packed = await madeSeekable(bytes, 7000);
  const reader = await openZstd(openMemory(packed));
  return { reader, close: () => reader.close() };
}, {
  over: async (source) =>
    await openZstd(behind(source, await madeSeekable(PATTERN, 7000))),
});

test("openZstd() reads frames with and without sizes, and skippable ones", async () => {
  for (const file of ["seq.zst", "frames.zst"]) {
    assertSame(await unpack(openZstd, fixture(file)), SEQ);
  }
  const skip = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
  const frame = await zstdEncode(SEQ);
  const packed = join(skip, frame, skip, frame, skip);
  assert.equal((await openZstd(openMemory(packed))).access, "random");
  assertSame(await unpack(openZstd, packed), join(SEQ, SEQ));
  assertSame(await unpack(openZstd, skip), new Uint8Array(0));
});

test("walkFrames() finds the sizes that the frames have", async () => {
  const first = await zstdEncode(SEQ), second = await zstdEncode(PATTERN);
  const both = join(first, second);
  assert.deepEqual(walkFrames(both), {
    complete: true,
    frames: [
      { offset: 0, size: first.length, contentSize: SEQ.length },
      {
        offset: first.length,
        size: second.length,
        contentSize: PATTERN.length,
      },
    ],
  });
  assert.deepEqual(walkFrames(both.subarray(0, first.length + 20)), {
    complete: false,
    frames: [
      { offset: 0, size: first.length, contentSize: SEQ.length },
      {
        offset: first.length,
        size: undefined,
        contentSize: PATTERN.length,
      },
    ],
  });
});

test("openZstd() with a seek table reads the frames it needs", async () => {
  const content = patternBytes(12 << 20);
  const packed = await madeSeekable(content, 1 << 20);
  const image = withRecord(openMemory(packed));
  const reader = await openZstd(image);
  assert.equal(image.report.requests, 2);
  assert.equal(reader.seekable, true);
  assert.equal(reader.parts, 12);
  assert.equal(reader.frames, 12);
  const small = await openZstd(openMemory(await madeSeekable(PATTERN, 7000)));
  assert.equal(small.parts, 1);
  assert.equal(small.frames, 11);
  image.reset();
  const at = (5 << 20) + 77;
  assertSame(
    await readExactly(reader, at, 300),
    content.subarray(at, at + 300),
  );
  assert.ok(image.report.bytes < 1.1 * (1 << 20), `${image.report.bytes}`);
});

test("openZstd() opens one large frame by 2 reads, and tells when it is not the only one", async () => {
  const content = patternBytes(10 << 20);
  const frame = await zstdEncode(content);
  const image = withRecord(openMemory(frame));
  const alone = await openZstd(image);
  assert.equal(image.report.requests, 2);
  assertSame(await readExactly(alone, 0, content.length), content);
  await alone.close();

  const two = await openZstd(openMemory(join(frame, await zstdEncode(SEQ))));
  assert.equal(two.size, content.length);
  await rejectsWith(
    two.read(content.length - 10, new Uint8Array(10)),
    "zstd.several-frames",
  );
});

test("openZstd() refuses damaged seek tables by name", async () => {
  const packed = await madeSeekable(PATTERN, 7000);
  const refuse = async (at: number, value: number, ...codes: string[]) => {
    const damaged = packed.slice();
    damaged[damaged.length - at] = value;
    await rejectsWith(unpack(openZstd, damaged), ...codes);
  };
  await refuse(9, 9, "zstd.damaged"); // frames: one less
  await refuse(6, 0xff, "zstd.damaged"); // 2^32
  await refuse(5, 0x40, "zstd.unsupported"); // reserved
  await refuse(5, 0x80, "zstd.damaged"); // check sums that are not there
  await refuse(17, 0, "zstd.damaged"); // stored size of the last frame
  await refuse(13, 3, "zstd.damaged", "zstd.truncated"); // its content size
});

test("openZstd() refuses what is no zstd file, and damage", async () => {
  for (const bytes of [new Uint8Array(0), fixture("seq.gz")]) {
    await rejectsWith(openZstd(openMemory(bytes)), "zstd.bad-magic");
  }
  await assertCutsRefused(openZstd, fixture("seq.zst"), { step: 5 });
  const refused = await assertFlipsHonest(openZstd, fixture("seq.zst"), SEQ, 3);
  assert.ok(refused > 0.95, `${refused} refused`);
  const seekable = await madeSeekable(SEQ, 5000);
  assert.ok(await assertFlipsHonest(openZstd, seekable, SEQ, 3) > 0.95);
});
