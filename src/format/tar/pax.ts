/**
 * Extended headers, see POSIX.1-2017 pax, "pax Extended Header".
 *
 * @module
 */

import { decodeName } from "../../bytes/text.ts";

/** The records of an extended header that we use; others are left out. */
export type PaxRecords = Map<string, Uint8Array>;

const KNOWN = /^(?:path|linkpath|size|mtime|GNU\.sparse\..+|SUN\.holesdata)$/;

/** Records of a map of GNU's form 0.0, which come in turn, for each part of a sparse file. */
const SPARSE_PART = /^GNU\.sparse\.(?:offset|numbytes)$/;

/**
 * Reads records, each `LENGTH KEY=VALUE\n`. The last of equal keys counts; but a map of GNU's form 0.0
 * becomes the one record that it is in 0.1.
 *
 * @returns `undefined` when the bytes are no records: damage.
 */
export function parsePax(bytes: Uint8Array): PaxRecords | undefined {
  const records: PaxRecords = new Map();
  const sparseMap: string[] = [];
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
      if (bytes.subarray(at).some((byte) => byte !== 0)) return undefined;
      break;
    }
    const equals = bytes.indexOf(0x3d, i + 1);
    if (equals < 0 || equals >= end - 1 || bytes[end - 1] !== 0x0a) {
      return undefined;
    }
    const key = decodeName(bytes.subarray(i + 1, equals));
    const value = bytes.slice(equals + 1, end - 1);
    if (SPARSE_PART.test(key)) sparseMap.push(decodeName(value));
    else if (KNOWN.test(key)) records.set(key, value);
    at = end;
  }
  if (sparseMap.length > 0) {
    const text = new TextEncoder().encode(sparseMap.join());
    records.set("GNU.sparse.map", text);
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
