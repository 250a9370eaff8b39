import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import {
  fixture,
  NOISE,
  rejectsWith,
  SEQ,
  survives,
  through,
} from "../../tests/fixtures/codecs/fixtures.ts";
import {
  bzip2Decode,
  bzip2DecodeStream,
  crc32,
  crc32c,
  decodeMicroLzma,
  decodeXzBlock,
  deflateRaw,
  gunzip,
  gunzipStream,
  gzip,
  inflateRaw,
  inflateZlib,
  lz4DecodeBlock,
  lz4FrameDecode,
  lz4FrameDecodeStream,
  lz4FrameEncode,
  lz4LegacyDecode,
  lz4LegacyEncode,
  xzBlockStream,
  xzDecode,
  xzDecodeStream,
  zstdDecode,
  zstdDecodeStream,
  zstdEncode,
} from "./codecs.ts";

interface Case {
  readonly file: string;
  readonly format: string;
  readonly content: Uint8Array;
  readonly decode: (
    data: Uint8Array,
    options: { maxSize: number },
  ) => Promise<Uint8Array>;
  readonly stream?: (
    options: { maxSize: number },
  ) => TransformStream<Uint8Array, Uint8Array>;
}

const deflated = { format: "gzip", decode: gunzip, stream: gunzipStream };
const zstd = { format: "zstd", decode: zstdDecode, stream: zstdDecodeStream };
const xz = { format: "xz", decode: xzDecode, stream: xzDecodeStream };
const lz4 = {
  format: "lz4",
  decode: lz4FrameDecode,
  stream: lz4FrameDecodeStream,
};
const bzip2 = {
  format: "bzip2",
  decode: bzip2Decode,
  stream: bzip2DecodeStream,
};
const BCJ = ["x86", "arm", "armthumb", "arm64", "powerpc", "ia64", "sparc"];

const CASES: readonly Case[] = [
  ...["seq.gz", "members.gz"].map((file) => ({
    ...deflated,
    file,
    content: SEQ,
  })),
  ...["seq.lz4", "linked.lz4", "frames.lz4"].map((file) => ({
    ...lz4,
    file,
    content: SEQ,
  })),
  {
    file: "legacy.lz4",
    format: "lz4",
    content: SEQ,
    decode: lz4LegacyDecode,
  },
  ...["seq.zst", "frames.zst"].map((file) => ({ ...zstd, file, content: SEQ })),
  ...["seq.bz2", "streams.bz2"].map((file) => ({
    ...bzip2,
    file,
    content: SEQ,
  })),
  ...["none", "crc32", "crc64", "sha256", "blocks", "streams"].map((name) => ({
    ...xz,
    file: `${name}.xz`,
    content: SEQ,
  })),
  ...[...BCJ, "delta"].map((name) => ({
    ...xz,
    file: `noise.${name}.xz`,
    content: NOISE,
  })),
];

for (const { file, content, decode } of CASES) {
  test(`codecs decode ${file} as the program that made it`, async () => {
    const size = content.length;
    assert.deepEqual(
      new Uint8Array(await decode(fixture(file), { maxSize: size })),
      content,
    );
  });
}

for (const { file, content, stream } of CASES) {
  if (stream === undefined) continue;
  test(`codec streams decode ${file} in pieces of any size`, async () => {
    for (const pieceSize of [1, 7, 4096]) {
      const out = await through(
        stream({ maxSize: content.length }),
        fixture(file),
        pieceSize,
      );
      assert.deepEqual(new Uint8Array(out), content);
    }
  });
}

for (const { file, format, content, decode, stream } of CASES) {
  test(`codecs stop at the output limit on ${file}`, async () => {
    for (const maxSize of [0, 1, content.length - 1]) {
      await rejectsWith(
        decode(fixture(file), { maxSize }),
        `${format}.output-limit`,
      );
      if (stream === undefined) continue;
      await rejectsWith(
        through(stream({ maxSize }), fixture(file), 4096),
        `${format}.output-limit`,
      );
    }
  });
}

