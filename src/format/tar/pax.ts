/**
 * Extended headers, see POSIX.1-2017 pax, "pax Extended Header".
 *
 * @module
 */

import { decodeName } from "../../bytes/text.ts";

/** The records of an extended header that we use; others are left out. */
export type PaxRecords = Map<string, Uint8Array>;

const KNOWN = /^(?:path|linkpath|size|mtime|GNU\.sparse\..+|SUN\.holesdata)$/;

/**
 * Reads records, each `LENGTH KEY=VALUE\n`. The last of equal keys counts.
 *
 * @returns `undefined` when the bytes are no records: damage.
 */
export function parsePax(bytes: Uint8Array): PaxRecords | undefined {
  const records: PaxRecords = new Map();
  let at = 0;
  while (at < bytes.length) {
    let length = 0;
    let i = at;
    for (; i < bytes.length && i - at < 8; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
    }
    const end = at + length;
    if (i === at || bytes[i] !== 0x20 || end > bytes.length) {
      // some programs fill up with zeros
      return bytes.subarray(at).every((byte) => byte === 0)
        ? records
        : undefined;
    }
    const equals = bytes.indexOf(0x3d, i + 1);
    if (equals < 0 || equals >= end - 1 || bytes[end - 1] !== 0x0a) {
      return undefined;
    }
    const key = decodeName(bytes.subarray(i + 1, equals));
    if (KNOWN.test(key)) records.set(key, bytes.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/**
 * A record as a whole number; fractions, as times have, are cut off.
 *
 * @returns `undefined` when it is none, or not exact.
 */
export function paxNumber(value: Uint8Array): number | undefined {
  const [, digits] = /^(-?\d+)(?:\.\d*)?$/.exec(decodeName(value)) ?? [];
  const number = Number(digits);
  return digits === undefined || !Number.isSafeInteger(number)
    ? undefined
    : number;
}
