import { checkPowerOfTwo } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { type FormatError, isCoded } from "../../errors.ts";
import { mbrKind } from "../mbr/layout.ts";
import { readEntries } from "./entries.ts";
import {
  type GptCopy,
  gptError,
  hasSignature,
  type Piece,
  readCopy,
} from "./header.ts";
import type { PartitionTable, TableProblem } from "./partition.ts";

/** What {@linkcode readGpt} can be told. */
export interface GptOptions extends ReadOptions {
  /** Bytes of a logical sector, 512 to 16384; found by the table when absent. */
  readonly sectorSize?: number | undefined;
}

/** A GUID Partition Table. */
export interface Gpt extends PartitionTable {
  /** Which kind of table. */
  readonly scheme: "gpt";
  /** Lower-case. */
  readonly diskGuid: string;
  /** True when header or table at the start were not usable, and those at the end were. */
  readonly usedBackup: boolean;
}

/** Holds header and table of 512 and of 4096 byte sectors. */
const HEAD_BYTES = 32768;
/** Largest sector whose header is within what is read first. */
const MAX_SECTOR = 16384;
/** The same at the end: 32 sectors of a table in front of the header. */
const TAIL_BYTES = 32768;

/**
 * Reads the GUID Partition Table of a whole disk.
 *
 * Sectors of 512 and 4096 bytes are told apart by where the header is. When header or table at the
 * start fail their check sums, those that the header leads to, and those at the end of the image, are
 * used. A backup that is not at the end, since the image grew or was cut, is told in `problems`, as is
 * a protective MBR that is missing or has partitions of its own. Entries that overlap, or end outside
 * the image, are listed with their `problem`, and only those cannot be opened.
 *
 * Costs 1 read of 32 KiB; 1 more for a table that is not within it; and where the start is damaged at
 * most 4 more. The backup is not looked at otherwise: the end of a compressed image is expensive.
 *
 * @throws {FormatError} `gpt.bad-magic` when there is no header; else what is wrong with the first one
 * found: `gpt.checksum-mismatch`, `gpt.damaged`, `gpt.truncated`, `gpt.unsupported-revision`
 * @see UEFI 2.10, section 5.3
 *
 * @example
 * ```ts
 * import { openMemory } from "../../block/memory.ts";
 * import { openPartition, selectPartition } from "./partition.ts";
 * import { readGpt } from "./read.ts";
 *
 * async function openRoot(bytes: Uint8Array) {
 *   const disk = openMemory(bytes);
 *   const table = await readGpt(disk);
 *   return openPartition(disk, selectPartition(table, { label: "root" }));
 * }
 * ```
 */
export async function readGpt(
  disk: BlockReader,
  options: GptOptions = {},
): Promise<Gpt> {
  const sizes = sectorSizes(disk, options);
  const size = Math.min(disk.size, HEAD_BYTES);
  const head = {
    offset: 0,
    bytes: await readExactly(disk, 0, size, options),
  };
  let first: unknown;
  for (const sectorSize of sizes) {
    if (!hasSignature(head, sectorSize)) continue;
    try {
      const copy = await readCopy(disk, head, sectorSize, 1, options);
      return finish(disk, copy, head, undefined);
    } catch (error) {
      first ??= onlyFormat(error);
    }
  }
  const backup = await findBackup(disk, head, sizes, options);
  if (backup !== undefined) {
    return finish(disk, backup, head, first as FormatError | undefined ?? null);
  }
  if (first !== undefined) throw first;
  throw gptError(
    disk,
    "gpt.bad-magic",
    `no "EFI PART" at byte ${
      sizes.join(" or ")
    } nor in the last sector; the file holds something else`,
    { size: disk.size },
  );
}

function sectorSizes(
  disk: BlockReader,
  { sectorSize }: GptOptions,
): readonly number[] {
  if (sectorSize !== undefined) {
    checkPowerOfTwo("sectorSize", sectorSize);
    if (sectorSize < 512 || sectorSize > MAX_SECTOR) {
      throw new RangeError(
        `Cannot use sectorSize: found ${sectorSize}, expected 512 to ${MAX_SECTOR}`,
      );
    }
    return [sectorSize];
  }
  const { blockSize } = disk;
  const rare = [1024, 2048, 8192].filter((size) => size === blockSize);
  return [512, 4096, ...rare];
}

/** Damage may be made up for by the backup; a failed or cancelled read may not. */
function onlyFormat(error: unknown): unknown {
  if (error instanceof Error && isCoded(error) && /^gpt\./.test(error.code)) {
    return error;
  }
  throw error;
}

/** Looks where the damaged header says, and at the end. */
async function findBackup(
  disk: BlockReader,
  head: Piece,
  sizes: readonly number[],
  options: ReadOptions,
): Promise<GptCopy | undefined> {
  const length = Math.min(disk.size, TAIL_BYTES);
  const offset = disk.size - length;
  const tail = {
    offset,
    bytes: await readExactly(disk, offset, length, options),
  };
  for (const sectorSize of sizes) {
    const last = Math.floor(disk.size / sectorSize) - 1;
    const lbas = hasSignature(tail, last * sectorSize) ? [last] : [];
    const stated = statedBackup(head, sectorSize);
    // 1 is the header that was found wanting
    if (stated !== undefined && stated > 1 && stated < last) lbas.push(stated);
    for (const lba of lbas) {
      if (lba < 1) continue;
      try {
        return await readCopy(disk, tail, sectorSize, lba, options);
      } catch (error) {
        onlyFormat(error);
      }
    }
  }
  return undefined;
}

/** `AlternateLBA` of a header that failed its check; it may still be right. */
function statedBackup(head: Piece, sectorSize: number): number | undefined {
  if (!hasSignature(head, sectorSize)) return undefined;
  const { buffer, byteOffset } = head.bytes;
  if (sectorSize + 40 > head.bytes.length) return undefined;
  const view = new DataView(buffer, byteOffset + sectorSize);
  return Number(view.getBigUint64(32, true));
}

/** @param primary Why the first header is not used; `null` when there is none, absent when it is. */
function finish(
  disk: BlockReader,
  copy: GptCopy,
  head: Piece,
  primary: FormatError | null | undefined,
): Gpt {
  const { sectorSize, header } = copy;
  const problems: TableProblem[] = [];
  const tell = (code: string, text: string) => problems.push({ code, text });
  if (primary !== undefined) {
    const reason = primary === null
      ? `there is no header at byte ${sectorSize}`
      : `the one at the start is damaged (${primary.code})`;
    tell("gpt.used-backup", `the backup is used: ${reason}`);
  }
  const kind = mbrKind(head.bytes);
  if (kind === "hybrid") {
    tell(
      "gpt.hybrid-mbr",
      "the MBR has partitions of its own beside the protective one; GPT is what counts",
    );
  } else if (kind !== "protective") {
    tell("gpt.no-protective-mbr", "the MBR has no protective partition");
  }
  const lastLba = Math.floor(disk.size / sectorSize) - 1;
  const backup = Math.max(header.alternateLba, header.myLba);
  if (backup > lastLba) {
    tell(
      "gpt.cut-short",
      `the table is of a disk of ${backup + 1} sectors, found ${lastLba + 1}`,
    );
  } else if (backup < lastLba) {
    tell(
      "gpt.backup-not-at-end",
      `the backup header is in sector ${backup}, expected ${lastLba}; the disk grew`,
    );
  }
  const partitions = readEntries(disk, copy, problems);
  return {
    scheme: "gpt",
    name: disk.name,
    sectorSize,
    diskGuid: header.diskGuid,
    partitions,
    usedBackup: primary !== undefined,
    problems,
  };
}
