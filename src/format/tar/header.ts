/**
 * Headers of tar archives: v7, ustar, GNU and star, see POSIX.1-2017 pax, "ustar Interchange Format".
 *
 * @module
 */

import { bytesOf, struct, u8 } from "../../bytes/struct.ts";

/** Headers and the data behind them are aligned to this. */
export const BLOCK_SIZE = 512;

const Header = struct("tar header", {
  name: bytesOf(100),
  mode: bytesOf(8),
  uid: bytesOf(8),
  gid: bytesOf(8),
  size: bytesOf(12),
  mtime: bytesOf(12),
  chksum: bytesOf(8),
  typeflag: u8,
  linkname: bytesOf(100),
  magic: bytesOf(6),
  version: bytesOf(2),
  uname: bytesOf(32),
  gname: bytesOf(32),
  devmajor: bytesOf(8),
  devminor: bytesOf(8),
  prefix: bytesOf(155),
});

/** Byte of the check sum within a header. */
export const CHKSUM_AT: number = Header.offsets.chksum;
/** Byte of the size within a header. */
export const SIZE_AT: number = Header.offsets.size;

/** A header as it stands, text without the zeros behind it. */
export interface RawHeader {
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly prefix: Uint8Array;
  /** As a character: `0`; `\0` in old archives. */
  readonly type: string;
  /** `undefined` when it is no number. */
  readonly size: number | undefined;
  readonly mode: number | undefined;
  readonly mtime: number | undefined;
}

/** Tells whether all of a block is zero, as where an archive ends. */
export function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Tells whether the check sum of a header is right, of bytes with or without sign. */
export function hasChecksum(block: Uint8Array): boolean {
  const stated = parseNumber(block.subarray(CHKSUM_AT, CHKSUM_AT + 8));
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    if (i >= CHKSUM_AT && i < CHKSUM_AT + 8) continue;
    unsigned += block[i]!;
    signed += block[i]! << 24 >> 24;
  }
  return stated === unsigned || stated === signed;
}

/**
 * Reads a header whose check sum is right. What it gives are views of `block`.
 *
 * Field by field: reading the whole struct copies each of them, which took most of the time of listing.
 */
export function parseHeader(block: Uint8Array): RawHeader {
  const { offsets } = Header;
  const field = (at: number, size: number) => block.subarray(at, at + size);
  // GNU has other things where ustar has its prefix, and v7 has nothing
  let prefix = block.subarray(0, 0);
  if (hasText(block, offsets.magic, "ustar\0")) {
    const star = hasText(block, 508, "tar\0");
    prefix = cString(field(offsets.prefix, star ? 131 : 155));
  }
  return {
    name: cString(field(offsets.name, 100)),
    linkName: cString(field(offsets.linkname, 100)),
    prefix,
    type: String.fromCharCode(block[offsets.typeflag]!),
    size: parseNumber(field(offsets.size, 12)),
    mode: parseNumber(field(offsets.mode, 8)),
    mtime: parseNumber(field(offsets.mtime, 12)),
  };
}

function hasText(block: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (block[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** The bytes before the first zero. */
export function cString(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * A number of a header: octal digits among blanks and zeros, or, marked by the first bit, big-endian
 * binary ("base-256").
 *
 * @returns `undefined` when it is neither, or not exact as a `number`; 0 for an empty field.
 */
export function parseNumber(field: Uint8Array): number | undefined {
  const [first = 0] = field;
  if (first === 0x80 || first === 0xff) {
    let value = first === 0xff ? -1 : 0;
    for (const byte of field.subarray(1)) {
      value = value * 256 + byte;
      if (!Number.isSafeInteger(value)) return undefined;
    }
    return value;
  }
  let i = 0;
  while (i < field.length && isBlank(field[i]!)) i++;
  let value = 0;
  for (; i < field.length && !isBlank(field[i]!); i++) {
    const digit = field[i]! - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0;
}
