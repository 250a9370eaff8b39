import assert from "node:assert/strict";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import {
  ControlledSource,
  settle,
  within,
} from "../../../tests/conformance/controlled_source.ts";
import {
  DISK_GUID,
  ESP,
  LINUX,
  type MadeDisk,
  madeGpt,
  madeGuid,
  ROOT_ARM64,
  sealGpt,
  sealGptHeader,
  setMbrEntry,
} from "../../../tests/support/made_disk.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { openPartition, type Partition, selectPartition } from "./partition.ts";
import { readGpt } from "./read.ts";

const ENTRIES: MadeDisk["entries"] = [
  { index: 0, type: ESP, uuid: madeGuid(1), firstLba: 64, lastLba: 95 },
  {
    index: 3,
    type: ROOT_ARM64,
    uuid: madeGuid(2),
    firstLba: 96,
    lastLba: 127,
    label: "root 🐟",
    attributes: 1n << 59n,
  },
  {
    index: 127,
    type: LINUX,
    uuid: madeGuid(3),
    firstLba: 128,
    lastLba: 128,
    label: "ESP",
  },
];
const DISK: MadeDisk = { sectorSize: 512, sectors: 256, entries: ENTRIES };

const coded = (...codes: ErrorCode[]) => (error: unknown) =>
  error instanceof FormatError && isCoded(error, ...codes) &&
  /^Cannot .+[^.]$/s.test(error.message);

for (const sectorSize of [512, 4096]) {
  test(`readGpt() reads sectors of ${sectorSize} bytes by 1 read`, async () => {
    const bytes = await madeGpt({ ...DISK, sectorSize });
    const disk = withRecord(openMemory(bytes));
    const table = await readGpt(disk);
    assert.equal(disk.report.requests, 1);
    assert.equal(table.sectorSize, sectorSize);
    assert.equal(table.diskGuid, DISK_GUID);
    assert.equal(table.usedBackup, false);
    assert.deepEqual(table.problems, []);
    assert.deepEqual(table.partitions[1], {
      index: 3,
      number: 4,
      type: ROOT_ARM64,
      typeName: "root-arm64",
      uuid: madeGuid(2),
      label: "root 🐟",
      attributes: 1n << 59n,
      firstLba: 96,
      lastLba: 127,
      offset: 96 * sectorSize,
      size: 32 * sectorSize,
    });
    assert.deepEqual(table.partitions.map(({ number }) => number), [1, 4, 128]);
    const part = openPartition(disk, table.partitions[2]!);
    assert.equal(part.size, sectorSize);
    assert.equal(part.name, "memory#128");
    assert.notEqual(part.identity, disk.identity);
    bytes.fill(7, 128 * sectorSize, 129 * sectorSize);
    const content = await readExactly(part, 0, part.size);
    assert.ok(content.every((byte) => byte === 7));
  });

  test(`readGpt() uses the backup of ${sectorSize} byte sectors when header or table is damaged`, async () => {
    const good = await madeGpt({ ...DISK, sectorSize });
    const { partitions } = await readGpt(openMemory(good));
    const spots = {
      signature: sectorSize,
      revision: sectorSize + 9,
      "header size": sectorSize + 13,
      "header CRC": sectorSize + 16,
      "alternate LBA": sectorSize + 33,
      "table CRC": sectorSize + 88,
      "first entry": 2 * sectorSize + 3,
      "last entry": 2 * sectorSize + 127 * 128 + 60,
    };
    for (const [what, at] of Object.entries(spots)) {
      const bytes = good.slice();
      bytes[at]! ^= 4;
      const disk = withRecord(openMemory(bytes));
      const table = await readGpt(disk);
      assert.equal(table.usedBackup, true, what);
      assert.deepEqual(table.partitions, partitions, what);
      assert.deepEqual(table.problems.map(({ code }) => code), [
        "gpt.used-backup",
      ]);
      assert.ok(disk.report.requests <= 3, `${disk.report.requests} reads`);
    }
  });
}

