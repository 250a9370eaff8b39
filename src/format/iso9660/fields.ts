/**
 * Numbers and dates as ISO 9660 writes them.
 *
 * @module
 */

import type { FieldType } from "../../bytes/struct.ts";

/**
 * A number that is written twice, little-endian and big-endian (ECMA-119, 7.2.3 and 7.3.3). Broken
 * mastering programs write a wrong big-endian half, so only the other is read, as in Linux.
 *
 * @see Linux, fs/isofs/isofs.h, `isonum_733()`
 */
function bothEndian(bits: 16 | 32): FieldType<number> {
  const get = `getUint${bits}` as const;
  const set = `setUint${bits}` as const;
  return {
    size: bits / 4,
    get: (view, at) => view[get](at, true),
    set: (view, at, value) => {
      view[set](at, value, true);
      view[set](at + bits / 8, value, false);
    },
  };
}

/** 16 bits, written twice: 4 bytes. */
export const both16: FieldType<number> = bothEndian(16);
/** 32 bits, written twice: 8 bytes. */
export const both32: FieldType<number> = bothEndian(32);

/** Bytes of the short form of a date, and of the long one. */
export const SHORT_DATE_SIZE = 7;
export const LONG_DATE_SIZE = 17;

/** Seconds since 1970-01-01 UTC of a date of 7 bytes (ECMA-119, 9.1.5). */
export function readShortDate(bytes: Uint8Array): number {
  const [years, month, day, hours, minutes, seconds, zone] = bytes;
  return secondsOf(
    1900 + years!,
    month!,
    day!,
    hours!,
    minutes!,
    seconds!,
    zone!,
  );
}

/**
 * Seconds since 1970-01-01 UTC of a date of 17 bytes (ECMA-119, 8.4.26.1).
 *
 * @returns `undefined` when it was not set, or is no date.
 */
export function readLongDate(bytes: Uint8Array): number | undefined {
  const digits = String.fromCharCode(...bytes.subarray(0, 14));
  if (!/^\d{14}$/.test(digits) || /^0+$/.test(digits)) return undefined;
  const at = (from: number, to: number) => Number(digits.slice(from, to));
  return secondsOf(
    at(0, 4),
    at(4, 6),
    at(6, 8),
    at(8, 10),
    at(10, 12),
    at(12, 14),
    bytes[16]!,
  );
}

/** @param zone Quarters of an hour east of UTC, as a signed byte. */
function secondsOf(
  year: number,
  month: number,
  day: number,
  hours: number,
  minutes: number,
  seconds: number,
  zone: number,
): number {
  const offset = (zone << 24 >> 24) * 15 * 60;
  const date = new Date(0);
  // Date.UTC() takes years below 100 for ones of the last century
  date.setUTCFullYear(year, Math.max(1, month) - 1, Math.max(1, day));
  return date.getTime() / 1000 + hours * 3600 + minutes * 60 + seconds -
    offset;
}
