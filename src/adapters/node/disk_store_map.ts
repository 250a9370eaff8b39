/**
 * The file that says which extents of an entry are kept: a header, then a journal of records.
 *
 * Records are only ever appended, whole batches by one write to a file opened with O_APPEND, so
 * several processes may write at the same time. The last record of an extent counts. A record that
 * is torn or damaged is passed over: its seal does not match, and the next one is looked for byte by
 * byte.
 *
 * @module
 */

import zlib from "node:zlib";
import type { KeptExtent } from "../../block/store_extents.ts";
import { bytesOf, struct, u32, u64 } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";
import { crc32 } from "../../wasm/checksum.ts";

/** Changes with every change of the format; older entries are thrown away. */
export const FORMAT_VERSION = 1;

/** Bytes at the start of the file. Little-endian, as are the records. */
export const HEADER_BYTES = 2048;

/** Bytes of the name, UTF-8; longer ones are cut. */
const NAME_BYTES = 1024;

/** `fbstore\0` */
const MAGIC = 0x0065726f74736266n;

const UNKNOWN_SIZE = 0xffff_ffff_ffff_ffffn;

const Header = struct("cache map header", {
  magic: u64,
  version: u32,
  extentSize: u32,
  size: u64,
  /** Of the content's identity. */
  sha256: bytesOf(32),
  /** Random: part of the name of the file of bytes, so that the two belong together. */
  id: bytesOf(16),
  /** Milliseconds since 1970. */
  created: u64,
  nameLength: u32,
});

/** Bytes of one record. */
export const RECORD_BYTES = 16;

const Record = struct("cache map record", {
  index: u32,
  length: u32,
  sum: u32,
  seal: u32,
});

/** As `length`: the extent is not kept any more. */
const FORGOTTEN = 0;
/** As `length`: not about an extent, but the size, low half in `index`, high half in `sum`. */
const SIZE = 0xffff_ffff;

/** What the header says. */
export interface MapHeader {
  readonly extentSize: number;
  /** Of the content; `undefined` when the entry was made without it. */
  readonly size: number | undefined;
  readonly sha256: Uint8Array;
  readonly id: Uint8Array;
  readonly created: number;
  readonly name: string;
}

/** What a record says. */
export type MapRecord =
  | { readonly kind: "keep" } & KeptExtent
  | { readonly kind: "forget"; readonly index: number }
  | { readonly kind: "size"; readonly size: number };

/** Makes the header. */
export async function encodeHeader(header: MapHeader): Promise<Uint8Array> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const name = new TextEncoder().encode(header.name).subarray(0, NAME_BYTES);
  Header.write({
    magic: MAGIC,
    version: FORMAT_VERSION,
    extentSize: header.extentSize,
    size: header.size === undefined ? UNKNOWN_SIZE : BigInt(header.size),
    sha256: header.sha256,
    id: header.id,
    created: BigInt(header.created),
    nameLength: name.length,
  }, bytes);
  bytes.set(name, Header.size);
  const sum = await checkSum(bytes.subarray(0, HEADER_BYTES - 4));
  new DataView(bytes.buffer).setUint32(HEADER_BYTES - 4, sum, true);
  return bytes;
}

/**
 * Reads the header.
 *
 * @throws {FormatError} `store.damaged`
 */
export async function parseHeader(bytes: Uint8Array): Promise<MapHeader> {
  if (bytes.length < HEADER_BYTES) {
    throw damaged(`found ${bytes.length} bytes, expected ${HEADER_BYTES}`);
  }
  const { magic, version, extentSize, size, nameLength, ...rest } = Header
    .read(bytes);
  if (magic !== MAGIC) throw damaged("it does not begin as one");
  if (version !== FORMAT_VERSION) {
    throw damaged(`found version ${version}, expected ${FORMAT_VERSION}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const sum = await checkSum(bytes.subarray(0, HEADER_BYTES - 4));
  if (view.getUint32(HEADER_BYTES - 4, true) !== sum) {
    throw damaged("its check sum is wrong");
  }
  if (
    extentSize < 512 || extentSize > 2 ** 24 ||
    (extentSize & (extentSize - 1)) !== 0 || nameLength > NAME_BYTES ||
    size !== UNKNOWN_SIZE && size > Number.MAX_SAFE_INTEGER
  ) throw damaged("its numbers cannot be");
  return {
    extentSize,
    size: size === UNKNOWN_SIZE ? undefined : Number(size),
    sha256: rest.sha256,
    id: rest.id,
    created: Number(rest.created),
    name: new TextDecoder().decode(
      bytes.subarray(Header.size, Header.size + nameLength),
    ),
  };
}

/** Makes records of the entry `id`. */
export function encodeRecords(
  records: readonly MapRecord[],
  id: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(records.length * RECORD_BYTES);
  const seed = seedOf(id);
  for (const [i, record] of records.entries()) {
    const [index, length, sum] = numbersOf(record);
    const seal = sealOf(seed, index, length, sum);
    Record.write({ index, length, sum, seal }, bytes, i * RECORD_BYTES);
  }
  return bytes;
}

function numbersOf(record: MapRecord): [number, number, number] {
  switch (record.kind) {
    case "keep":
      return [record.index, record.length, record.sum];
    case "forget":
      return [record.index, FORGOTTEN, 0];
    case "size":
      return [record.size >>> 0, SIZE, Math.floor(record.size / 2 ** 32)];
  }
}

/**
 * Reads records of the entry `id`, in order, and calls `found` for each that is whole.
 *
 * @returns Bytes that are done with: what is left may become a record when more is appended.
 */
export function parseRecords(
  bytes: Uint8Array,
  id: Uint8Array,
  found: (record: MapRecord) => void,
): number {
  const seed = seedOf(id);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + RECORD_BYTES <= bytes.length) {
    const index = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    const sum = view.getUint32(at + 8, true);
    if (view.getUint32(at + 12, true) !== sealOf(seed, index, length, sum)) {
      at++;
      continue;
    }
    at += RECORD_BYTES;
    if (length === SIZE) {
      const size = sum * 2 ** 32 + index;
      if (Number.isSafeInteger(size)) found({ kind: "size", size });
    } else if (length === FORGOTTEN) found({ kind: "forget", index });
    else found({ kind: "keep", index, length, sum });
  }
  return at;
}

/** CRC-32 of bytes. */
export function checkSum(bytes: Uint8Array): number | Promise<number> {
  // of Node from 20.15 on, several times as fast as ours
  return native === undefined ? crc32(bytes) : native(bytes) >>> 0;
}

const native = (zlib as { crc32?: (bytes: Uint8Array) => number }).crc32;

function seedOf(id: Uint8Array): number {
  const view = new DataView(id.buffer, id.byteOffset, id.length);
  return view.getUint32(0, true) | 1;
}

/** Mixes three numbers, as MurmurHash3 does: a record is too short for a call of a check sum. */
function sealOf(seed: number, a: number, b: number, c: number): number {
  return finish(mix(mix(mix(seed, a), b), c));
}

function mix(hash: number, value: number): number {
  const k = Math.imul(value, 0xcc9e2d51);
  const mixed = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  return Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64 | 0;
}

function finish(hash: number): number {
  let h = hash ^ 12;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function damaged(reason: string): FormatError {
  return new FormatError(
    "store.damaged",
    `Cannot use map of a cache entry: ${reason}`,
  );
}
