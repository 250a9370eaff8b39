import assert from "node:assert/strict";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import {
  type MadeChunk,
  madeSparse,
} from "../../../tests/support/made_sparse.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { withSlice } from "../../block/slice.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { openSparse, verifySparse } from "./open.ts";

const coded = (...codes: ErrorCode[]) => (error: unknown) =>
  error instanceof FormatError && isCoded(error, ...codes) &&
  /^Cannot .+[^.]$/s.test(error.message);

const CHUNKS: readonly MadeChunk[] = [
  { skip: 2 },
  { raw: patternBytes(4096, 1) },
  { crc: "right" },
  { fill: 0x04030201, blocks: 3 },
  { fill: 0x04030201, blocks: 0 },
  { raw: patternBytes(3 * 4096, 2) },
  { raw: new Uint8Array(0) },
  { raw: patternBytes(2 * 4096, 3) },
  { skip: 0 },
  { fill: 0xabababab, blocks: 1 },
  { skip: 1 },
  { crc: "right" },
];

for (
  const options of [
    {},
    { fileHeaderSize: 100, chunkHeaderSize: 77 },
    { imageChecksum: "right" },
  ] as const
) {
  test(`openSparse() gives every byte of ${JSON.stringify(options)}`, async () => {
    const { image, content } = await madeSparse(CHUNKS, options);
    const reader = await openSparse(openMemory(image));
    assert.equal(reader.size, content.length);
    assert.deepEqual(await readExactly(reader, 0, reader.size), content);
    for (let offset = 0; offset < reader.size; offset += 997) {
      for (const size of [1, 2, 3, 5, 4096, 9000]) {
        const length = Math.min(size, reader.size - offset);
        assert.deepEqual(
          await readExactly(reader, offset, length),
          content.subarray(offset, offset + length),
        );
      }
    }
    assert.equal(reader.sparse.rawBytes, 6 * 4096);
    assert.equal(reader.sparse.trailingBytes, 0);
    assert.equal(reader.sparse.chunks, CHUNKS.length);
    await verifySparse(reader);
  });
}

test("openSparse() opens blocks of any size, the reader aligned to a power of two", async () => {
  for (
    const [blockSize, aligned] of [[4, 4], [12, 4], [3072, 1024], [
      1 << 20,
      65536,
    ]] as const
  ) {
    const raw = patternBytes(blockSize);
    const { image, content } = await madeSparse(
      [{ fill: 0x01020304, blocks: 1 }, { raw }, { skip: 1 }],
      { blockSize },
    );
    const reader = await openSparse(openMemory(image));
    assert.equal(reader.blockSize, aligned);
    assert.deepEqual(await readExactly(reader, 0, reader.size), content);
  }
});

test("openSparse() leaves alone what follows the last chunk, and says how much", async () => {
  const { image, content } = await madeSparse(CHUNKS);
  const longer = new Uint8Array(image.length + 1000).fill(0xee);
  longer.set(image);
  const reader = await openSparse(openMemory(longer));
  assert.equal(reader.sparse.trailingBytes, 1000);
  assert.deepEqual(await readExactly(reader, 0, reader.size), content);
});

test("openSparse() opens an image of nothing", async () => {
  for (const chunks of [[], [{ skip: 0 }], [{ crc: 0 }]]) {
    const { image } = await madeSparse(chunks);
    const reader = await openSparse(openMemory(image));
    assert.equal(reader.size, 0);
    await verifySparse(reader);
  }
});

test("verifySparse() finds a wrong check sum of a chunk and of the whole", async () => {
  for (const [chunk, whole] of [[1, "right"], ["right", 1]] as const) {
    const { image } = await madeSparse(
      [{ raw: patternBytes(8192) }, { crc: chunk }, { skip: 5 }],
      { imageChecksum: whole },
    );
    const reader = await openSparse(openMemory(image));
    assert.equal(reader.sparse.checksums, 2);
    await assert.rejects(
      verifySparse(reader),
      coded("sparse.checksum-mismatch"),
    );
  }
});

test("openSparse() reads few times where chunks are small, and little where they are large", async () => {
  const small = await madeSparse(
    Array.from(
      { length: 3000 },
      (_, i): MadeChunk =>
        i % 2 === 0 ? { raw: patternBytes(512, i) } : { skip: 1 },
    ),
    { blockSize: 512 },
  );
  const near = withRecord(openMemory(small.image));
  await openSparse(near);
  assert.ok(near.report.requests <= 6, `${near.report.requests} reads`);

  const large = await madeSparse(
    Array.from(
      { length: 20 },
      (_, i): MadeChunk =>
        i % 2 === 0 ? { raw: patternBytes(1 << 20, i) } : { skip: 100 },
    ),
  );
  const far = withRecord(openMemory(large.image));
  await openSparse(far);
  assert.ok(far.report.requests <= 11, `${far.report.requests} reads`);
  assert.ok(far.report.bytes <= 150_000, `${far.report.bytes} bytes`);

  // many that are not far apart: not one read for each
  const middle = await madeSparse(
    Array.from(
      { length: 1000 },
      (_, i): MadeChunk =>
        i % 2 === 0 ? { raw: patternBytes(80 << 10, i) } : { skip: 1 },
    ),
  );
  const recorded = withRecord(openMemory(middle.image));
  await openSparse(recorded);
  assert.ok(
    recorded.report.requests <= 100,
    `${recorded.report.requests} reads`,
  );
});

