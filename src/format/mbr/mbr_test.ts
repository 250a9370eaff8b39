import assert from "node:assert/strict";
import test from "node:test";
import { setMbrEntry } from "../../../tests/support/made_disk.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { openPartition, selectPartition } from "../gpt/partition.ts";
import { readMbr } from "./read.ts";

const coded = (...codes: ErrorCode[]) => (error: unknown) =>
  error instanceof FormatError && isCoded(error, ...codes) &&
  /^Cannot .+[^.]$/s.test(error.message);

const SECTORS = 1000;

/** FAT in 1, an extended partition in 3 with two logical ones, Linux in 4. */
function madeMbr(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SECTORS * 512);
  new DataView(bytes.buffer).setUint32(440, 0xfa57b009, true);
  const set = (
    slot: number,
    type: number,
    firstLba: number,
    sectors: number,
    at = 0,
  ) =>
    setMbrEntry(bytes, slot, {
      type,
      firstLba,
      sectors,
      boot: at + slot === 0 ? 0x80 : 0,
    }, at * 512);
  set(0, 0x0c, 10, 90);
  set(2, 0x0f, 100, 500);
  set(3, 0x83, 600, 400);
  set(0, 0x82, 10, 90, 100); // relative to its record
  set(1, 0x05, 200, 200, 100); // relative to the extended partition
  set(0, 0x83, 8, 100, 300);
  return bytes;
}

test("readMbr() reads primary and logical partitions, numbered as Linux does", async () => {
  const disk = withRecord(openMemory(madeMbr(), { name: "disk.img" }));
  const table = await readMbr(disk);
  assert.equal(disk.report.requests, 3);
  assert.equal(table.kind, "mbr");
  assert.equal(table.diskId, "fa57b009");
  assert.deepEqual(table.problems, []);
  const found = table.partitions.map((
    { number, type, firstLba, lastLba, uuid },
  ) => `${number} ${type} ${firstLba} ${lastLba} ${uuid}`);
  assert.deepEqual(found, [
    "1 0c 10 99 fa57b009-01",
    "3 0f 100 599 fa57b009-03",
    "4 83 600 999 fa57b009-04",
    "5 82 110 199 fa57b009-05",
    "6 83 308 407 fa57b009-06",
  ]);
  const boot = table.partitions[0]!;
  assert.equal(boot.attributes, 0x80n);
  assert.equal(boot.typeName, "fat32");
  const extended = table.partitions[1]!;
  assert.throws(
    () => openPartition(disk, extended),
    coded("mbr.bad-partition"),
  );
  for (
    const selector of [
      { uuid: "FA57B009-06" },
      { index: 5 },
      { number: 6 },
    ]
  ) {
    const part = openPartition(disk, selectPartition(table, selector));
    assert.deepEqual([part.size, part.name], [100 * 512, "disk.img#6"]);
  }
  assert.throws(
    () => selectPartition(table, { type: "83" }),
    coded("mbr.ambiguous-partition"),
  );
  assert.equal(selectPartition(table, { type: "0x82" }).number, 5);
  assert.throws(
    () => selectPartition(table, { number: 7 }),
    coded("mbr.no-partition"),
  );
  assert.throws(() => selectPartition(table, { uuid: "fa57b009" }), TypeError);
});

test("readMbr() ends a chain that loops, leads out of the image or is damaged, and says so", async () => {
  const cases: [string, (bytes: Uint8Array) => void][] = [
    [
      "before",
      (bytes) =>
        setMbrEntry(bytes, 1, { type: 5, firstLba: 0, sectors: 9 }, 300 * 512),
    ],
    [
      "past the end",
      (bytes) =>
        setMbrEntry(
          bytes,
          1,
          { type: 5, firstLba: 0xffffffff, sectors: 9 },
          300 * 512,
        ),
    ],
    [
      "no 55 AA",
      (bytes) =>
        setMbrEntry(
          bytes,
          1,
          { type: 5, firstLba: 333, sectors: 9 },
          300 * 512,
        ),
    ],
  ];
  for (const [reason, change] of cases) {
    const bytes = madeMbr();
    change(bytes);
    const { partitions, problems } = await readMbr(openMemory(bytes));
    assert.equal(partitions.length, 5);
    assert.deepEqual(problems.map(({ code }) => code), ["mbr.broken-chain"]);
    assert.match(problems[0]!.text, new RegExp(reason));
  }
});

