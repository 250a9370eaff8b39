/**
 * Layouts declared as data: one declaration reads, writes and documents.
 *
 * @module
 */

import { FormatError } from "../errors.ts";

/** How one field lies in memory. `T` is what it reads as. */
export interface FieldType<T> {
  /** Bytes it takes. */
  readonly size: number;
  /** Reads it at byte `at`; `name` is for messages: `superblock.blocks`. */
  get(view: DataView, at: number, name: string): T;
  /** Writes it at byte `at`. */
  set(view: DataView, at: number, value: T, name: string): void;
}

type Fields = Readonly<Record<string, FieldType<unknown>>>;

/** What a struct with these fields reads as. */
export type Values<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends FieldType<infer T> ? T : never;
};

/** A declared layout. */
export interface Struct<F extends Fields> {
  readonly name: string;
  /** Bytes of the whole: the fields in their order without gaps. */
  readonly size: number;
  /** Byte at which each field begins. */
  readonly offsets: { readonly [K in keyof F]: number };
  /**
   * Reads all fields from byte `at` of `bytes`.
   *
   * @throws {FormatError} `struct.too-short` when `bytes` ends before the struct does, or
   * `struct.number-too-large` by a {@linkcode safeU64} field.
   */
  read(bytes: Uint8Array, at?: number): Values<F>;
  /**
   * Writes all fields at byte `at` of `into`.
   *
   * @throws {RangeError} when `into` is too short or a value does not fit its field.
   */
  write(values: Values<F>, into: Uint8Array, at?: number): void;
  /** The fields as bytes of their own. */
  encode(values: Values<F>): Uint8Array<ArrayBuffer>;
}

/**
 * Declares a layout. Its fields follow each other without padding.
 *
 * @param name What messages call it: `sparse header`.
 *
 * @example
 * ```ts
 * import { struct, u16, u32 } from "./struct.ts";
 *
 * const Header = struct("header", { magic: u32, version: u16 });
 * const bytes = Header.encode({ magic: 0xed26ff3a, version: 1 });
 * console.assert(Header.read(bytes).version === 1);
 * ```
 */
export function struct<F extends Fields>(name: string, fields: F): Struct<F> {
  const offsets: Record<string, number> = {};
  const list: [string, FieldType<unknown>, number, string][] = [];
  let size = 0;
  for (const [key, type] of Object.entries(fields)) {
    offsets[key] = size;
    list.push([key, type, size, `${name}.${key}`]);
    size += type.size;
  }
  return {
    name,
    size,
    offsets: offsets as Struct<F>["offsets"],
    read(bytes: Uint8Array, at = 0): Values<F> {
      if (at < 0 || at + size > bytes.length) {
        const found = Math.max(0, bytes.length - at);
        throw new FormatError(
          "struct.too-short",
          `Cannot read ${name} at byte ${at}: found ${found} bytes, expected ${size}`,
          { facts: { struct: name, offset: at, found, expected: size } },
        );
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
      const values: Record<string, unknown> = {};
      for (const [key, type, offset, full] of list) {
        values[key] = type.get(view, offset, full);
      }
      return values as Values<F>;
    },
    write(values: Values<F>, into: Uint8Array, at = 0): void {
      if (at < 0 || at + size > into.length) {
        throw new RangeError(
          `Cannot write ${name} at byte ${at}: it takes ${size} bytes of ${into.length}`,
        );
      }
      const view = new DataView(into.buffer, into.byteOffset + at, size);
      for (const [key, type, offset, full] of list) {
        type.set(view, offset, values[key as keyof F], full);
      }
    },
    encode(values: Values<F>): Uint8Array<ArrayBuffer> {
      const bytes = new Uint8Array(size);
      this.write(values, bytes);
      return bytes;
    },
  };
}

function fits(value: number, min: number, max: number, name: string): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `Cannot write ${name}: found ${value}, expected an integer of ${min} to ${max}`,
    );
  }
  return value;
}

