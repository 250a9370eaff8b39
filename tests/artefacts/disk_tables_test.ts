import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { isCoded, ReadError } from "../../src/errors.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import {
  openPartition,
  type PartitionTable,
  selectPartition,
} from "../../src/format/gpt/partition.ts";
import { readGpt } from "../../src/format/gpt/read.ts";
import { partitionTypeWords } from "../../src/format/gpt/types.ts";
import { readMbr } from "../../src/format/mbr/read.ts";
import { hash } from "../support/compare.ts";
import { cutTo, withFlipped } from "../support/damaged_reader.ts";
import { imageTest, madeFacts, output } from "../support/real_image.ts";

const EXT4 = "debian-arm64.ext4";

/** What `sfdisk --json` says of a disk of 512 byte sectors. */
interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly sectorsize: number;
  readonly partitions: readonly {
    readonly node: string;
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly uuid?: string;
    readonly name?: string;
    readonly attrs?: string;
    readonly bootable?: boolean;
  }[];
}

function sfdisk(path: string): SfdiskTable {
  return JSON.parse(output(["sfdisk", "--json", path])).partitiontable;
}

function compare(
  table: PartitionTable,
  theirs: SfdiskTable,
  path: string,
): void {
  assert.equal(table.sectorSize, theirs.sectorsize);
  assert.deepEqual(
    table.partitions.map((partition) => ({
      number: partition.number,
      start: partition.firstLba,
      size: partition.lastLba - partition.firstLba + 1,
      type: partition.type,
      uuid: table.scheme === "gpt" ? partition.uuid : undefined,
      name: partition.label,
    })),
    theirs.partitions.map(({ node, start, size, type, uuid, name = "" }) => ({
      number: Number(node.slice(path.length)),
      start,
      size,
      type: type.toLowerCase().padStart(2, "0"),
      uuid: uuid?.toLowerCase(),
      name,
    })),
  );
}

for (const kind of ["gpt", "gpt-esp-kernel", "mbr"]) {
  const fixture = `debian-arm64.${kind}`;
  imageTest(
    [fixture],
    ["sfdisk"],
    `${fixture}: the table is as sfdisk reads it`,
    async ({ paths: [path], open }) => {
      const disk = withRecord(await open(path!));
      const theirs = sfdisk(path!);
      if (kind === "mbr") {
        const table = await readMbr(disk);
        compare(table, theirs, path!);
        assert.equal(`0x${table.diskId}`, theirs.id);
        assert.equal(disk.report.requests, 3);
        assert.deepEqual(
          table.partitions.map(({ attributes }) => attributes === 0x80n),
          theirs.partitions.map(({ bootable = false }) => bootable),
        );
      } else {
        const table = await readGpt(disk);
        compare(table, theirs, path!);
        assert.equal(table.diskGuid, theirs.id.toLowerCase());
        assert.equal(disk.report.requests, 1);
        assert.deepEqual(table.problems, []);
        assert.equal(theirs.partitions[1]!.attrs, "GUID:59");
        assert.equal(table.partitions[1]!.attributes, 1n << 59n);
      }
    },
  );
}

imageTest(
  ["debian-arm64.gpt-4096"],
  ["fdisk"],
  "debian-arm64.gpt-4096: the table is as fdisk reads it with sectors of 4096 bytes",
  async ({ paths: [path], open }) => {
    const table = await readGpt(await open(path!));
    assert.equal(table.sectorSize, 4096);
    assert.deepEqual(table.problems, []);
    const columns = "Start,End,Type-UUID,UUID,Name";
    const lines = output([
      ...["fdisk", "--sector-size", "4096", "--list", "--output", columns],
      path!,
    ]).trimEnd().split("\n");
    const found = table.partitions.map((partition) =>
      [
        partition.firstLba,
        partition.lastLba,
        partition.type.toUpperCase(),
        partition.uuid.toUpperCase(),
        partition.label,
      ].join(" ")
    );
    assert.equal(found.length, 2);
    assert.deepEqual(
      found,
      lines.slice(-2).map((line) => line.trim().replace(/\s+/g, " ")),
    );
  },
);

for (const kind of ["gpt", "gpt-4096", "mbr"]) {
  const fixture = `debian-arm64.${kind}`;
  imageTest(
    [fixture, EXT4],
    [],
    `${fixture}: the root partition is debian-arm64.ext4, byte for byte`,
    async ({ paths: [path, ext4], open }) => {
      const disk = await open(path!);
      const table = kind === "mbr" ? await readMbr(disk) : await readGpt(disk);
      const selector = kind === "mbr" ? { number: 6 } : { label: "root" };
      const root = openPartition(disk, selectPartition(table, selector));
      const { size, sha256 } = madeFacts(ext4!);
      assert.equal(root.size, size);
      assert.equal(await hash(root), sha256);
      if (kind !== "mbr") {
        const same = selectPartition(table, { type: "root-arm64" });
        assert.equal(openPartition(disk, same).identity, root.identity);
      }
    },
  );
}