test("openSparse() reads chunks that lie side by side by one read", async () => {
  const { image, content } = await madeSparse(
    Array.from(
      { length: 100 },
      (_, i): MadeChunk =>
        i % 3 === 0
          ? { raw: patternBytes(4096, i) }
          : i % 3 === 1
          ? { fill: i * 0x1234567 >>> 0, blocks: 1 }
          : { skip: 1 },
    ),
  );
  const recorded = withRecord(openMemory(image));
  const reader = await openSparse(recorded);
  recorded.reset();
  assert.deepEqual(await readExactly(reader, 0, reader.size), content);
  assert.equal(recorded.report.requests, 1);
});

test("openSparse() gives a code for each kind of damage", async () => {
  const { image } = await madeSparse(CHUNKS);
  const cases: [at: number, value: number, code: ErrorCode][] = [
    [0, 0xed26ff3b, "sparse.bad-magic"],
    [4, 2, "sparse.unsupported-feature"],
    [8, 27 | 12 << 16, "sparse.damaged"], // file header
    [8, 28 | 11 << 16, "sparse.damaged"], // chunk header
    [12, 0, "sparse.damaged"], // block size
    [12, 4097, "sparse.damaged"],
    [12, 8192, "sparse.damaged"],
    [16, 12, "sparse.damaged"], // blocks
    [16, 14, "sparse.damaged"],
    [16, 0xffffffff, "sparse.damaged"],
    [20, 0xffffffff, "sparse.truncated"], // chunks
    [20, CHUNKS.length + 1, "sparse.truncated"],
    [20, CHUNKS.length - 2, "sparse.damaged"],
    [28, 0xcac5, "sparse.unsupported-feature"],
    [32, 3, "sparse.damaged"], // blocks of the first chunk
    [32, 0xffffffff, "sparse.damaged"],
    [36, 13, "sparse.damaged"], // its bytes
    [36, 0xffffffff, "sparse.damaged"],
    [40, 0xcac1, "sparse.unsupported-feature"], // reserved, and no type
  ];
  for (const [at, value, code] of cases) {
    const bytes = image.slice();
    if (code === "sparse.unsupported-feature" && at === 40) {
      new DataView(bytes.buffer).setUint16(40, 0xbeef, true);
    } else new DataView(bytes.buffer).setUint32(at, value, true);
    await assert.rejects(
      openSparse(openMemory(bytes)),
      coded(code),
      `byte ${at}: ${value}`,
    );
  }
  const huge = image.slice();
  const view = new DataView(huge.buffer);
  view.setUint32(12, 0xfffffffc, true);
  view.setUint32(16, 0xffffffff, true);
  await assert.rejects(openSparse(openMemory(huge)), coded("sparse.damaged"));
});

test("openSparse() refuses an image cut at any byte", async () => {
  const { image } = await madeSparse(CHUNKS);
  for (let size = 0; size < image.length; size += size < 200 ? 1 : 61) {
    await assert.rejects(
      openSparse(openMemory(image.subarray(0, size))),
      coded("sparse.truncated"),
      `${size} bytes`,
    );
  }
});

test("openSparse() gives a code or bytes for any bit flipped in the first headers", async () => {
  const { image, content } = await madeSparse(CHUNKS);
  for (let at = 0; at < 52; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = image.slice();
      bytes[at]! ^= 1 << bit;
      try {
        const reader = await openSparse(openMemory(bytes));
        // minor version, check sum and what is reserved
        assert.ok(
          at >= 24 && at < 28 || at === 6 || at === 7 || at === 30 ||
            at === 31 || at >= 42 && at < 44,
          `byte ${at}`,
        );
        assert.deepEqual(await readExactly(reader, 0, reader.size), content);
      } catch (error) {
        assert.ok(
          coded(
            "sparse.bad-magic",
            "sparse.truncated",
            "sparse.damaged",
            "sparse.unsupported-feature",
          )(error),
          String(error),
        );
      }
    }
  }
});

/** Bytes in sparse form: raw chunks of one block, and what fills them up to whole blocks. */
async function made(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const padded = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  padded.set(bytes);
  const chunks: MadeChunk[] = [];
  for (let at = 0; at < padded.length; at += 2048) {
    chunks.push({ raw: padded.subarray(at, at + 2048) });
  }
  return (await madeSparse(chunks, { blockSize: 512 })).image;
}

blockReaderConformance("openSparse()", async (bytes) => {
  const sparse = await openSparse(openMemory(await made(bytes)));
  return { reader: withSlice(sparse, { offset: 0, size: bytes.length }) };
}, {
  async over(source) {
    // the headers are at hand; the raw data is the source
    const content = await readExactly(source, 0, source.size);
    const image = await made(content);
    const header = openMemory(image);
    const chunk = 2048 + 12;
    const reader: BlockReader = {
      ...header,
      async read(offset, into, options) {
        const at = offset - 28;
        const [index, within] = [Math.floor(at / chunk), at % chunk - 12];
        const start = index * 2048 + within;
        if (
          opened && within >= 0 && within + into.length <= 2048 &&
          start + into.length <= source.size
        ) {
          return await source.read(start, into, options);
        }
        if (opened) {
          await source.read(
            Math.max(0, start),
            new Uint8Array(Math.min(into.length, source.size)),
            options,
          );
        }
        return await header.read(offset, into, options);
      },
    };
    let opened = false;
    const sparse = await openSparse(reader);
    opened = true;
    return withSlice(sparse, { offset: 0, size: source.size });
  },
});
