/**
 * Small partition tables, made field by field, for what no program makes on purpose.
 *
 * @module
 */

import { GptEntry, GptHeader } from "../../src/format/gpt/layout.ts";
import { MBR_ENTRIES_AT, MbrEntry } from "../../src/format/mbr/layout.ts";
import { crc32 } from "../../src/wasm/checksum.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One entry to make. */
export interface MadeEntry {
  readonly index: number;
  readonly type: string;
  readonly uuid: string;
  readonly firstLba: number;
  readonly lastLba: number;
  readonly label?: string;
  readonly attributes?: bigint;
}

/** What a disk is made of. */
export interface MadeDisk {
  readonly sectorSize: number;
  readonly sectors: number;
  readonly entries: readonly MadeEntry[];
  /** Entries of the table; 128 when absent. */
  readonly count?: number;
  readonly entrySize?: number;
}

export const ROOT_ARM64 = "b921b045-1df0-41c3-af44-4c6f280d3fae";
export const ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
export const LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4";
export const DISK_GUID = "fa57b009-0000-4000-8000-0000000000d0";

/** A GUID that differs in its last digits. */
export function madeGuid(number: number): string {
  return `fa57b009-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

/** Makes a disk with both headers and a protective MBR. */
export async function madeGpt(disk: MadeDisk): Promise<Bytes> {
  const { sectorSize, sectors, entries, count = 128, entrySize = 128 } = disk;
  const bytes = new Uint8Array(sectorSize * sectors);
  const table = new Uint8Array(count * entrySize);
  for (const { index, label = "", attributes = 0n, ...entry } of entries) {
    const name = new Uint8Array(72);
    for (let i = 0; i < Math.min(36, label.length); i++) {
      name[2 * i] = label.charCodeAt(i);
      name[2 * i + 1] = label.charCodeAt(i) >> 8;
    }
    GptEntry.write(
      {
        partitionTypeGuid: entry.type,
        uniquePartitionGuid: entry.uuid,
        startingLba: entry.firstLba,
        endingLba: entry.lastLba,
        attributes,
        partitionName: name,
      },
      table,
      index * entrySize,
    );
  }
  const tableSectors = Math.ceil(table.length / sectorSize);
  const last = sectors - 1;
  for (
    const [myLba, alternateLba, partitionEntryLba] of [
      [1, last, 2],
      [last, 1, last - tableSectors],
    ] as const
  ) {
    bytes.set(table, partitionEntryLba * sectorSize);
    GptHeader.write(
      {
        signature: 0x5452_4150_2049_4645n,
        revision: 0x10000,
        headerSize: 92,
        headerCrc32: 0,
        reserved: 0,
        myLba,
        alternateLba,
        firstUsableLba: 2 + tableSectors,
        lastUsableLba: last - tableSectors - 1,
        diskGuid: DISK_GUID,
        partitionEntryLba,
        numberOfPartitionEntries: count,
        sizeOfPartitionEntry: entrySize,
        partitionEntryArrayCrc32: await crc32(table),
      },
      bytes,
      myLba * sectorSize,
    );
    await sealGptHeader(bytes, myLba * sectorSize);
  }
  setMbrEntry(bytes, 0, { type: 0xee, firstLba: 1, sectors: sectors - 1 });
  return bytes;
}

/** Makes the check sum of a header right, whatever was done to it. */
export async function sealGptHeader(
  bytes: Uint8Array,
  at: number,
): Promise<void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const size = Math.min(512, Math.max(92, view.getUint32(12, true)));
  view.setUint32(16, 0, true);
  view.setUint32(16, await crc32(bytes.subarray(at, at + size)), true);
}

/** Makes the check sum of the table that a header leads to right, and that of the header. */
export async function sealGpt(
  bytes: Uint8Array,
  sectorSize: number,
  lba: number,
): Promise<void> {
  const at = lba * sectorSize;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const start = Number(view.getBigUint64(72, true)) * sectorSize;
  const size = view.getUint32(80, true) * view.getUint32(84, true);
  if (start + size <= bytes.length) {
    const sum = await crc32(bytes.subarray(start, start + size));
    view.setUint32(88, sum, true);
  }
  await sealGptHeader(bytes, at);
}

/** Writes one of the four entries of an MBR, or of an EBR at byte `at`, and `55 AA`. */
export function setMbrEntry(
  bytes: Uint8Array,
  slot: number,
  entry: { type: number; firstLba: number; sectors: number; boot?: number },
  at = 0,
): void {
  MbrEntry.write(
    {
      bootIndicator: entry.boot ?? 0,
      firstChs: new Uint8Array(3),
      type: entry.type,
      lastChs: new Uint8Array(3),
      firstLba: entry.firstLba,
      sectors: entry.sectors,
    },
    bytes,
    at + MBR_ENTRIES_AT + slot * MbrEntry.size,
  );
  bytes[at + 510] = 0x55;
  bytes[at + 511] = 0xaa;
}
