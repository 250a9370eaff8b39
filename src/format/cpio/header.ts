import { fault, type Place } from "./errors.ts";

/** Bytes of a header: a magic of 6 and 13 numbers of 8 hexadecimal digits. */
export const CPIO_HEADER_SIZE = 110;
/** Name of the entry that ends an archive. */
export const TRAILER = "TRAILER!!!";
/** Linux takes no longer names and link targets, the zero behind a name included. */
export const PATH_MAX = 4096;

/** Numbers of a header, named as in Documentation/driver-api/early-userspace/buffer-format.rst. */
const FIELDS = [
  "ino",
  "mode",
  "uid",
  "gid",
  "nlink",
  "mtime",
  "filesize",
  "maj",
  "min",
  "rmaj",
  "rmin",
  "namesize",
  "chksum",
] as const;

/** A header as it stands in the archive. */
export type CpioHeader =
  & { readonly [field in typeof FIELDS[number]]: number }
  & {
    /** The variant 070702, whose `chksum` is the sum of all bytes of a file. */
    readonly hasSum: boolean;
  };

/** Why bytes that begin otherwise are no newc archive, where the format is known. */
function nameOther(bytes: Uint8Array, offset: number): string | undefined {
  const text = String.fromCharCode(...bytes.subarray(offset, offset + 6));
  if (text === "070707") return 'old portable format ("odc")';
  const first = bytes[offset]! | bytes[offset + 1]! << 8;
  if (first === 0o070707 || first === 0xc771) {
    return 'old binary format ("bin")';
  }
  return undefined;
}

/**
 * Reads the header at `offset`.
 *
 * @throws {FormatError} `cpio.truncated`, `cpio.old-format`, `cpio.bad-magic`, `cpio.bad-header`
 */
export function readHeader(
  bytes: Uint8Array,
  offset: number,
  place: Place,
): CpioHeader {
  refuseOther(bytes, offset, place);
  if (offset + CPIO_HEADER_SIZE > bytes.length) {
    throw fault(
      "truncated",
      place,
      offset,
      `found ${
        bytes.length - offset
      } bytes, expected a header of ${CPIO_HEADER_SIZE}; the archive is cut short`,
    );
  }
  const numbers: Record<string, number> = {};
  FIELDS.forEach((field, index) => {
    const start = offset + 6 + index * 8;
    let value = 0;
    for (let i = start; i < start + 8; i++) {
      const digit = hexDigit(bytes[i]!);
      if (digit < 0) {
        throw fault(
          "bad-header",
          place,
          i,
          `found 0x${
            bytes[i]!.toString(16).padStart(2, "0")
          } in the number "${field}", expected a hexadecimal digit; the archive is damaged`,
          { field },
        );
      }
      value = value * 16 + digit;
    }
    numbers[field] = value;
  });
  const header = {
    ...numbers as Omit<CpioHeader, "hasSum">,
    hasSum: bytes[offset + 5] === 0x32,
  };
  if (header.namesize < 2 || header.namesize > PATH_MAX) {
    throw fault(
      "bad-header",
      place,
      offset + 94,
      `the name has ${header.namesize} bytes, expected 2 to ${PATH_MAX} with the zero at its end`,
      { namesize: header.namesize },
    );
  }
  return header;
}

/** Throws unless a newc header can begin at `offset`. */
function refuseOther(bytes: Uint8Array, offset: number, place: Place): void {
  const magic = String.fromCharCode(...bytes.subarray(offset, offset + 6));
  if (magic === "070701" || magic === "070702") return;
  if ("070701".startsWith(magic) || "070702".startsWith(magic)) return; // cut short
  const other = nameOther(bytes, offset);
  if (other !== undefined) {
    throw fault(
      "old-format",
      place,
      offset,
      `found the ${other}, expected "newc" or "crc"; make the archive with cpio -o -H newc`,
    );
  }
  throw fault(
    "bad-magic",
    place,
    offset,
    `found ${
      /^[ -~]*$/.test(magic)
        ? JSON.stringify(magic)
        : `bytes ${
          [...bytes.subarray(offset, offset + 6)]
            .map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
        }`
    }, expected "070701" or "070702", or data compressed with gzip, xz, zstd or lz4`,
  );
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Tells whether a name of an old format begins at `offset`. */
export function isOldFormat(bytes: Uint8Array, offset: number): boolean {
  return nameOther(bytes, offset) !== undefined;
}
