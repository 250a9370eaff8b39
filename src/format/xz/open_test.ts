import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../../block/memory.ts";
import { memoryStore } from "../../block/memory_store.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import type { ContentStore } from "../../block/store.ts";
import { isCoded } from "../../errors.ts";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import {
  ControlledSource,
  patternBytes,
} from "../../../tests/conformance/controlled_source.ts";
import {
  fixture,
  NOISE,
  rejectsWith,
  SEQ,
} from "../../../tests/fixtures/codecs/fixtures.ts";
import { behind } from "../../../tests/support/behind.ts";
import { join, madeXz } from "../../../tests/support/made_xz.ts";
import { assertSame } from "../../../tests/support/packed_reader.ts";
import { openXz } from "./open.ts";

const MIB = 1 << 20;
const PATTERN = patternBytes(70_001);

for (const blockSize of [1000, 30_000, 100_000]) {
  blockReaderConformance(
    `openXz() with blocks of ${blockSize} bytes`,
    async (bytes) => {
      const packed = await madeXz(bytes, blockSize);
      const reader = await openXz(openMemory(packed));
      return { reader, close: () => reader.close() };
    },
    {
      over: async (source) =>
        await openXz(behind(source, await madeXz(PATTERN, blockSize))),
    },
  );
}

blockReaderConformance(
  "openXz() with a block that goes into the store",
  async (bytes) => {
    // parts of more than half of the cache are spooled: here the pattern stands behind 2 MiB
    const whole = join(new Uint8Array(2 * MIB), bytes);
    const packed = await madeXz(whole, whole.length);
    const reader = await openXz(openMemory(packed), {
      store: memoryStore(),
      maxCachedBytes: MIB,
    });
    const { read } = reader;
    return {
      reader: {
        blockSize: reader.blockSize,
        size: bytes.length,
        name: reader.name,
        identity: reader.identity,
        read: (offset, into, options) =>
          Number.isSafeInteger(offset) && offset >= 0 &&
            offset < Number.MAX_SAFE_INTEGER
            ? read.call(reader, offset + 2 * MIB, into, options)
            : read.call(reader, offset, into, options),
      },
      close: () => reader.close(),
    };
  },
);

const FILES: Readonly<Record<string, Uint8Array>> = {
  "none.xz": SEQ,
  "crc32.xz": SEQ,
  "crc64.xz": SEQ,
  "sha256.xz": SEQ,
  "blocks.xz": SEQ,
  "streams.xz": SEQ,
  ...Object.fromEntries(
    ["x86", "arm", "armthumb", "arm64", "powerpc", "ia64", "sparc", "delta"]
      .map((filter) => [`noise.${filter}.xz`, NOISE]),
  ),
};

for (const [file, content] of Object.entries(FILES)) {
  test(`openXz() reads ${file}`, async () => {
    const reader = await openXz(openMemory(fixture(file)));
    assert.equal(reader.size, content.length);
    const found = await readExactly(reader, 0, content.length);
    assert.ok(found.every((byte, at) => byte === content[at]));
    await reader.close();
  });
}

test("openXz() tells blocks, streams and checks", async () => {
  const facts = async (file: string) => {
    const { blocks, streams, checks, largestBlock, access, storedSize } =
      await openXz(openMemory(fixture(file)));
    return { blocks, streams, checks, largestBlock, access, storedSize };
  };
  assert.deepEqual(await facts("blocks.xz"), {
    blocks: 4,
    streams: 1,
    checks: ["crc64"],
    largestBlock: 4096,
    access: "random",
    storedSize: fixture("blocks.xz").length,
  });
  const streams = await facts("streams.xz");
  assert.equal(streams.blocks, 2);
  assert.equal(streams.streams, 2);
});

test("openXz() reads files without content", async () => {
  for (
    const packed of [
      await madeXz(new Uint8Array(0), 1000),
      join(await madeXz(new Uint8Array(0), 1), new Uint8Array(8)),
    ]
  ) {
    const reader = await openXz(openMemory(packed));
    assert.equal(reader.size, 0);
    assert.equal(await reader.read(0, new Uint8Array(5)), 0);
  }
});

test("openXz() opens by 2 reads, and reads no more than the block it needs", async () => {
  const content = patternBytes(4 * MIB);
  const packed = await madeXz(content, MIB / 2);
  const image = withRecord(openMemory(packed));
  const reader = await openXz(image);
  assert.equal(image.report.requests, 2);
  assert.ok(image.report.bytes <= (64 << 10) + 12);
  image.reset();
  await Promise.all(
    [0, 1, 2].map((i) => reader.read(MIB + i, new Uint8Array(100))),
  );
  assert.equal(image.report.requests, 1);
  assert.ok(image.report.bytes < MIB / 2 + 1000);
  await reader.read(MIB + 200_000, new Uint8Array(100));
  assert.equal(image.report.requests, 1);
});

