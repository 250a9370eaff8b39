import assert from "node:assert/strict";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import {
  ControlledSource,
  patternBytes,
  settle,
  within,
} from "../../../tests/conformance/controlled_source.ts";
import { madeSparse } from "../../../tests/support/made_sparse.ts";
import { madeZip, type MadeZipEntry } from "../../../tests/support/made_zip.ts";
import { openMemory } from "../../block/memory.ts";
import { memoryStore } from "../../block/memory_store.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { openSparse } from "../sparse/open.ts";
import { openZip, openZipEntry } from "./open.ts";

const text = (value: string) => new TextEncoder().encode(value);
const coded = (...codes: ErrorCode[]) => (error: unknown) =>
  error instanceof FormatError && isCoded(error, ...codes) &&
  /^Cannot .+[^.]$/s.test(error.message);
const LINES = text("a line that comes again and again\n".repeat(3000));

async function readAll(image: BlockReader, name: string): Promise<Uint8Array> {
  const reader = await openZipEntry(image, name);
  try {
    return await readExactly(reader, 0, reader.size);
  } finally {
    await reader.close();
  }
}

const ENTRIES: readonly MadeZipEntry[] = [
  { name: "folder/", mode: 0o40755 },
  { name: "folder/stored", data: patternBytes(5000) },
  { name: "./folder//deflated", data: LINES, method: 8 },
  { name: "empty" },
  { name: "empty deflated", method: 8 },
  { name: "late", data: LINES, method: 8, descriptor: true },
  { name: "late stored", data: patternBytes(10), descriptor: true },
  { name: "wide", data: LINES, method: 8, zip64: true },
  { name: "wide late", data: patternBytes(100), zip64: true, descriptor: true },
  {
    name: "extra",
    data: patternBytes(9),
    local: { extra: new Uint8Array(500) },
  },
  { name: "größe ☃", data: patternBytes(3), flags: 1 << 11 },
];

for (
  const options of [
    {},
    { zip64: true },
    { comment: "A comment." },
    { comment: "PK\x05\x06".repeat(100) },
    { before: patternBytes(777) },
  ]
) {
  test(`openZip() opens entries of every kind, archive with ${JSON.stringify(Object.keys(options))}`, async () => {
    const image = withRecord(openMemory(await madeZip(ENTRIES, options)));
    const { entries } = await openZip(image);
    assert.equal(image.report.requests, 1);
    assert.deepEqual(entries.map(({ name }) => name), [
      "folder",
      "folder/stored",
      "folder/deflated",
      "empty",
      "empty deflated",
      "late",
      "late stored",
      "wide",
      "wide late",
      "extra",
      "größe ☃",
    ]);
    for (const [index, { data = new Uint8Array(0) }] of ENTRIES.entries()) {
      const { name, type, size } = entries[index]!;
      assert.equal(size, data.length);
      if (type === "directory") {
        await assert.rejects(readAll(image, name), coded("zip.not-a-file"));
      } else assert.deepEqual(await readAll(image, name), data.slice(), name);
    }
    await assert.rejects(readAll(image, "folder/none"), coded("zip.not-found"));
    for (const name of ["", " ", "../x", "a/.."]) {
      await assert.rejects(readAll(image, name), TypeError);
    }
  });
}

test("openZip() reads a stored entry by one read, and where it lies", async () => {
  const image = withRecord(openMemory(
    await madeZip([
      { name: "x", data: new Uint8Array(1 << 20) },
      { name: "image", data: patternBytes(300_000) },
    ]),
  ));
  const zip = await openZip(image);
  const reader = await zip.open(zip.entries[1]!);
  image.reset();
  await readExactly(reader, 1000, 4096);
  assert.equal(image.report.requests, 1);
  assert.equal(image.report.bytes, 4096);
  assert.equal(reader.name, "memory#image");
});

