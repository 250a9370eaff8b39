/**
 * Master Boot Record on disk: four entries at byte 446, `55 AA` behind them. All little-endian.
 *
 * @module
 */

import { bytesOf, struct, u32, u8 } from "../../bytes/struct.ts";

/** First entry. */
export const MBR_ENTRIES_AT = 446;
/** Bytes of an MBR or EBR; sectors may be larger. */
export const MBR_SIZE = 512;

/** One of four. Cylinders, heads and sectors are not read. */
export const MbrEntry = struct("MBR entry", {
  bootIndicator: u8,
  firstChs: bytesOf(3),
  type: u8,
  lastChs: bytesOf(3),
  firstLba: u32,
  sectors: u32,
});

/** An entry as it stands. */
export type RawEntry = ReturnType<typeof MbrEntry.read>;

/** Type of the partition that protects a GPT (UEFI 2.10, table 5-4). */
export const PROTECTIVE = 0xee;
/** Types of what only holds logical partitions. */
export const EXTENDED: readonly number[] = [0x05, 0x0f, 0x85];

/** Tells whether `55 AA` ends the first 512 of `bytes`. */
export function hasMbrSignature(bytes: Uint8Array): boolean {
  return bytes[510] === 0x55 && bytes[511] === 0xaa;
}

/** The four entries of an MBR or EBR. */
export function rawEntries(bytes: Uint8Array): RawEntry[] {
  return [0, 1, 2, 3].map((slot) =>
    MbrEntry.read(bytes, MBR_ENTRIES_AT + slot * MbrEntry.size)
  );
}

/**
 * What the first 512 bytes of a disk are: an MBR, one that protects a GPT, one that does and has
 * partitions besides, or none.
 */
export function mbrKind(
  bytes: Uint8Array,
): "mbr" | "protective" | "hybrid" | undefined {
  if (bytes.length < MBR_SIZE || !hasMbrSignature(bytes)) return undefined;
  const entries = rawEntries(bytes);
  // boot code of a FAT or NTFS volume is no table: its bytes here are anything
  if (entries.some(({ bootIndicator }) => (bootIndicator & 0x7f) !== 0)) {
    return undefined;
  }
  const types = entries.map(({ type }) => type).filter((type) => type !== 0);
  if (!types.includes(PROTECTIVE)) return "mbr";
  return types.length === 1 ? "protective" : "hybrid";
}