// Cut here, these are complete as they are: the rest is another member, frame, stream or padding.
const COMPLETE_SHORTER = new Set([
  "members.gz",
  "frames.lz4",
  "frames.zst",
  "legacy.lz4",
  "streams.bz2",
  "streams.xz",
]);

for (const { file, format, content, decode } of CASES) {
  test(`codecs refuse ${file} cut short at every byte`, async () => {
    const whole = fixture(file);
    const step = whole.length > 6000 ? 5 : 1;
    for (let size = 0; size < whole.length; size += step) {
      const cut = decode(whole.slice(0, size), { maxSize: content.length });
      if (COMPLETE_SHORTER.has(file)) {
        await survives(cut);
      } else {
        await rejectsWith(cut, `${format}.truncated`, `${format}.damaged`);
      }
    }
  });
}

for (const { file, content, decode } of CASES) {
  test(`codecs survive flipped bits in ${file}`, async () => {
    const data = fixture(file);
    const step = data.length > 3000 ? 29 : 3;
    let accepted = 0, tried = 0;
    for (let bit = 0; bit < data.length * 8; bit += step, tried++) {
      data[bit >> 3]! ^= 1 << (bit & 7);
      const size = content.length + 64;
      if (await survives(decode(data, { maxSize: size }))) accepted++;
      data[bit >> 3]! ^= 1 << (bit & 7);
    }
    assert.ok(tried > 300);
    // What has a check sum over all may only miss flips in what it does not cover, such as times.
    if (/^seq.gz$|64.xz$/.test(file)) {
      assert.ok(accepted < tried / 20, `${accepted}`);
    }
  });
}

test("gzip() writes what zlib reads, the same each time", async () => {
  for (const level of [0, 1, 3, 6, 9]) {
    const packed = await gzip(SEQ, { level });
    assert.deepEqual(new Uint8Array(gunzipSync(packed)), SEQ);
    assert.deepEqual(await gzip(SEQ, { level }), packed);
  }
  assert.deepEqual(
    new Uint8Array(inflateRawSync(await deflateRaw(SEQ))),
    SEQ,
  );
});

test("encoders and decoders agree on any bytes", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(3000)).map(
      ([unit, size]) =>
        Uint8Array.from(
          { length: size },
          (_, at) => unit[at % (unit.length || 1)] ?? 0,
        ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (data) => {
      const max = { maxSize: data.length };
      const same = (got: Uint8Array) =>
        assert.deepEqual(new Uint8Array(got), new Uint8Array(data));
      same(await gunzip(await gzip(data), max));
      same(await inflateRaw(await deflateRaw(data), max));
      same(await zstdDecode(await zstdEncode(data), max));
      same(await lz4FrameDecode(await lz4FrameEncode(data), max));
      same(
        await lz4FrameDecode(await lz4FrameEncode(data, { level: 9 }), max),
      );
      same(await lz4LegacyDecode(await lz4LegacyEncode(data), max));
    }),
    { numRuns: 60 },
  );
});

test("decoders survive bytes that are anything", async () => {
  const starts = CASES.map(({ file }) => fixture(file).slice(0, 40));
  const input = fc.tuple(
    fc.constantFrom(...starts),
    fc.nat(40),
    fc.uint8Array({ maxLength: 200 }),
  ).map(([start, size, rest]) =>
    new Uint8Array([...start.subarray(0, size), ...rest])
  );
  await fc.assert(
    fc.asyncProperty(input, async (data) => {
      for (const { decode } of CASES.slice(0, 9)) {
        await survives(decode(data, { maxSize: 1 << 20 }));
      }
      await survives(inflateRaw(data, { maxSize: 1 << 20 }));
      await survives(inflateZlib(data, { maxSize: 1 << 20 }));
      await survives(lz4DecodeBlock(data, { maxSize: 1 << 20 }));
      await survives(decodeMicroLzma(data, { size: 9999, exact: false }));
      await survives(
        decodeXzBlock(data, { check: "crc64", maxSize: 1 << 20 }),
      );
    }),
    { numRuns: 150 },
  );
});

