/**
 * The messages of smoo, version 0: layouts, and what each field may hold.
 *
 * The gadget is the phone, which asks; the host has the bytes. All integers are little-endian.
 * Reserved bytes are written as 0 and ignored when read, as both sides of the reference do, so that
 * they can be given a meaning later.
 *
 * @see https://github.com/samcday/smoo, docs/PROTOCOL.md and crates/smoo-proto
 * @module
 */

import type { FieldType, Struct } from "../bytes/struct.ts";
import { struct, u16, u32, u64, u8 } from "../bytes/struct.ts";
import type { ErrorCode } from "../errors.ts";
import { FormatError } from "../errors.ts";

/** `SMOO` as it lies in the first 4 bytes of IDENT. */
export const SMOO_MAGIC = 0x4f4f4d53;
/** Exports in one CONFIG_EXPORTS at most. */
export const MAX_EXPORTS = 32;
/** Least block size of an export in bytes. */
export const MIN_BLOCK_SIZE = 512;
/** Largest block size of an export in bytes. */
export const MAX_BLOCK_SIZE = 65536;

/** Version of CONFIG_EXPORTS and STATUS that is written and read here. */
const VERSION = 0;
/** STATUS.flags, bit 0: an export is active. */
const STATUS_EXPORT_ACTIVE = 1;

/** IDENT, 8 bytes: magic at 0, major at 4, minor at 6. */
export const IdentLayout: Struct<{
  magic: FieldType<number>;
  major: FieldType<number>;
  minor: FieldType<number>;
}> = struct("smoo IDENT", { magic: u32, major: u16, minor: u16 });

/** Head of CONFIG_EXPORTS, 8 bytes: version at 0, count at 2, flags at 4. */
export const ConfigLayout: Struct<{
  version: FieldType<number>;
  count: FieldType<number>;
  flags: FieldType<number>;
}> = struct("smoo CONFIG_EXPORTS", { version: u16, count: u16, flags: u32 });

/**
 * One export in CONFIG_EXPORTS, 24 bytes: export_id at 0, block_size at 4, size_bytes at 8,
 * reserved at 16. The first begins at byte 8 of the message.
 */
export const ExportLayout: Struct<{
  exportId: FieldType<number>;
  blockSize: FieldType<number>;
  size: FieldType<bigint>;
  reserved: FieldType<bigint>;
}> = struct("smoo export", {
  exportId: u32,
  blockSize: u32,
  size: u64,
  reserved: u64,
});

/** STATUS, 16 bytes: version at 0, flags at 2, export_count at 4, session_id at 8. */
export const StatusLayout: Struct<{
  version: FieldType<number>;
  flags: FieldType<number>;
  exportCount: FieldType<number>;
  sessionId: FieldType<bigint>;
}> = struct("smoo STATUS", {
  version: u16,
  flags: u16,
  exportCount: u32,
  sessionId: u64,
});

/**
 * Request and Response, 28 bytes each: opcode at 0, status at 1 (reserved in a Request), reserved
 * at 2, request_id at 4, export_id at 8, lba at 12, num_blocks at 20, flags at 24.
 */
export const MessageLayout: Struct<{
  opcode: FieldType<number>;
  status: FieldType<number>;
  reserved: FieldType<number>;
  requestId: FieldType<number>;
  exportId: FieldType<number>;
  lba: FieldType<bigint>;
  blockCount: FieldType<number>;
  flags: FieldType<number>;
}> = struct("smoo message", {
  opcode: u8,
  status: u8,
  reserved: u16,
  requestId: u32,
  exportId: u32,
  lba: u64,
  blockCount: u32,
  flags: u32,
});

/** What a Request asks for; its number is its place here. */
export const OPCODES = ["read", "write", "flush", "discard"] as const;

/** What a Request asks for. */
export type Opcode = typeof OPCODES[number];

/** Which version of the protocol a gadget speaks. */
export interface Ident {
  /** 0 today. */
  readonly major: number;
  /** 1 today. */
  readonly minor: number;
}

/** One export as the gadget is told of it. */
export interface ExportRecord {
  /** Not 0, and different for each export of a list. */
  readonly exportId: number;
  /** Bytes, a power of two of 512 to 65536. */
  readonly blockSize: number;
  /** Bytes, at least one block and whole blocks only. */
  readonly size: number;
}

/** What a gadget says of itself. */
export interface Status {
  /** Tells whether an export is active. */
  readonly active: boolean;
  /** Exports that are configured. */
  readonly exportCount: number;
  /** Random and not 0; another one means another process on the phone. */
  readonly sessionId: bigint;
}

/** What the gadget wants. */
export interface Request {
  /** What to do. */
  readonly opcode: Opcode;
  /** Unique among the requests of an export that are not answered yet; used again afterwards. */
  readonly requestId: number;
  /** The export it is about. */
  readonly exportId: number;
  /** In blocks of the export. */
  readonly lba: bigint;
  /** In blocks of the export. */
  readonly blockCount: number;
}

/** What the host answers: the Request again, and how it went. */
export interface Response extends Request {
  /** 0 when it went well, else an errno of Linux. */
  readonly status: number;
}

/** Gives the payload of IDENT. */
export function encodeIdent(ident: Ident): Uint8Array<ArrayBuffer> {
  return IdentLayout.encode({ magic: SMOO_MAGIC, ...ident });
}

/**
 * Reads the payload of IDENT. Any version is accepted, as by the reference: what counts are the
 * versions in the other messages.
 *
 * @throws {FormatError} `smoo.bad-ident` when it is not exactly 8 bytes or has another magic.
 */
