/**
 * The messages of smoo, version 0, but for the list of exports: layouts, and what each field may
 * hold.
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
import { FormatError } from "../errors.ts";
import { checkField, checkLength } from "./check.ts";

/** `SMOO` as it lies in the first 4 bytes of IDENT. */
export const SMOO_MAGIC = 0x4f4f4d53;
/** Version of STATUS that is written and read here. */
const VERSION = 0;
/** STATUS.flags, bit 0: an export is active. */
const STATUS_EXPORT_ACTIVE = 1;

/** IDENT, 8 bytes: magic at 0, major at 4, minor at 6. */
export const IdentLayout: Struct<{
  magic: FieldType<number>;
  major: FieldType<number>;
  minor: FieldType<number>;
}> = struct("smoo IDENT", { magic: u32, major: u16, minor: u16 });

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
 * Gives the Response to a Request, both as they are on the wire: {@linkcode encodeResponse} for the
 * one place where its cost is felt.
 *
 * @param request What {@linkcode decodeRequest} has read.
 * @param status 0 to 255.
 */
export function encodeAnswer(
  request: Uint8Array,
  status: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MessageLayout.size);
  bytes.set(request);
  bytes[1] = status;
  // Reserved bytes and flags, whatever the gadget sent in them.
  bytes[2] = bytes[3] = 0;
  bytes[24] =
    bytes[25] =
    bytes[26] =
    bytes[27] =
      0;
  return bytes;
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