test("readGpt() uses the backup when the start was overwritten, and tells that no MBR is there", async () => {
  for (const sectorSize of [512, 4096]) {
    const bytes = await madeGpt({ ...DISK, sectorSize });
    bytes.fill(0, 0, 6 * sectorSize);
    const table = await readGpt(openMemory(bytes));
    assert.equal(table.usedBackup, true);
    assert.equal(table.partitions.length, 3);
    assert.deepEqual(
      table.problems.map(({ code }) => code),
      ["gpt.used-backup", "gpt.no-protective-mbr"],
    );
  }
});

test("readGpt() finds a backup that is not at the end, where the damaged header says", async () => {
  const bytes = await madeGpt(DISK);
  const grown = new Uint8Array(bytes.length + 200 * 512);
  grown.set(bytes);
  const told = await readGpt(openMemory(grown));
  assert.deepEqual(told.problems.map(({ code }) => code), [
    "gpt.backup-not-at-end",
  ]);
  grown[1024]! ^= 1;
  const table = await readGpt(openMemory(grown));
  assert.equal(table.usedBackup, true);
  assert.equal(table.partitions.length, 3);
});

test("readGpt() reads a disk that was cut, and refuses the partitions that are not all there", async () => {
  const bytes = await madeGpt(DISK);
  const table = await readGpt(openMemory(bytes.subarray(0, 128 * 512)));
  assert.deepEqual(
    table.problems.map(({ code, index }) => [code, index]),
    [["gpt.cut-short", undefined], ["gpt.bad-partition", 127]],
  );
  const disk = openMemory(bytes);
  const [esp, root, cut] = table.partitions as [
    Partition,
    Partition,
    Partition,
  ];
  assert.equal(openPartition(disk, esp).size, 32 * 512);
  assert.equal(openPartition(disk, root).size, 32 * 512);
  assert.throws(() => openPartition(disk, cut), coded("gpt.bad-partition"));
});