imageTest(
  ["debian-arm64.gpt"],
  ["mtype", "sgdisk"],
  "debian-arm64.gpt: the ESP is as mtools and sgdisk find it",
  async ({ paths: [path], open }) => {
    const disk = await open(path!);
    const table = await readGpt(disk);
    const esp = selectPartition(table, { type: "esp" });
    const info = output(["sgdisk", "--info=1", path!]);
    assert.match(info, new RegExp(`First sector: ${esp.firstLba} `));
    assert.match(info, new RegExp(`Last sector: ${esp.lastLba} `));
    assert.match(info, new RegExp(esp.uuid, "i"));
    const entry = output([
      ...["mdir", "-b", "-i", `${path}@@${esp.offset}`],
      "::/loader/entries",
    ]);
    assert.match(entry, /\.conf/);
    const start = new Uint8Array(512);
    await openPartition(disk, esp).read(0, start);
    assert.equal(String.fromCharCode(...start.subarray(82, 87)), "FAT32");
  },
);

imageTest(
  [],
  ["sfdisk"],
  "type GUIDs have the names that sfdisk gives them",
  () => {
    const list = output(["sfdisk", "--list-types", "--label", "gpt"]);
    const theirs = new Map<string, string>();
    for (const line of list.split("\n")) {
      const [, guid, name] = /^([0-9A-F-]{36})\s+(.+?)\s*$/.exec(line) ?? [];
      if (guid) theirs.set(guid.toLowerCase(), name!);
    }
    let known = 0;
    for (const [guid, name] of theirs) {
      const ours = partitionTypeWords(guid);
      if (ours === undefined) continue;
      assert.equal(ours, name);
      known++;
    }
    // all of ours but LUKS, which this sfdisk does not name: Linux, Microsoft, ChromeOS
    assert.equal(known, 27);
    return Promise.resolve();
  },
);

/** Makes a disk of 64 MiB with awkward partitions, by sgdisk. */
function smallGpt(path: string): void {
  truncateSync(path, 0);
  output(["truncate", "--size=64M", path]);
  output([
    "sgdisk",
    ...["--new=1:2048:4095", "--change-name=1:first", "--typecode=1:ef00"],
    ...["--new=128:8192:8192", "--change-name=128:one sector"],
    ...["--new=5:10240:+1M", `--change-name=5:${"ä".repeat(36)}`],
    ...["--attributes=5:set:2", "--typecode=5:8305"],
    path,
  ]);
}

imageTest(
  [],
  ["sgdisk", "sfdisk", "truncate", "dd"],
  "readGpt() reads what sgdisk makes, moves, and what is left of it, as sfdisk does",
  async ({ folder, open }) => {
    const path = join(folder, "disk.img");
    await Deno.writeFile(path, new Uint8Array(0));
    const read = async () => {
      const disk = await open(path);
      return await readGpt(disk);
    };
    const zero = (sector: number, count: number) =>
      output([
        ...["dd", "if=/dev/zero", `of=${path}`, "bs=512", "status=none"],
        ...[`seek=${sector}`, `count=${count}`, "conv=notrunc"],
      ]);
    const codes = (table: PartitionTable) =>
      table.problems.map(({ code }) => code);

    smallGpt(path);
    compare(await read(), sfdisk(path), path);
    // grown: the backup is where the disk once ended
    output(["truncate", "--size=80M", path]);
    const grown = await read();
    compare(grown, sfdisk(path), path);
    assert.deepEqual(codes(grown), ["gpt.backup-not-at-end"]);
    output(["sgdisk", "--move-second-header", path]);
    assert.deepEqual(codes(await read()), []);
    // without its start
    zero(1, 33);
    const lost = await read();
    compare(lost, sfdisk(path), path);
    assert.deepEqual(codes(lost), ["gpt.used-backup"]);
    // cut: the backup is gone
    smallGpt(path);
    output(["truncate", "--size=8M", path]);
    const cut = await read();
    assert.equal(cut.partitions.length, 3);
    assert.deepEqual(codes(cut), ["gpt.cut-short"]);
    // without a protective MBR, with a hybrid one
    smallGpt(path);
    zero(0, 1);
    assert.deepEqual(codes(await read()), ["gpt.no-protective-mbr"]);
    smallGpt(path);
    output(["sgdisk", "--hybrid=1", path]);
    assert.deepEqual(codes(await read()), ["gpt.hybrid-mbr"]);
    const mbr = await readMbr(await open(path));
    assert.equal(mbr.kind, "hybrid");
    // a table of 512 entries
    smallGpt(path);
    output(["sgdisk", "--resize-table=512", path]);
    compare(await read(), sfdisk(path), path);
  },
);

