import { checkPowerOfTwo } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";
import { judgePartitions } from "../gpt/judge.ts";
import type {
  Partition,
  PartitionTable,
  TableProblem,
} from "../gpt/partition.ts";
import {
  EXTENDED,
  hasMbrSignature,
  MBR_ENTRIES_AT,
  MBR_SIZE,
  MbrEntry,
  mbrKind,
  rawEntries,
  type RawEntry,
} from "./layout.ts";
import { mbrTypeName } from "./types.ts";

/** What {@linkcode readMbr} can be told. */
export interface MbrOptions extends ReadOptions {
  /** Bytes of a sector; 512 when absent. The table does not tell. */
  readonly sectorSize?: number | undefined;
}

/** A Master Boot Record with the logical partitions that it leads to. */
export interface Mbr extends PartitionTable {
  /** Which kind of table. */
  readonly scheme: "mbr";
  /** Eight hexadecimal digits. */
  readonly diskId: string;
  /** Whether it only protects a GPT, or does so and has partitions besides. */
  readonly kind: "mbr" | "protective" | "hybrid";
}

/** Links of a chain that are followed. Linux takes 100 as well. */
const MAX_LOGICAL = 100;

/**
 * Reads the Master Boot Record of a whole disk, with the logical partitions in an extended one.
 *
 * Primary partitions have the numbers 1 to 4, logical ones those from 5 on, as in Linux. The extended
 * partition itself is listed with a `problem`: it is no more than a container. A chain of logical
 * partitions that is damaged ends there, and `problems` says why. Entries that overlap, or end outside
 * the image, are listed with their `problem`.
 *
 * Costs 1 read of 512 bytes, and 1 more for each logical partition: they lie apart.
 *
 * @throws {FormatError} `mbr.bad-magic` when the first sector does not end in 55 AA, `mbr.damaged`
 * when a boot indicator is neither 0 nor 0x80, as in the boot sector of a FAT volume
 * @see Linux 6.12, block/partitions/msdos.c
 */
export async function readMbr(
  disk: BlockReader,
  options: MbrOptions = {},
): Promise<Mbr> {
  const sectorSize = checkPowerOfTwo("sectorSize", options.sectorSize ?? 512);
  if (sectorSize < 512) {
    throw new RangeError(
      `Cannot use sectorSize: found ${sectorSize}, expected at least 512`,
    );
  }
  const size = Math.min(disk.size, MBR_SIZE);
  const bytes = await readExactly(disk, 0, size, options);
  if (size < MBR_SIZE || !hasMbrSignature(bytes)) {
    const found = size < MBR_SIZE
      ? `there are only ${size} bytes`
      : `bytes 510 and 511 are ${
        [...bytes.subarray(510)].map((byte) => hex(byte, 2)).join(" ")
      }, expected 55 aa`;
    throw mbrError(
      disk,
      "mbr.bad-magic",
      `${found}; the file holds something else`,
    );
  }
  const kind = mbrKind(bytes);
  if (kind === undefined) {
    const slot = rawEntries(bytes).findIndex(({ bootIndicator }) =>
      (bootIndicator & 0x7f) !== 0
    );
    const at = MBR_ENTRIES_AT + slot * MbrEntry.size;
    throw mbrError(
      disk,
      "mbr.damaged",
      `boot indicator at byte ${at} is 0x${
        hex(bytes[at]!, 2)
      }, expected 0x00 or 0x80; it may be a boot sector without partitions`,
    );
  }
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(440, true);
  const table = new Table(disk, sectorSize, hex(id, 8));
  let extended: RawEntry | undefined;
  for (const [slot, entry] of rawEntries(bytes).entries()) {
    if (entry.type === 0 || entry.sectors === 0) continue;
    table.add(slot, entry, 0);
    if (EXTENDED.includes(entry.type)) extended ??= entry;
  }
  if (extended !== undefined) await table.follow(extended, options);
  return { scheme: "mbr", name: disk.name, sectorSize, kind, ...table.end() };
}

class Table {
  readonly #disk: BlockReader;
  readonly #sectorSize: number;
  readonly #diskId: string;
  readonly #partitions: Partition[] = [];
  readonly #problems: TableProblem[] = [];

  constructor(disk: BlockReader, sectorSize: number, diskId: string) {
    this.#disk = disk;
    this.#sectorSize = sectorSize;
    this.#diskId = diskId;
  }

  add(index: number, entry: RawEntry, base: number): void {
    const firstLba = base + entry.firstLba;
    this.#partitions.push({
      index,
      number: index + 1,
      type: hex(entry.type, 2),
      typeName: mbrTypeName(entry.type),
      uuid: `${this.#diskId}-${hex(index + 1, 2)}`,
      label: "",
      attributes: BigInt(entry.bootIndicator),
      firstLba,
      lastLba: firstLba + entry.sectors - 1,
      offset: firstLba * this.#sectorSize,
      size: entry.sectors * this.#sectorSize,
    });
  }

  /** Goes from one extended boot record to the next. */
  async follow(extended: RawEntry, options: ReadOptions): Promise<void> {
    const first = extended.firstLba;
    const seen = new Set<number>();
    let index = 4;
    for (let lba: number | undefined = first; lba !== undefined;) {
      if (seen.has(lba)) return this.#stop(lba, "it was there before");
      if (seen.size === MAX_LOGICAL) {
        return this.#stop(lba, `it has more than ${MAX_LOGICAL} links`);
      }
      seen.add(lba);
      const offset = lba * this.#sectorSize;
      if (offset + MBR_SIZE > this.#disk.size) {
        return this.#stop(lba, "it is past the end of the image");
      }
      const bytes = await readExactly(this.#disk, offset, MBR_SIZE, options);
      if (!hasMbrSignature(bytes)) {
        return this.#stop(lba, "there is no 55 AA at its end");
      }
      let next: number | undefined;
      for (const entry of rawEntries(bytes)) {
        if (entry.type === 0 || entry.sectors === 0) continue;
        if (EXTENDED.includes(entry.type)) next ??= first + entry.firstLba;
        else this.add(index++, entry, lba);
      }
      lba = next;
    }
  }

  #stop(lba: number, reason: string): void {
    this.#problems.push({
      code: "mbr.broken-chain",
      text:
        `the chain of logical partitions ends at the record in sector ${lba}: ${reason}`,
    });
  }

  end(): Pick<Mbr, "diskId" | "partitions" | "problems"> {
    const isExtended = ({ type }: Partition) =>
      EXTENDED.includes(parseInt(type, 16));
    const judged = judgePartitions(
      this.#partitions.filter((partition) => !isExtended(partition)),
      this.#problems,
      { scheme: "mbr", diskBytes: this.#disk.size, reserved: [[0, 0]] },
    );
    const containers = this.#partitions.filter(isExtended)
      .map((partition) => ({
        ...partition,
        problem: "it is extended: it only holds the logical partitions",
      }));
    const partitions = [...judged, ...containers]
      .sort((a, b) => a.index - b.index);
    return {
      diskId: this.#diskId,
      partitions,
      problems: this.#problems,
    };
  }
}

function mbrError(
  disk: BlockReader,
  code: ErrorCode,
  found: string,
): FormatError {
  return new FormatError(code, `Cannot read MBR of "${disk.name}": ${found}`, {
    facts: { name: disk.name, size: disk.size },
  });
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