test("openXz() goes on in a large block, and reads only as far as is wanted", async () => {
  const content = patternBytes(8 * MIB);
  const packed = await madeXz(content, content.length);
  const image = withRecord(openMemory(packed));
  const reader = await openXz(image, { maxCachedBytes: MIB });
  assert.equal(reader.access, "forward");
  image.reset();
  const expectAt = async (offset: number) => {
    const found = await readExactly(reader, offset, 1000);
    assert.ok(found.every((byte, at) => byte === content[offset + at]));
  };
  await expectAt(100);
  assert.ok(image.report.bytes < 300_000, `${image.report.bytes} bytes`);
  await expectAt(2 * MIB);
  await expectAt(3 * MIB);
  const forward = image.report.bytes;
  assert.ok(forward < 3.5 * MIB, `${forward} bytes`);
  // long dropped from memory: the block starts anew, the other decoder stays where it is
  await expectAt(500);
  assert.ok(image.report.bytes < forward + 300_000);
  await expectAt(3 * MIB + 200_000);
  assert.ok(image.report.bytes < forward + 600_000);
  await reader.close();
});

test("openXz() decodes a large block once when it has a store", async () => {
  const content = patternBytes(4 * MIB);
  const packed = await madeXz(content, content.length);
  const store = memoryStore();
  const image = withRecord(openMemory(packed));
  const told: number[] = [];
  const reader = await openXz(image, {
    store,
    maxCachedBytes: MIB,
    onProgress: ({ done }) => told.push(done),
  });
  await readExactly(reader, 0, content.length);
  const once = image.report.bytes;
  await readExactly(reader, 0, content.length);
  assert.equal(image.report.bytes, once);
  assert.equal(told.at(-1), content.length);
  await reader.close();
  await rejectsWith(reader.read(0, new Uint8Array(1)), "read.closed");

  const again = await openXz(image, { store, maxCachedBytes: MIB });
  image.reset();
  const found = await readExactly(again, 0, content.length);
  assert.ok(found.every((byte, at) => byte === content[at]));
  assert.equal(image.report.requests, 0);
  await again.close();
});

test("openXz() decodes once what it has a store for, and gives up what proved to be damaged", async () => {
  const content = Uint8Array.from({ length: 36 * MIB }, (_, i) => i >> 16);
  const packed = await madeXz(content, 6 * MIB);
  const image = withRecord(openMemory(packed));
  const store = memoryStore();
  // two blocks in memory, six in all
  const options = { store, maxCachedBytes: 12 * MIB };
  const reader = await openXz(image, options);
  await readExactly(reader, 0, content.length);
  image.reset();
  const again = await readExactly(reader, 0, content.length);
  assert.ok(again.every((byte, at) => byte === content[at]));
  assert.equal(image.report.requests, 0);
  await reader.close();

  const next = await openXz(image, options);
  image.reset();
  await readExactly(next, 20 * MIB, MIB);
  assert.equal(image.report.requests, 0);
  await next.close();

  // a wrong byte in the first block shows at its end: what was given of it does not stay
  const wrong = packed.slice();
  wrong[100]! ^= 1;
  const other = withRecord(openMemory(wrong, { identity: "wrong" }));
  const damaged = await openXz(other, options);
  await damaged.read(0, new Uint8Array(MIB));
  const last = damaged.read(6 * MIB - 1, new Uint8Array(1));
  await rejectsWith(last, "xz.damaged");
  other.reset();
  await damaged.read(0, new Uint8Array(MIB));
  assert.ok(other.report.requests > 0);
  await damaged.close();
});

test("openXz() keeps what is in the store when the connection is lost", async () => {
  const packed = await madeXz(patternBytes(8 * MIB), 8 * MIB);
  const source = new ControlledSource(packed);
  const store = memoryStore();
  const reader = await openXz(source, { store });
  const start = await readExactly(reader, 0, MIB);
  source.failures = 1;
  await rejectsWith(reader.read(5 * MIB, new Uint8Array(1)), "read.failed");
  await reader.close();

  const next = await openXz(source, { store });
  const { requests } = source;
  assertSame(await readExactly(next, 0, MIB), start);
  assert.equal(source.requests, requests);
  await next.close();
});

test("openXz() begins no decoder when it was closed during a look into the store", async () => {
  const packed = await madeXz(patternBytes(8 * MIB), 8 * MIB);
  const source = new ControlledSource(packed);
  const kept = memoryStore();
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const store: ContentStore = {
    open: async (key) => {
      await gate;
      return await kept.open(key);
    },
  };
  const reader = await openXz(source, { store });
  const { requests } = source;
  const reading = rejectsWith(reader.read(0, new Uint8Array(1)), "read.closed");
  const closing = reader.close();
  open();
  await closing;
  await reading;
  assert.equal(source.requests, requests);
});