test("gunzip() refuses a wrong size and a wrong sum", async () => {
  const good = fixture("seq.gz"), max = { maxSize: 1 << 20 };
  for (
    const [at, code] of [[-8, "checksum-mismatch"], [
      -4,
      "checksum-mismatch",
    ]] as const
  ) {
    const bad = good.slice();
    bad[bad.length + at]! ^= 1;
    await rejectsWith(gunzip(bad, max), `gzip.${code}`);
  }
});

const BZIP2_BLOCK = [...new TextEncoder().encode("BZh91AY&SY")];

for (
  const { file, codec, begins, damaged } of [
    {
      file: "seq.gz",
      codec: deflated,
      begins: [0x1f, 0x8b, 8],
      damaged: [0x1f, 0x8b, 8, 0xff],
    },
    {
      file: "seq.bz2",
      codec: bzip2,
      begins: BZIP2_BLOCK,
      damaged: [...BZIP2_BLOCK, ...new Array(100).fill(0xff)],
    },
  ]
) {
  const { format, decode, stream } = codec;
  const good = fixture(file), max = { maxSize: SEQ.length };
  const both = (tail: readonly number[]) => {
    const data = new Uint8Array([...good, ...tail]);
    return [decode(data, max), through(stream(max), data, 1)];
  };

  test(`${decode.name}() ignores what follows and does not begin as ${file}`, async () => {
    const text = [...new TextEncoder().encode('{ "version": 1 }\nFWx0')];
    const tails = [
      [0, 0, 0],
      [0, 0, ...good],
      [1],
      text,
      new Array(9999).fill(7),
    ];
    for (let size = 0; size < begins.length; size++) {
      tails.push([...begins.slice(0, size), 0, 1]);
    }
    for (const tail of tails) {
      for (const decoded of both(tail)) {
        assert.deepEqual(new Uint8Array(await decoded), SEQ);
      }
    }
  });

  test(`${decode.name}() refuses damage in what follows and begins as ${file}`, async () => {
    const codes = ["damaged", "unsupported"].map((code) => `${format}.${code}`);
    for (const decoded of both(damaged)) await rejectsWith(decoded, ...codes);
    for (let size = 1; size <= begins.length; size++) {
      for (const decoded of both(begins.slice(0, size))) {
        await rejectsWith(decoded, `${format}.truncated`);
      }
    }
  });
}

test("gunzip() reads headers with every field and verifies their CRC", async () => {
  const body = await deflateRaw(SEQ);
  const head = [0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 1, 2, 3, 4, 0, 3];
  head.push(3, 0, 9, 9, 9, 0x61, 0, 0x62, 0x63, 0);
  const sum = await crc32(new Uint8Array(head)) & 0xffff;
  const build = (headerSum: number) => {
    const out = new Uint8Array([
      ...head,
      headerSum & 255,
      headerSum >> 8,
      ...body,
      ...fixture("seq.gz").slice(-8),
    ]);
    return out;
  };
  const max = { maxSize: SEQ.length };
  assert.deepEqual(new Uint8Array(gunzipSync(build(sum))), SEQ);
  assert.deepEqual(new Uint8Array(await gunzip(build(sum), max)), SEQ);
  assert.deepEqual(
    new Uint8Array(await through(gunzipStream(max), build(sum), 1)),
    SEQ,
  );
  await rejectsWith(gunzip(build(sum ^ 1), max), "gzip.checksum-mismatch");
});

test("inflateZlib() verifies the sum and refuses preset dictionaries", async () => {
  const zlib = await import("node:zlib");
  const packed = new Uint8Array(zlib.deflateSync(SEQ));
  const max = { maxSize: SEQ.length };
  assert.deepEqual(new Uint8Array(await inflateZlib(packed, max)), SEQ);
  packed[packed.length - 1]! ^= 1;
  await rejectsWith(inflateZlib(packed, max), "zlib.checksum-mismatch");
  // RFC 1950, section 2.2: 0x20 is FDICT, and 0x7820 is a multiple of 31.
  await rejectsWith(
    inflateZlib(new Uint8Array([0x78, 0x20, ...packed.subarray(2)]), max),
    "zlib.unsupported",
  );
});