imageTest(
  [],
  ["sfdisk", "truncate"],
  "readMbr() reads 40 logical partitions as sfdisk made them",
  async ({ folder, open }) => {
    const path = join(folder, "disk.img");
    await Deno.writeFile(path, new Uint8Array(0));
    output(["truncate", "--size=200M", path]);
    const lines = ["label: dos", "size=1MiB, type=c", "type=f"];
    for (let i = 0; i < 40; i++) lines.push(`size=${1 + i % 3}MiB, type=83`);
    output(["sfdisk", "--quiet", path], { input: lines.join("\n") });
    const table = await readMbr(await open(path));
    const theirs = sfdisk(path);
    compare(table, theirs, path);
    assert.equal(table.partitions.length, 42);
    assert.deepEqual(table.problems, []);
  },
);

/** Right partitions, or a code of the format. */
async function attempt(
  read: () => Promise<PartitionTable>,
  expected: PartitionTable,
): Promise<boolean> {
  try {
    const { partitions } = await read();
    for (const partition of partitions) {
      if (partition.problem !== undefined) continue;
      const { offset, size } = partition;
      const same = expected.partitions.find(({ number }) =>
        number === partition.number
      );
      assert.deepEqual([offset, size], [same?.offset, same?.size]);
    }
    return true;
  } catch (error) {
    if (isCoded(error) && /^(?:gpt|mbr)\./.test(error.code)) return false;
    throw error instanceof ReadError ? new Error("a read past the end") : error;
  }
}

for (const kind of ["gpt", "gpt-4096"]) {
  const fixture = `debian-arm64.${kind}`;
  imageTest(
    [fixture],
    [],
    `${fixture}: cut anywhere or with any byte of header and table damaged, it reads right or with a code`,
    async ({ paths: [path], open }) => {
      const disk = await open(path!);
      const whole = await readGpt(disk);
      const sector = whole.sectorSize;
      const ends = [
        ...[0, 1, 511, 512, 513, sector, sector + 91, sector + 92],
        ...[2 * sector - 1, 2 * sector, 2 * sector + 16383, 2 * sector + 16384],
        ...whole.partitions.flatMap((
          { offset, size },
        ) => [offset, offset + 1, offset + size - 1, offset + size]),
        ...[disk.size - 16384 - sector, disk.size - sector, disk.size - 1],
      ];
      let read = 0;
      for (const end of ends) {
        read += Number(await attempt(() => readGpt(cutTo(disk, end)), whole));
      }
      assert.ok(read > 8 && read < ends.length, `${read} of ${ends.length}`);
      const table: BlockReader = disk;
      for (let at = sector; at < sector + 92; at++) {
        assert.ok(
          await attempt(() => readGpt(withFlipped(table, at, 0x11)), whole),
          `${at}`,
        );
      }
      for (let at = 2 * sector; at < 2 * sector + 512; at += 7) {
        assert.ok(
          await attempt(() => readGpt(withFlipped(table, at, 0x80)), whole),
          `${at}`,
        );
      }
    },
  );
}

imageTest(
  ["debian-arm64.mbr"],
  [],
  "debian-arm64.mbr: cut anywhere or with any byte of its records damaged, it reads or gives a code",
  async ({ paths: [path], open }) => {
    const disk = await open(path!);
    const whole = await readMbr(disk);
    const extended = whole.partitions[1]!.offset;
    for (const { offset, size } of whole.partitions) {
      for (
        const end of [offset, offset + 511, offset + 512, offset + size - 1]
      ) {
        await attempt(() => readMbr(cutTo(disk, end)), whole);
      }
    }
    let told = 0;
    for (const record of [0, extended]) {
      for (let at = record + 446; at < record + 512; at++) {
        try {
          const { problems, partitions } = await readMbr(
            withFlipped(disk, at, 0x41),
          );
          for (const { problem, offset, size } of partitions) {
            if (problem === undefined) assert.ok(offset + size <= disk.size);
          }
          told += Number(problems.length > 0);
        } catch (error) {
          assert.ok(
            isCoded(error, "mbr.bad-magic", "mbr.damaged"),
            String(error),
          );
          told++;
        }
      }
    }
    // numbers of cylinders and types of partitions can be anything
    assert.ok(told > 20, `${told} told`);
  },
);