function unsigned(bits: 8 | 16 | 32, littleEndian: boolean): FieldType<number> {
  const max = 2 ** bits - 1;
  const get = `getUint${bits}` as const;
  const set = `setUint${bits}` as const;
  return {
    size: bits / 8,
    get: (view, at) => view[get](at, littleEndian),
    set: (view, at, value, name) =>
      view[set](at, fits(value, 0, max, name), littleEndian),
  };
}

function signed(bits: 8 | 16 | 32, littleEndian: boolean): FieldType<number> {
  const max = 2 ** (bits - 1) - 1;
  const get = `getInt${bits}` as const;
  const set = `setInt${bits}` as const;
  return {
    size: bits / 8,
    get: (view, at) => view[get](at, littleEndian),
    set: (view, at, value, name) =>
      view[set](at, fits(value, -max - 1, max, name), littleEndian),
  };
}

function wide(littleEndian: boolean): FieldType<bigint> {
  return {
    size: 8,
    get: (view, at) => view.getBigUint64(at, littleEndian),
    set: (view, at, value, name) => {
      if (BigInt.asUintN(64, value) !== value) {
        throw new RangeError(
          `Cannot write ${name}: found ${value}, expected an integer of 64 bits`,
        );
      }
      view.setBigUint64(at, value, littleEndian);
    },
  };
}

function safe(littleEndian: boolean): FieldType<number> {
  return {
    size: 8,
    get: (view, at, name) => {
      const low = view.getUint32(at + (littleEndian ? 0 : 4), littleEndian);
      const high = view.getUint32(at + (littleEndian ? 4 : 0), littleEndian);
      const value = high * 2 ** 32 + low;
      if (value > Number.MAX_SAFE_INTEGER) {
        const found = view.getBigUint64(at, littleEndian);
        throw new FormatError(
          "struct.number-too-large",
          `Cannot use ${name}: found ${found}, expected at most ${Number.MAX_SAFE_INTEGER}; it may be damaged`,
          { facts: { field: name, found } },
        );
      }
      return value;
    },
    set: (view, at, value, name) => {
      fits(value, 0, Number.MAX_SAFE_INTEGER, name);
      view.setBigUint64(at, BigInt(value), littleEndian);
    },
  };
}

/** Unsigned byte. */
export const u8: FieldType<number> = unsigned(8, true);
/** Unsigned 16 bits, little-endian. */
export const u16: FieldType<number> = unsigned(16, true);
/** Unsigned 32 bits, little-endian. */
export const u32: FieldType<number> = unsigned(32, true);
/** Unsigned 64 bits, little-endian, as a `bigint`. */
export const u64: FieldType<bigint> = wide(true);
/** Unsigned 64 bits, little-endian, as a `number`; refuses what a number cannot hold. */
export const safeU64: FieldType<number> = safe(true);
/** Signed byte. */
export const i8: FieldType<number> = signed(8, true);
/** Signed 16 bits, little-endian. */
export const i16: FieldType<number> = signed(16, true);
/** Signed 32 bits, little-endian. */
export const i32: FieldType<number> = signed(32, true);
/** Unsigned 16 bits, big-endian. */
export const u16be: FieldType<number> = unsigned(16, false);
/** Unsigned 32 bits, big-endian. */
export const u32be: FieldType<number> = unsigned(32, false);
/** Unsigned 64 bits, big-endian, as a `bigint`. */
export const u64be: FieldType<bigint> = wide(false);
/** Unsigned 64 bits, big-endian, as a `number`; refuses what a number cannot hold. */
export const safeU64be: FieldType<number> = safe(false);

/** `length` bytes as they are. Reading gives a copy, writing demands exactly as many. */
export function bytesOf(length: number): FieldType<Uint8Array> {
  return {
    size: length,
    get: (view, at) =>
      new Uint8Array(view.buffer, view.byteOffset + at, length).slice(),
    set: (view, at, value, name) => {
      if (value.length !== length) {
        throw new RangeError(
          `Cannot write ${name}: found ${value.length} bytes, expected ${length}`,
        );
      }
      new Uint8Array(view.buffer, view.byteOffset + at, length).set(value);
    },
  };
}