test("openXz() gives timers a turn while it decodes", async () => {
  const content = new Uint8Array(64 * MIB);
  const packed = await madeXz(content, content.length);
  const reader = await openXz(openMemory(packed), {
    maxCachedBytes: 256 << 20,
  });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await reader.read(content.length - 1, new Uint8Array(1));
  clearInterval(timer);
  assert.ok(turns > 1, `${turns} turns`);
  await reader.close();
});

test("openXz() refuses what is no xz file by name", async () => {
  const packed = fixture("crc64.xz");
  const open = (bytes: Uint8Array<ArrayBuffer>) => openXz(openMemory(bytes));
  await rejectsWith(open(new Uint8Array(0)), "xz.bad-magic");
  await rejectsWith(open(new Uint8Array(40)), "xz.bad-magic");
  await rejectsWith(open(fixture("seq.gz")), "xz.bad-magic");
  await rejectsWith(
    open(join(packed, Uint8Array.of(1, 2, 3, 4))),
    "xz.truncated",
  );
  for (const extra of [1, 2, 3, 5]) {
    await rejectsWith(open(join(packed, new Uint8Array(extra))), "xz.damaged");
  }
  for (const extra of [4, 8, 512, 4096, 100_000]) {
    assert.equal(
      (await open(join(packed, new Uint8Array(extra)))).size,
      SEQ.length,
    );
  }
});

/** Streams without content, 32 bytes each. */
async function emptyStreams(count: number) {
  const one = await madeXz(new Uint8Array(0), 1);
  const all = new Uint8Array(one.length * count);
  for (let i = 0; i < count; i++) all.set(one, i * one.length);
  return openMemory(all);
}

test("openXz() bounds the streams of a file", async () => {
  const most = 1 << 14;
  assert.equal((await openXz(await emptyStreams(most))).streams, most);
  await rejectsWith(
    openXz(await emptyStreams(most + 1)),
    "xz.too-many-streams",
  );
});

test("openXz() can be aborted while it goes from stream to stream", async () => {
  const image = await emptyStreams(1000);
  const controller = new AbortController();
  const reason = new Error("enough");
  const opening = openXz(image, { signal: controller.signal });
  // fires only when timers have a turn
  setTimeout(() => controller.abort(reason));
  await assert.rejects(opening, (error) => error === reason);
});

for (const file of ["blocks.xz", "streams.xz", "noise.x86.xz"]) {
  test(`openXz() refuses ${file} cut short at every byte`, async () => {
    const packed = fixture(file);
    for (let size = 0; size < packed.length; size++) {
      await assert.rejects(readAll(packed.slice(0, size)), (error) => {
        assert.ok(isCoded(error), String(error));
        return true;
      }, `${size} bytes`);
      // every stream, and every stream with whole padding, is a file of its own
      if (file === "streams.xz" && size >= endOfFirstStream(packed) - 1) break;
    }
  });

  test(`openXz() gives the right bytes or an error when a bit of ${file} is flipped`, async () => {
    const packed = fixture(file);
    const content = FILES[file]!;
    let refused = 0;
    for (let at = 0; at < packed.length; at++) {
      const damaged = packed.slice();
      damaged[at]! ^= 1 << at % 8;
      try {
        const found = await readAll(damaged);
        assert.equal(found.length, content.length, `byte ${at}`);
        assert.ok(found.every((byte, i) => byte === content[i]), `byte ${at}`);
      } catch (error) {
        assert.ok(isCoded(error), String(error));
        refused++;
      }
    }
    assert.ok(refused > packed.length * 0.99, `${refused} of ${packed.length}`);
  });
}

test("openXz() gives no byte of a damaged block, and all of the others", async () => {
  const packed = await madeXz(PATTERN, 10_000);
  packed[12 + 12 + 500]! ^= 1;
  const reader = await openXz(openMemory(packed));
  await rejectsWith(reader.read(9000, new Uint8Array(10)), "xz.damaged");
  await rejectsWith(reader.read(0, new Uint8Array(10)), "xz.damaged");
  await rejectsWith(reader.read(9990, new Uint8Array(20)), "xz.damaged");
  const found = await readExactly(reader, 10_000, 60_001);
  assert.ok(found.every((byte, at) => byte === PATTERN[10_000 + at]));
});

async function readAll(
  packed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const reader = await openXz(openMemory(packed));
  try {
    return await readExactly(reader, 0, reader.size);
  } finally {
    await reader.close();
  }
}

/** Byte at which the padding begins. */
function endOfFirstStream(packed: Uint8Array): number {
  for (let at = 12;; at += 4) {
    if (packed[at] === 0x59 && packed[at + 1] === 0x5a) return at + 2;
    if (packed[at + 2] === 0x59 && packed[at + 3] === 0x5a) return at + 4;
  }
}