test("openZip() opens entries and archives of more than 4 GiB", async () => {
  const size = 5 * 2 ** 30;
  const head = await madeZip([{
    name: "huge",
    zip64: true,
    size,
    descriptor: true,
  }]);
  const dataAt = 30 + 4 + 20;
  const tail = await madeZip([
    { name: "huge", zip64: true, size, descriptor: true, offset: 0 },
  ], { zip64: true, directory: { offset: 0 } });
  // a local header, 5 GiB of nothing, then a directory that is told where it is
  const whole = await sparseZip(
    head.subarray(0, dataAt),
    tail.subarray(dataAt),
    size,
  );
  const zip = await openZip(whole);
  assert.deepEqual(
    zip.entries.map(({ name, size }) => [name, size]),
    [["huge", size]],
  );
  const reader = await zip.open(zip.entries[0]!);
  assert.equal(reader.size, size);
  const end = await readExactly(reader, size - 4, 4);
  assert.deepEqual([...end], [0, 0, 0, 0]);
});

/** Puts `size` zeros between two parts, and the numbers in the second one right. */
async function sparseZip(
  head: Uint8Array,
  tail: Uint8Array,
  size: number,
): Promise<BlockReader> {
  const start = new Uint8Array(512);
  start.set(head);
  const gap = 512 - head.length;
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const find = (mark: number) => {
    for (let at = 0;; at++) if (view.getUint32(at, true) === mark) return at;
  };
  const entry = find(0x02014b50),
    end = find(0x06064b50),
    locator = find(0x07064b50);
  // the stored size in the entry, where the directory is, where its end record is
  view.setBigUint64(entry + 46 + 4 + 4 + 8, BigInt(size), true);
  view.setBigUint64(end + 48, BigInt(512 + size - gap + entry), true);
  view.setBigUint64(locator + 8, BigInt(512 + size - gap + end), true);
  const blocks = (512 - gap + size) / 512;
  assert.ok(blocks > 0);
  const last = new Uint8Array(Math.ceil((tail.length + 512) / 512) * 512);
  const lead = (512 - gap) % 512 === 0 ? 0 : 512 - gap;
  last.set(tail, lead);
  const { image } = await madeSparse(
    [{ raw: start }, { skip: 1 }, { raw: last }],
    { blockSize: 512 },
  );
  const chunks = new DataView(image.buffer);
  const skip = size / 512 - 1;
  chunks.setUint32(28 + 12 + 512 + 4, skip, true);
  chunks.setUint32(16, chunks.getUint32(16, true) - 1 + skip, true);
  const sparse = await openSparse(openMemory(image));
  return { ...sparse, size: 512 + skip * 512 + lead + tail.length };
}

test("openZip() lists what it cannot open, and refuses only that", async () => {
  const image = openMemory(
    await madeZip([
      { name: "secret", flags: 1 },
      { name: "../up", data: text("x") },
      { name: "a\0b", data: text("x") },
      { name: "same", data: text("1") },
      { name: "./same", data: text("2") },
      { name: "lzma", method: 14 },
      { name: "novel", method: 200 },
      { name: "patch", flags: 1 << 5 },
      { name: "elsewhere", disk: 2 },
      { name: "link", mode: 0o120777, data: text("good") },
      { name: "good", data: text("good") },
    ]),
  );
  const zip = await openZip(image);
  assert.deepEqual(
    zip.entries.map(({ name, problem }) => `${name} ${problem?.code}`),
    [
      "secret zip.unsupported-feature",
      "../up zip.bad-name",
      "a\0b zip.bad-name",
      "same zip.duplicate-name",
      "same zip.duplicate-name",
      "lzma zip.unsupported-feature",
      "novel zip.unsupported-feature",
      "patch zip.unsupported-feature",
      "elsewhere zip.unsupported-feature",
      "link zip.not-a-file",
      "good undefined",
    ],
  );
  for (const entry of zip.entries) {
    if (entry.problem === undefined) continue;
    await assert.rejects(
      zip.open(entry),
      (error) =>
        coded(entry.problem!.code)(error) &&
        String(error).includes(JSON.stringify(entry.name)),
    );
  }
  assert.deepEqual(await readAll(image, "good"), text("good"));
});

