/**
 * FAT directories: entries of 32 bytes, some of them parts of the name of a later one.
 *
 * @module
 */

import type { Extent } from "../../block/extents.ts";
import { bytesOf, struct, u16, u32, u8 } from "../../bytes/struct.ts";
import {
  decodeOem,
  foldName,
  LongName,
  shortName,
  unescapeFirst,
} from "./name.ts";

/** Bytes of an entry. */
export const ENTRY_SIZE = 32;
/** Most bytes of a directory (Linux, `FAT_MAX_DIR_SIZE`). */
export const MAX_DIRECTORY_SIZE: number = 65536 * ENTRY_SIZE;

/** An entry (fatgen103, "FAT Directory Structure"). */
const DirectoryRecord = struct("FAT directory entry", {
  name: bytesOf(11),
  attributes: u8,
  caseFlags: u8,
  createdTenths: u8,
  createdTime: u16,
  createdDate: u16,
  accessedDate: u16,
  clusterHigh: u16,
  time: u16,
  date: u16,
  clusterLow: u16,
  size: u32,
});

const ATTR_READ_ONLY = 0x01;
const ATTR_VOLUME_ID = 0x08;
const ATTR_DIRECTORY = 0x10;
const ATTR_LONG_NAME = 0x0f;
const ATTR_LONG_NAME_MASK = 0x3f;
const DELETED = 0xe5;

/** What an entry says, but for its name. */
export interface FatEntry {
  readonly directory: boolean;
  readonly readOnly: boolean;
  /** Seconds since 1970-01-01, of a clock whose zone nobody wrote down. */
  readonly mtime: number;
  /** First cluster; 0 of an empty file. */
  readonly cluster: number;
  /** Bytes of the content; 0 of a directory. */
  readonly size: number;
}

/** A name in a directory, and where its entry stands. */
export interface FatName {
  /** As it was written. */
  readonly name: string;
  readonly directory: boolean;
  /** Byte of the image. */
  readonly position: number;
}

/** A directory in memory. */
export interface FatDirectory {
  /** In the order of the directory. */
  readonly names: readonly FatName[];
  /** Long and short names, case folded. */
  readonly byName: ReadonlyMap<string, FatName>;
  /** Label of the volume, which only the root directory has. */
  readonly label?: string;
}

/** Reads the entry of 32 bytes that belongs to a name. */
export function parseEntry(entry: Uint8Array, bits: number): FatEntry {
  const record = DirectoryRecord.read(entry);
  const directory = (record.attributes & ATTR_DIRECTORY) !== 0;
  return {
    directory,
    readOnly: (record.attributes & ATTR_READ_ONLY) !== 0,
    mtime: secondsOf(record.date, record.time),
    // the upper half meant something else before FAT32
    cluster: record.clusterLow +
      (bits === 32 ? record.clusterHigh * 0x10000 : 0),
    size: directory ? 0 : record.size,
  };
}

/**
 * Reads a whole directory.
 *
 * Deleted entries, `.` and `..`, and parts of names that lost theirs are passed over.
 *
 * @param bytes Its content.
 * @param extents Where the content lies in the image.
 */
export function parseDirectory(
  bytes: Uint8Array,
  extents: readonly Extent[],
): FatDirectory {
  const names: FatName[] = [];
  const byName = new Map<string, FatName>();
  const long = new LongName();
  let label: string | undefined;
  let start = 0;
  for (const { offset, size } of extents) {
    const end = Math.min(start + size, bytes.length);
    for (let at = start; at + ENTRY_SIZE <= end; at += ENTRY_SIZE) {
      const entry = bytes.subarray(at, at + ENTRY_SIZE);
      const first = entry[0]!;
      const attributes = entry[11]!;
      if (first === 0) return result();
      if (first === DELETED) long.clear();
      else if ((attributes & ATTR_LONG_NAME_MASK) === ATTR_LONG_NAME) {
        long.add(entry);
      } else if (attributes & ATTR_VOLUME_ID) {
        label ??= labelOf(entry);
        long.clear();
      } else {
        const longName = long.take(entry);
        if (isDots(entry)) continue;
        const short = shortName(entry);
        const name: FatName = {
          name: longName ?? short,
          directory: (attributes & ATTR_DIRECTORY) !== 0,
          position: offset + at - start,
        };
        names.push(name);
        // the first of two equal names is the one that is found, as everywhere
        for (const key of [foldName(name.name), foldName(short)]) {
          if (!byName.has(key)) byName.set(key, name);
        }
      }
    }
    start = end;
  }
  return result();

  function result(): FatDirectory {
    return { names, byName, ...(label === undefined ? {} : { label }) };
  }
}

/** A label: 11 bytes that are no name and an extension. */
function labelOf(entry: Uint8Array): string {
  const bytes = entry.slice(0, 11);
  unescapeFirst(bytes);
  return decodeOem(bytes).trimEnd();
}

function isDots(entry: Uint8Array): boolean {
  if (entry[0] !== 0x2e) return false;
  const second = entry[1]!;
  if (second !== 0x20 && second !== 0x2e) return false;
  return entry.subarray(2, 11).every((byte) => byte === 0x20);
}

/** Seconds since 1970 of a date and time, which were taken from the clock on the wall. */
function secondsOf(date: number, time: number): number {
  const year = 1980 + (date >> 9);
  // months and days begin with 1; what is 0 was never set
  const month = Math.max(1, date >> 5 & 0xf);
  const day = Math.max(1, date & 0x1f);
  const hours = time >> 11;
  const minutes = time >> 5 & 0x3f;
  const seconds = (time & 0x1f) * 2;
  return Date.UTC(year, month - 1, day, hours, minutes, seconds) / 1000;
}
