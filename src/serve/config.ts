/**
 * CONFIG_EXPORTS: the list of what the host serves.
 *
 * @see https://github.com/samcday/smoo, docs/PROTOCOL.md and crates/smoo-proto
 * @module
 */

import type { FieldType, Struct } from "../bytes/struct.ts";
import { struct, u16, u32, u64 } from "../bytes/struct.ts";
import { FormatError } from "../errors.ts";
import { checkField, checkLength, hex } from "./check.ts";

/** Exports in one CONFIG_EXPORTS at most. */
export const MAX_EXPORTS = 32;
/** Least block size of an export in bytes. */
export const MIN_BLOCK_SIZE = 512;
/** Largest block size of an export in bytes. */
export const MAX_BLOCK_SIZE = 65536;

/** Version that is written and read here. */
const VERSION = 0;
/** Flags of an export, bit 0: the host refuses writes. */
export const EXPORT_READ_ONLY = 1n;

/** Head of CONFIG_EXPORTS, 8 bytes: version at 0, count at 2, flags at 4. */
export const ConfigLayout: Struct<{
  version: FieldType<number>;
  count: FieldType<number>;
  flags: FieldType<number>;
}> = struct("smoo CONFIG_EXPORTS", { version: u16, count: u16, flags: u32 });

/**
 * One export in CONFIG_EXPORTS, 24 bytes: export_id at 0, block_size at 4, size_bytes at 8, flags
 * at 16. The first begins at byte 8 of the message. The reference writes 0 for the flags and does
 * not look at them.
 */
export const ExportLayout: Struct<{
  exportId: FieldType<number>;
  blockSize: FieldType<number>;
  size: FieldType<bigint>;
  flags: FieldType<bigint>;
}> = struct("smoo export", {
  exportId: u32,
  blockSize: u32,
  size: u64,
  flags: u64,
});

/** One export as the gadget is told of it. */
export interface ExportRecord {
  /** Not 0, and different for each export of a list. */
  readonly exportId: number;
  /** Bytes, a power of two of 512 to 65536. */
  readonly blockSize: number;
  /** Bytes, at least one block and whole blocks only. */
  readonly size: number;
  /** The host refuses writes, so the block device may say at once that it cannot be written. */
  readonly readOnly: boolean;
}

/**
 * Gives the payload of CONFIG_EXPORTS: these exports and no others from now on.
 *
 * The gadget acknowledges it before it looks at it, so everything that it would refuse is refused
 * here.
 *
 * @throws {RangeError} when there are more than 32 exports, an id is 0 or occurs twice, a block
 * size is not a power of two of 512 to 65536, or a size is 0 or not in whole blocks.
 *
 * @example
 * ```ts
 * import { decodeConfig, encodeConfig } from "./config.ts";
 *
 * const bytes = encodeConfig([{ exportId: 7, blockSize: 512, size: 1 << 20, readOnly: true }]);
 * console.assert(bytes.length === 32 && decodeConfig(bytes)[0]?.exportId === 7);
 * ```
 */
export function encodeConfig(
  exports: readonly ExportRecord[],
): Uint8Array<ArrayBuffer> {
  const wrong = findProblem(exports);
  if (wrong !== undefined) {
    throw new RangeError(`Cannot configure smoo exports: ${wrong}`);
  }
  const { size: head } = ConfigLayout;
  const bytes = new Uint8Array(head + exports.length * ExportLayout.size);
  ConfigLayout.write(
    { version: VERSION, count: exports.length, flags: 0 },
    bytes,
  );
  for (const [i, { readOnly, ...record }] of exports.entries()) {
    ExportLayout.write(
      {
        ...record,
        size: BigInt(record.size),
        flags: readOnly ? EXPORT_READ_ONLY : 0n,
      },
      bytes,
      head + i * ExportLayout.size,
    );
  }
  return bytes;
}

/**
 * Reads the payload of CONFIG_EXPORTS as a gadget does that refuses what it could not serve.
 *
 * @throws {FormatError} `smoo.bad-config` when version or flags are not 0, there are more than 32
 * exports, the length does not fit their number, or {@linkcode encodeConfig} would refuse one.
 */
export function decodeConfig(bytes: Uint8Array): ExportRecord[] {
  const code = "smoo.bad-config";
  const { name, size: head } = ConfigLayout;
  if (bytes.length < head) checkLength(code, name, bytes, head);
  const { version, count, flags } = ConfigLayout.read(bytes);
  checkField(code, name, "version", version, VERSION);
  checkField(code, name, "flags", flags, 0);
  if (count > MAX_EXPORTS) {
    throw new FormatError(
      code,
      `Cannot read ${name}: found ${count} exports, expected at most ${MAX_EXPORTS}`,
      { facts: { found: count, expected: MAX_EXPORTS } },
    );
  }
  checkLength(code, name, bytes, head + count * ExportLayout.size);
  const exports: ExportRecord[] = [];
  for (let i = 0; i < count; i++) {
    const at = head + i * ExportLayout.size;
    const { exportId, blockSize, size, flags } = ExportLayout.read(bytes, at);
    exports.push({
      exportId,
      blockSize,
      // What a number cannot hold is refused below: it is no safe integer then.
      size: Number(size),
      // Other flags have no meaning yet and are ignored.
      readOnly: (flags & EXPORT_READ_ONLY) !== 0n,
    });
  }
  const wrong = findProblem(exports);
  if (wrong !== undefined) {
    throw new FormatError(code, `Cannot read ${name}: ${wrong}`);
  }
  return exports;
}

function findProblem(exports: readonly ExportRecord[]): string | undefined {
  if (exports.length > MAX_EXPORTS) {
    return `found ${exports.length} exports, expected at most ${MAX_EXPORTS}`;
  }
  const seen = new Set<number>();
  for (const { exportId, blockSize, size } of exports) {
    if (!isU32(exportId) || exportId === 0) {
      return `found export id ${exportId}, expected an integer of 1 to 4294967295`;
    }
    const id = `export ${hex(exportId)}`;
    if (seen.has(exportId)) return `found ${id} twice, expected once`;
    seen.add(exportId);
    if (
      !isU32(blockSize) || (blockSize & (blockSize - 1)) !== 0 ||
      blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE
    ) {
      return `block size of ${id} is ${blockSize}, expected a power of two of ${MIN_BLOCK_SIZE} to ${MAX_BLOCK_SIZE}`;
    }
    if (!Number.isSafeInteger(size) || size <= 0 || size % blockSize !== 0) {
      return `size of ${id} is ${size}, expected a multiple of ${blockSize} above 0`;
    }
  }
  return undefined;
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}