export function decodeIdent(bytes: Uint8Array): Ident {
  checkLength("smoo.bad-ident", IdentLayout.name, bytes, IdentLayout.size);
  const { magic, major, minor } = IdentLayout.read(bytes);
  checkField("smoo.bad-ident", IdentLayout.name, "magic", magic, SMOO_MAGIC);
  return { major, minor };
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
 * import { decodeConfig, encodeConfig } from "./messages.ts";
 *
 * const bytes = encodeConfig([{ exportId: 7, blockSize: 512, size: 1 << 20 }]);
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
  for (const [i, { exportId, blockSize, size }] of exports.entries()) {
    ExportLayout.write(
      { exportId, blockSize, size: BigInt(size), reserved: 0n },
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
    const { exportId, blockSize, size } = ExportLayout.read(bytes, at);
    // What a number cannot hold is refused below: it is no safe integer then.
    exports.push({ exportId, blockSize, size: Number(size) });
  }
  const wrong = findProblem(exports);
  if (wrong !== undefined) {
    throw new FormatError(code, `Cannot read ${name}: ${wrong}`);
  }
  return exports;
}

/** Gives the payload of STATUS. */
export function encodeStatus(status: Status): Uint8Array<ArrayBuffer> {
  const { active, exportCount, sessionId } = status;
  const flags = active ? STATUS_EXPORT_ACTIVE : 0;
  return StatusLayout.encode({
    version: VERSION,
    flags,
    exportCount,
    sessionId,
  });
}

/**
 * Reads the payload of STATUS. Flags that have no meaning yet are ignored.
 *
 * @throws {FormatError} `smoo.bad-status` when it is not exactly 16 bytes, has another version than
 * 0, or a session id of 0.
 */
export function decodeStatus(bytes: Uint8Array): Status {
  const code = "smoo.bad-status";
  const { name } = StatusLayout;
  checkLength(code, name, bytes, StatusLayout.size);
  const { version, flags, exportCount, sessionId } = StatusLayout.read(bytes);
  checkField(code, name, "version", version, VERSION);
  if (sessionId === 0n) {
    throw new FormatError(
      code,
      `Cannot read ${name}: found session id 0, expected any other`,
      { facts: { field: "sessionId", found: sessionId } },
    );
  }
  const active = (flags & STATUS_EXPORT_ACTIVE) !== 0;
  return { active, exportCount, sessionId };
}

/** Gives a Request: what a gadget sends on its interrupt IN endpoint. */
export function encodeRequest(request: Request): Uint8Array<ArrayBuffer> {
  return encodeMessage({ ...request, status: 0 });
}

/**
 * Reads a Request.
 *
 * @returns `lba` and `blockCount` as they came: whether they lie in the export is not looked at.
 * @throws {FormatError} `smoo.bad-length` when it is not exactly 28 bytes, `smoo.bad-opcode` when
 * its opcode is none of {@linkcode OPCODES}.
 */
export function decodeRequest(bytes: Uint8Array): Request {
  const { opcode, requestId, exportId, lba, blockCount } = decodeMessage(
    "Request",
    bytes,
  );
  return { opcode, requestId, exportId, lba, blockCount };
}

/**
 * Gives a Response: what the host sends on the interrupt OUT endpoint.
 *
 * @throws {RangeError} when `status` does not fit a byte.
 */
export function encodeResponse(response: Response): Uint8Array<ArrayBuffer> {
  return encodeMessage(response);
}

/**
 * Reads a Response.
 *
 * @throws {FormatError} `smoo.bad-length` when it is not exactly 28 bytes, `smoo.bad-opcode` when
 * its opcode is none of {@linkcode OPCODES}.
 */
export function decodeResponse(bytes: Uint8Array): Response {
  return decodeMessage("Response", bytes);
}

function encodeMessage(message: Response): Uint8Array<ArrayBuffer> {
  const { status, requestId, exportId, lba, blockCount } = message;
  const opcode = OPCODES.indexOf(message.opcode);
  if (opcode < 0) {
    throw new RangeError(
      `Cannot write ${MessageLayout.name}: found opcode "${message.opcode}", expected one of ${
        OPCODES.join(", ")
      }`,
    );
  }
  return MessageLayout.encode({
    opcode,
    status,
    reserved: 0,
    requestId,
    exportId,
    lba,
    blockCount,
    flags: 0,
  });
}

function decodeMessage(
  what: "Request" | "Response",
  bytes: Uint8Array,
): Response {
  const name = `smoo ${what}`;
  checkLength("smoo.bad-length", name, bytes, MessageLayout.size);
  const { opcode: number, status, requestId, exportId, lba, blockCount } =
    MessageLayout.read(bytes);
  const opcode = OPCODES[number];
  if (opcode === undefined) {
    throw new FormatError(
      "smoo.bad-opcode",
      `Cannot read ${name}: found opcode ${number}, expected 0 to ${
        OPCODES.length - 1
      }`,
      { facts: { found: number, requestId, exportId } },
    );
  }
  return { opcode, status, requestId, exportId, lba, blockCount };
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

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function checkLength(
  code: ErrorCode,
  name: string,
  bytes: Uint8Array,
  expected: number,
): void {
  if (bytes.length === expected) return;
  throw new FormatError(
    code,
    `Cannot read ${name}: found ${bytes.length} bytes, expected ${expected}`,
    { facts: { found: bytes.length, expected } },
  );
}

function checkField(
  code: ErrorCode,
  name: string,
  field: string,
  found: number,
  expected: number,
): void {
  if (found === expected) return;
  throw new FormatError(
    code,
    `Cannot read ${name}: ${field} is ${hex(found)}, expected ${hex(expected)}`,
    { facts: { field, found, expected } },
  );
}