test("readMbr() follows 100 links of a chain, not more", async () => {
  const bytes = new Uint8Array(1000 * 512);
  setMbrEntry(bytes, 0, { type: 5, firstLba: 1, sectors: 999 });
  for (let i = 0; i < 200; i++) {
    const at = (1 + 2 * i) * 512;
    setMbrEntry(bytes, 0, { type: 0x83, firstLba: 1, sectors: 1 }, at);
    setMbrEntry(bytes, 1, { type: 5, firstLba: 2 * i + 2, sectors: 2 }, at);
  }
  const disk = withRecord(openMemory(bytes));
  const { partitions, problems } = await readMbr(disk);
  assert.equal(partitions.length, 101);
  assert.equal(disk.report.requests, 101);
  assert.equal(problems[0]!.code, "mbr.broken-chain");
});

test("readMbr() refuses overlapping partitions and those past the end, and no others", async () => {
  const bytes = madeMbr();
  setMbrEntry(bytes, 1, { type: 0x83, firstLba: 50, sectors: 20 });
  setMbrEntry(bytes, 3, { type: 0x83, firstLba: 600, sectors: 401 });
  const { partitions, problems } = await readMbr(openMemory(bytes));
  const good = partitions.filter(({ problem }) => problem === undefined);
  assert.deepEqual(good.map(({ number }) => number), [5, 6]);
  assert.deepEqual(
    problems.map(({ code, index }) => [code, index]),
    [0, 1, 3].map((index) => ["mbr.bad-partition", index]),
  );
});

test("readMbr() tells what only protects a GPT, and what does more", async () => {
  const bytes = new Uint8Array(1024);
  setMbrEntry(bytes, 0, { type: 0xee, firstLba: 1, sectors: 1 });
  assert.equal((await readMbr(openMemory(bytes))).kind, "protective");
  setMbrEntry(bytes, 2, { type: 0x83, firstLba: 1, sectors: 1 });
  assert.equal((await readMbr(openMemory(bytes))).kind, "hybrid");
});

test("readMbr() refuses what is none", async () => {
  for (const size of [0, 511, 512, 4096]) {
    await assert.rejects(
      readMbr(openMemory(new Uint8Array(size))),
      coded("mbr.bad-magic"),
    );
  }
  const bytes = madeMbr();
  bytes[446 + 16] = 0x41; // boot code of a FAT volume
  await assert.rejects(readMbr(openMemory(bytes)), coded("mbr.damaged"));
});

test("readMbr() reads a disk cut at every sector, or with any bit of its records flipped", async () => {
  const good = madeMbr();
  const attempt = async (bytes: Uint8Array) => {
    try {
      const { partitions } = await readMbr(openMemory(bytes));
      for (const { problem, offset, size } of partitions) {
        if (problem === undefined) assert.ok(offset + size <= bytes.length);
      }
    } catch (error) {
      assert.ok(coded("mbr.bad-magic", "mbr.damaged")(error), String(error));
    }
  };
  for (let sectors = 0; sectors < SECTORS; sectors += 7) {
    await attempt(good.subarray(0, sectors * 512));
  }
  for (const record of [0, 100, 300]) {
    for (let at = 446; at < 512; at++) {
      for (const bit of [1, 8, 128]) {
        const bytes = good.slice();
        bytes[record * 512 + at]! ^= bit;
        await attempt(bytes);
      }
    }
  }
});