test("lz4DecodeBlock() decodes part of a block when asked to", async () => {
  const frame = fixture("legacy.lz4"), block = frame.slice(8);
  assert.deepEqual(
    new Uint8Array(await lz4DecodeBlock(block, { maxSize: SEQ.length })),
    SEQ,
  );
  for (const maxSize of [1, 100, 13892, 20000]) {
    assert.deepEqual(
      new Uint8Array(await lz4DecodeBlock(block, { maxSize, partial: true })),
      SEQ.slice(0, maxSize),
    );
  }
  await rejectsWith(lz4DecodeBlock(block, { maxSize: 13892 }), "lz4.damaged");
});

test("lz4LegacyDecode() leaves what Linux appends and refuses a block cut short", async () => {
  const frame = fixture("legacy.lz4"), max = { maxSize: 1 << 20 };
  const sizeWord = [SEQ.length & 255, SEQ.length >> 8, 0, 0];
  for (
    const tail of [sizeWord, [0], [0, 0, 0, 0, 0, 0], [255, 255, 255, 255, 1]]
  ) {
    const out = await lz4LegacyDecode(new Uint8Array([...frame, ...tail]), max);
    assert.deepEqual(new Uint8Array(out), SEQ);
  }
  await rejectsWith(
    lz4LegacyDecode(new Uint8Array([...frame, 9, 0, 0, 0]), max),
    "lz4.truncated",
  );
  const twice = await lz4LegacyDecode(
    new Uint8Array([...frame, ...frame]),
    max,
  );
  assert.equal(twice.length, SEQ.length * 2);
});

test("decodeMicroLzma() decodes all or the start of a block", async () => {
  const data = fixture("seq.microlzma");
  // Python ends the data with a marker, which MicroLZMA does not allow: all but the last byte can be had.
  for (const size of [1, 5000, SEQ.length - 1]) {
    assert.deepEqual(
      new Uint8Array(await decodeMicroLzma(data, { size, exact: false })),
      SEQ.slice(0, size),
    );
  }
  await rejectsWith(
    decodeMicroLzma(data, { size: SEQ.length + 1, exact: false }),
    "microlzma.damaged",
  );
});

test("xz refuses more memory than it is allowed", async () => {
  const data = fixture("crc64.xz");
  await rejectsWith(
    xzDecode(data, { maxSize: 1 << 20, memoryLimit: 1 << 20 }),
    "xz.memory-limit",
  );
  await rejectsWith(
    through(
      xzBlockStream({ check: "crc64", maxSize: 1 << 20, memoryLimit: 1 << 20 }),
      data.slice(12),
      100,
    ),
    "xz.memory-limit",
  );
});

test("zstdDecode() refuses larger windows than it is allowed", async () => {
  // A frame header with a window of 64 MiB, RFC 8878 section 3.1.1.1, and an empty last block.
  const data = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3, 1, 0, 0]);
  await rejectsWith(zstdDecode(data, { maxSize: 1000 }), "zstd.memory-limit");
  const windowLimit = 64 << 20;
  assert.equal(
    (await zstdDecode(data, { maxSize: 1000, windowLimit })).length,
    0,
  );
});

test("crc32() and crc32c() give the published values and go on from a part", async () => {
  const text = new TextEncoder().encode("123456789");
  assert.equal(await crc32(text), 0xcbf43926); // ITU-T V.42
  assert.equal(await crc32c(text), 0xe3069283); // RFC 3720, B.4 and the catalogues
  for (const sum of [crc32, crc32c]) {
    const part = await sum(SEQ.subarray(0, 5001));
    assert.equal(await sum(SEQ.subarray(5001), part), await sum(SEQ));
  }
});

test("codecs refuse levels and limits that are none", async () => {
  await assert.rejects(gzip(SEQ, { level: 10 }), RangeError);
  await assert.rejects(zstdEncode(SEQ, { level: 4 }), RangeError);
  await assert.rejects(gunzip(SEQ, { maxSize: -1 }), RangeError);
  await assert.rejects(zstdDecode(SEQ, { maxSize: NaN }), RangeError);
});