test("openZip() compares the local header with the directory", async () => {
  const data = patternBytes(100);
  const cases: readonly MadeZipEntry["local"][] = [
    { name: "y" },
    { name: "xx" },
    { method: 8 },
    { flags: 1 },
    { crc: 1 },
    { size: 99 },
    { signature: 0x04034b51 },
  ];
  for (const local of cases) {
    const image = openMemory(
      await madeZip([{ name: "x", data, local: local! }]),
    );
    await assert.rejects(
      readAll(image, "x"),
      coded("zip.damaged"),
      JSON.stringify(local),
    );
  }
  for (const offset of [1, 50, 10_000, 2 ** 32 - 2]) {
    const image = openMemory(await madeZip([{ name: "x", data, offset }]));
    await assert.rejects(
      readAll(image, "x"),
      coded("zip.damaged", "zip.truncated"),
      `${offset}`,
    );
  }
  const far = openMemory(
    await madeZip([{ name: "x", offset: 2 ** 53, zip64: true }]),
  );
  await assert.rejects(openZip(far), coded("zip.damaged"));
});

test("openZip() finds wrong sizes, sums and data of deflated entries", async () => {
  const cases: [ErrorCode, Partial<MadeZipEntry>][] = [
    ["zip.checksum-mismatch", { crc: 1 }],
    ["zip.damaged", { size: LINES.length - 1 }],
    ["zip.damaged", { size: LINES.length + 1 }],
    ["zip.damaged", { size: 2 ** 32 - 2 }], // more than it can hold
    ["zip.damaged", { stored: patternBytes(500) }],
    ["zip.damaged", { stored: new Uint8Array(0) }],
  ];
  for (const [code, entry] of cases) {
    const image = openMemory(
      await madeZip([{ name: "x", data: LINES, method: 8, ...entry }]),
    );
    await assert.rejects(
      readAll(image, "x"),
      coded(code),
      JSON.stringify(entry).slice(0, 99),
    );
  }
  const stored = openMemory(
    await madeZip([{ name: "x", data: LINES, size: 5 }]),
  );
  await assert.rejects(readAll(stored, "x"), coded("zip.damaged"));
});

test("openZip() gives back nothing of a deflated entry whose sum is wrong, once that is known", async () => {
  const store = memoryStore({ maxBytes: 1 << 20 });
  const image = openMemory(
    await madeZip([{ name: "x", data: LINES, method: 8, crc: 1 }]),
  );
  for (let i = 0; i < 2; i++) {
    const reader = await openZipEntry(image, "x", { store });
    await assert.rejects(
      readExactly(reader, reader.size - 10, 10),
      coded("zip.checksum-mismatch"),
    );
    await reader.close();
  }
});

test("openZip() inflates an entry once for a store, and tells how far it is", async () => {
  const store = memoryStore({ maxBytes: 16 << 20 });
  const data = text(
    Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join(""),
  );
  const image = withRecord(
    openMemory(await madeZip([{ name: "x", data, method: 8 }])),
  );
  const told: number[] = [];
  for (let i = 0; i < 2; i++) {
    const zip = await openZip(image);
    const before = image.report.bytes;
    const reader = await zip.open(zip.entries[0]!, {
      store,
      onProgress: ({ done }) => told.push(done),
    });
    const bytes = await readExactly(reader, 0, reader.size);
    assert.ok(bytes.every((byte, at) => byte === data[at]));
    if (i === 1) assert.equal(image.report.bytes - before, 31); // the local header
    await reader.close();
  }
  assert.equal(told.at(-1), data.length);
});

