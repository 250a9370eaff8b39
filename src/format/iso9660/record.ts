/**
 * Directory records: one for each section of a file, one for each directory.
 *
 * Source: ECMA-119, section 9.1.
 *
 * @module
 */

import type { Extent } from "../../block/extents.ts";
import { bytesOf, struct, u8 } from "../../bytes/struct.ts";
import { isoError } from "./errors.ts";
import { both16, both32, readShortDate, SHORT_DATE_SIZE } from "./fields.ts";

const DirectoryRecord = struct("directory record", {
  length: u8,
  extendedAttributeBlocks: u8,
  block: both32,
  size: both32,
  date: bytesOf(SHORT_DATE_SIZE),
  flags: u8,
  unitSize: u8,
  gapSize: u8,
  sequenceNumber: both16,
  identifierLength: u8,
});

const FLAG_DIRECTORY = 0x02;
const FLAG_ASSOCIATED = 0x04;
const FLAG_MULTI_EXTENT = 0x80;

/** One record. */
export interface IsoRecord {
  /** Byte of the image at which the record stands. */
  readonly position: number;
  /** Bytes of the record. */
  readonly length: number;
  /** Where its section of the content lies. */
  readonly extent: Extent;
  readonly directory: boolean;
  /** Holds something for another system beside a file of the same name. */
  readonly associated: boolean;
  /** Another record of the same file follows. */
  readonly continued: boolean;
  /** Its content is laid out in units with gaps between them. */
  readonly interleaved: boolean;
  /** Seconds since 1970-01-01 UTC. */
  readonly mtime: number;
  /** The name, as bytes; one byte of 0 or 1 for `.` and `..`. */
  readonly identifier: Uint8Array;
  /** What follows the name: Rock Ridge, when there is any. */
  readonly systemUse: Uint8Array;
}

/** What records are read with. */
export interface RecordContext {
  /** What people call the image. */
  readonly name: string;
  /** Bytes of a logical block. */
  readonly blockSize: number;
}

/**
 * Reads the record at byte `at` of `bytes`.
 *
 * @param position Byte of the image at which the record stands.
 * @throws {FormatError} `iso.damaged`
 */
export function parseRecord(
  { name, blockSize }: RecordContext,
  bytes: Uint8Array,
  at: number,
  position: number,
): IsoRecord {
  const damaged = (found: string) =>
    isoError(
      "iso.damaged",
      name,
      `directory record at byte ${position}`,
      found,
      {
        position,
      },
    );
  const length = bytes[at]!;
  if (length < DirectoryRecord.size + 1 || at + length > bytes.length) {
    throw damaged(
      `it is said to have ${length} bytes, expected ${
        DirectoryRecord.size + 1
      } to ${bytes.length - at}`,
    );
  }
  const record = DirectoryRecord.read(bytes, at);
  const { block, size, flags, identifierLength } = record;
  const nameStart = at + DirectoryRecord.size;
  const nameEnd = nameStart + identifierLength;
  if (identifierLength === 0 || nameEnd > at + length) {
    throw damaged(
      `its name is said to have ${identifierLength} bytes, expected 1 to ${
        length - DirectoryRecord.size
      }`,
    );
  }
  // a name of even length has a byte behind it, so that what follows is aligned
  const useStart = nameEnd + (identifierLength % 2 === 0 ? 1 : 0);
  return {
    position,
    length,
    extent: {
      offset: (block + record.extendedAttributeBlocks) * blockSize,
      size,
    },
    directory: (flags & FLAG_DIRECTORY) !== 0,
    associated: (flags & FLAG_ASSOCIATED) !== 0,
    continued: (flags & FLAG_MULTI_EXTENT) !== 0,
    interleaved: record.unitSize !== 0 || record.gapSize !== 0,
    mtime: readShortDate(record.date),
    identifier: bytes.subarray(nameStart, nameEnd),
    systemUse: bytes.subarray(useStart, Math.max(useStart, at + length)),
  };
}

/** Tells whether a record is `.` or `..`. */
export function isDots({ identifier }: IsoRecord): boolean {
  return identifier.length === 1 && identifier[0]! <= 1;
}