test("readGpt() refuses overlapping entries and those over the table, by name, and no others", async () => {
  const entry = (index: number, firstLba: number, lastLba: number) => ({
    index,
    type: LINUX,
    uuid: madeGuid(index),
    firstLba,
    lastLba,
  });
  const bytes = await madeGpt({
    sectorSize: 512,
    sectors: 256,
    entries: [
      entry(0, 100, 150), // holds the next two
      entry(1, 110, 120),
      entry(2, 150, 150),
      entry(3, 151, 160), // good
      entry(4, 170, 169), // of no sector
      entry(5, 20, 40), // over the table
      entry(6, 200, 2 ** 52), // past the end
      entry(7, 230, 240), // behind the last usable one, over the backup's table: told
    ],
  });
  const { partitions, problems } = await readGpt(openMemory(bytes));
  assert.deepEqual(
    partitions.filter(({ problem }) => problem === undefined)
      .map(({ index }) => index),
    [3, 7],
  );
  assert.deepEqual(
    problems.map(({ code, index }) => [code, index]),
    [
      ...[0, 1, 2].map((index) => ["gpt.bad-partition", index]),
      ...[4, 5, 6].map((index) => ["gpt.bad-partition", index]),
      ["gpt.outside-usable", 7],
    ],
  );
  assert.match(problems[1]!.text, /#2 .*overlaps partition #1/);
});

test("readGpt() tells a hybrid MBR", async () => {
  const bytes = await madeGpt(DISK);
  setMbrEntry(bytes, 1, { type: 0x0c, firstLba: 64, sectors: 32 });
  const { problems } = await readGpt(openMemory(bytes));
  assert.deepEqual(problems.map(({ code }) => code), ["gpt.hybrid-mbr"]);
});

test("readGpt() reads large tables and large entries, by one read more", async () => {
  const bytes = await madeGpt({
    sectorSize: 512,
    sectors: 4096,
    count: 1024,
    entrySize: 256,
    entries: [{
      index: 1000,
      type: LINUX,
      uuid: madeGuid(1),
      firstLba: 2000,
      lastLba: 2007,
      label: "x".repeat(36),
    }],
  });
  const disk = withRecord(openMemory(bytes));
  const { partitions } = await readGpt(disk);
  assert.equal(disk.report.requests, 2);
  assert.equal(partitions[0]!.label, "x".repeat(36));
});

test("readGpt() gives a code for what is no table and for what is damaged in both places", async () => {
  for (const size of [0, 1, 512, 1000, 100_000]) {
    await assert.rejects(
      readGpt(openMemory(new Uint8Array(size))),
      coded("gpt.bad-magic"),
    );
  }
  const cases: [field: number, value: number, code: ErrorCode][] = [
    [8, 0x20000, "gpt.unsupported-revision"],
    [24, 5, "gpt.damaged"], // my LBA
    [36, 0xffffffff, "gpt.damaged"], // alternate LBA of 2^53 and more
    [72, 5000, "gpt.truncated"], // table past the end
    [80, 0xffffffff, "gpt.damaged"], // entries
    [80, 4000, "gpt.truncated"],
    [84, 64, "gpt.damaged"], // size of an entry
    [84, 0x10000, "gpt.damaged"],
    [84, 132, "gpt.damaged"],
    [88, 1, "gpt.checksum-mismatch"],
  ];
  for (const [field, value, code] of cases) {
    const bytes = await madeGpt(DISK);
    for (const lba of [1, 255]) {
      new DataView(bytes.buffer).setUint32(lba * 512 + field, value, true);
      await sealGptHeader(bytes, lba * 512);
    }
    await assert.rejects(
      readGpt(openMemory(bytes)),
      coded(code),
      `${field}: ${value}`,
    );
  }
});

test("readGpt() reads a disk cut at every sector, or gives a code", async () => {
  const bytes = await madeGpt(DISK);
  for (let sectors = 0; sectors <= 256; sectors++) {
    const disk = openMemory(bytes.subarray(0, sectors * 512));
    try {
      const { partitions } = await readGpt(disk);
      assert.equal(partitions.length, 3);
      assert.ok(sectors >= 34);
    } catch (error) {
      assert.ok(
        coded("gpt.bad-magic", "gpt.truncated")(error),
        String(error),
      );
      assert.ok(sectors < 34);
    }
  }
});

test("readGpt() takes the sector size it is told, and no other", async () => {
  const bytes = await madeGpt({ ...DISK, sectorSize: 2048 });
  await assert.rejects(readGpt(openMemory(bytes)), coded("gpt.bad-magic"));
  const table = await readGpt(openMemory(bytes), { sectorSize: 2048 });
  assert.equal(table.sectorSize, 2048);
  const own = await readGpt(openMemory(bytes, { blockSize: 2048 }));
  assert.equal(own.sectorSize, 2048);
  for (const sectorSize of [0, 500, 256, 32768]) {
    await assert.rejects(
      readGpt(openMemory(bytes), { sectorSize }),
      RangeError,
    );
  }
});

test("readGpt() passes on failed and cancelled reads, also those of the backup", async () => {
  const bytes = await madeGpt(DISK);
  const failing = new ControlledSource(bytes);
  failing.failures = 1;
  await assert.rejects(
    readGpt(failing),
    (error) => isCoded(error, "read.failed"),
  );
  assert.equal((await readGpt(failing)).partitions.length, 3);
  bytes[600]! ^= 1;
  const source = new ControlledSource(bytes);
  // the second read is that of the end
  const late: BlockReader = {
    blockSize: 512,
    size: source.size,
    name: "late",
    identity: "late",
    read: (offset, into, options) => {
      if (offset > 0) source.hold();
      return source.read(offset, into, options);
    },
  };
  const controller = new AbortController();
  const reason = new Error("enough");
  const reading = readGpt(late, { signal: controller.signal });
  while (source.requests < 2) await settle();
  controller.abort(reason);
  await assert.rejects(within(5000, reading), (error) => error === reason);
  assert.equal(source.pending, 0);
});

test("selectPartition() finds by label, UUID, type, index and number", async () => {
  const table = await readGpt(openMemory(await madeGpt(DISK)));
  const root = table.partitions[1];
  for (
    const selector of [
      { label: "root 🐟" },
      { label: "  root 🐟 " },
      { uuid: madeGuid(2) },
      { uuid: madeGuid(2).toUpperCase().replaceAll("-", "") },
      { uuid: `{${madeGuid(2)}}` },
      { type: "root-arm64" },
      { type: ROOT_ARM64.toUpperCase() },
      { index: 3 },
      { number: 4 },
    ]
  ) {
    assert.equal(
      selectPartition(table, selector),
      root,
      JSON.stringify(selector),
    );
  }
});

test("selectPartition() names what there is, and what is ambiguous", async () => {
  const table = await readGpt(openMemory(
    await madeGpt({
      ...DISK,
      entries: ENTRIES.map((entry) => ({ ...entry, label: "same" })),
    }),
  ));
  for (
    const selector of [
      { label: "SAME" },
      { label: "sam" },
      { uuid: madeGuid(9) },
      { type: "swap" },
      { index: 1 },
      { number: 129 },
    ]
  ) {
    assert.throws(
      () => selectPartition(table, selector),
      (error) =>
        coded("gpt.no-partition")(error) && /#128 "same"/.test(String(error)),
    );
  }
  assert.throws(
    () => selectPartition(table, { index: 1 }),
    /there is #1 "same" \(index 0\), .*#128 "same" \(index 127\)$/,
  );
  assert.throws(() => selectPartition(table, { number: 2 }), /#128 "same"$/);
  assert.throws(
    () => selectPartition(table, { label: "same" }),
    (error) =>
      coded("gpt.ambiguous-partition")(error) &&
      /#1 .*#4 .*#128/.test(String(error)),
  );
  for (
    const selector of [
      { label: " " },
      { uuid: "fa57b009-06" },
      { type: "rot" },
      { index: -1 },
      { index: 0.5 },
      { number: 0 },
      {},
      { index: 0, number: 1 },
    ]
  ) {
    assert.throws(
      () => selectPartition(table, selector as { index: number }),
      TypeError,
    );
  }
});

const OFFSET = 12345;

blockReaderConformance("openPartition()", (bytes) => {
  const disk = new Uint8Array(OFFSET + bytes.length + 777).fill(0xee);
  disk.set(bytes, OFFSET);
  return Promise.resolve({ reader: partOf(openMemory(disk), bytes.length) });
}, {
  over: (source) => {
    // the source is the partition; the disk around it is not read
    return partOf({
      ...pick(source),
      size: OFFSET + source.size + 777,
      read: (offset, into, options) =>
        source.read(offset - OFFSET, into, options),
    }, source.size);
  },
});

function pick({ blockSize, name, identity }: BlockReader) {
  return { blockSize, name, identity };
}

function partOf(disk: BlockReader, size: number): BlockReader {
  return openPartition(disk, {
    index: 0,
    number: 1,
    type: LINUX,
    typeName: "linux-generic",
    uuid: madeGuid(1),
    label: "",
    attributes: 0n,
    firstLba: 0,
    lastLba: 0,
    offset: OFFSET,
    size,
  });
}

test("readGpt() gives partitions or a code for every flipped bit of header and table", async () => {
  const good = await madeGpt({
    ...DISK,
    count: 4,
    entries: ENTRIES.slice(0, 2),
  });
  for (let at = 512; at < 512 + 92; at++) {
    for (const bit of [1, 128]) {
      const bytes = good.slice();
      bytes[at]! ^= bit;
      // sealed, so that more than the check sum is tried; of the first only
      if (at < 528 || at >= 532) await sealGpt(bytes, 512, 1);
      try {
        const { partitions } = await readGpt(openMemory(bytes));
        assert.ok(partitions.length <= 4);
      } catch (error) {
        assert.ok(
          error instanceof FormatError && /^gpt\./.test(error.code),
          String(error),
        );
      }
    }
  }
});