test("openZip() gives a code for what is none, what is cut and what is damaged", async () => {
  for (const size of [0, 1, 21, 22, 1000, 100_000]) {
    await assert.rejects(
      openZip(openMemory(new Uint8Array(size))),
      coded("zip.bad-magic"),
    );
  }
  const whole = await madeZip(ENTRIES);
  for (let size = 4; size < whole.length; size += 101) {
    await assert.rejects(
      openZip(openMemory(whole.subarray(0, size))),
      coded("zip.truncated"),
    );
  }
  const cases: [ErrorCode, Parameters<typeof madeZip>[1]][] = [
    ["zip.unsupported-feature", { disk: 1 }],
    ["zip.damaged", { directory: { count: 12 } }],
    ["zip.damaged", { directory: { count: 2 ** 40 }, zip64: true }],
    ["zip.damaged", { directory: { offset: 2 ** 60 }, zip64: true }],
  ];
  for (const [code, options] of cases) {
    await assert.rejects(
      openZip(openMemory(await madeZip(ENTRIES, options))),
      coded(code),
      JSON.stringify(options),
    );
  }
});

test("openZip() refuses a directory that is too large for memory", async () => {
  // an end record that claims 65 MiB of directory, and has them
  const { image } = await madeSparse([{ skip: 1 }, {
    raw: new Uint8Array(4096),
  }]);
  const view = new DataView(image.buffer);
  view.setUint32(28 + 4, 20_000, true);
  view.setUint32(16, 20_001, true);
  const sparse = await openSparse(openMemory(image));
  const size = sparse.size;
  const end = await madeZip([], {
    directory: { offset: 4096, size: size - 4096 - 22, count: 3 },
  });
  const directory = await madeZip([{ name: "x" }]);
  const whole: BlockReader = {
    ...sparse,
    async read(offset, into, options) {
      const count = await sparse.read(offset, into, options);
      const put = (bytes: Uint8Array, at: number) => {
        for (const [i, byte] of bytes.entries()) {
          if (at + i >= offset && at + i < offset + count) {
            into[at + i - offset] = byte;
          }
        }
      };
      put(directory.subarray(31, 31 + 47), 4096);
      put(end, size - 22);
      return count;
    },
  };
  await assert.rejects(openZip(whole), coded("zip.directory-too-large"));
});

test("openZip() gives entries or a code for any flipped bit of directory and end record", async () => {
  const good = await madeZip(ENTRIES.slice(0, 8), { zip64: true });
  const view = new DataView(good.buffer);
  let start = 0;
  while (view.getUint32(start, true) !== 0x02014b50) start++;
  for (let at = start; at < good.length; at++) {
    const bytes = good.slice();
    bytes[at]! ^= 1 << at % 8;
    try {
      const zip = await openZip(openMemory(bytes));
      for (const entry of zip.entries) {
        if (entry.problem !== undefined || entry.size > 1 << 20) continue;
        const reader = await zip.open(entry);
        try {
          await readExactly(reader, 0, reader.size);
        } finally {
          await reader.close();
        }
      }
    } catch (error) {
      assert.ok(
        error instanceof FormatError && /^zip\./.test(error.code),
        `byte ${at}: ${error}`,
      );
    }
  }
});

test("openZip() passes on failures and reasons as they came", async () => {
  const source = new ControlledSource(await madeZip(ENTRIES));
  source.failures = 1;
  await assert.rejects(
    openZip(source),
    (error) => isCoded(error, "read.failed"),
  );
  assert.equal((await openZip(source)).entries.length, ENTRIES.length);
  const controller = new AbortController();
  const reason = new Error("enough");
  source.hold();
  const opening = openZip(source, { signal: controller.signal });
  while (source.pending === 0) await settle();
  controller.abort(reason);
  await assert.rejects(within(5000, opening), (error) => error === reason);
  assert.equal(source.pending, 0);
});

for (const method of [0, 8]) {
  blockReaderConformance(
    `openZipEntry(), ${method === 0 ? "stored" : "deflated"},`,
    async (data) => {
      const image = await madeZip([{ name: "before", data: text("x") }, {
        name: "x",
        data,
        method,
      }]);
      const reader = await openZipEntry(openMemory(image), "x");
      return { reader, close: () => reader.close() };
    },
  );
}
