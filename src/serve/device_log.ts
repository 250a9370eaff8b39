/**
 * LOG: what the phone says of itself, read over the control endpoint. An extension of ours, which a
 * gadget of the reference stalls.
 *
 * The gadget keeps the last bytes of its log, each with an offset that grows for ever. The host asks
 * for what lies behind the offset it knows. Nothing that comes can end a session.
 *
 * @see docs/PROTOCOL.md
 * @module
 */

import type { FieldType, Struct } from "../bytes/struct.ts";
import { struct, u16, u32, u64 } from "../bytes/struct.ts";
import { FormatError } from "../errors.ts";
import { checkField } from "./check.ts";

/** Version that is read here. */
const VERSION = 0;
/** Longest line in bytes; what is longer comes in pieces. */
const MAX_LINE = 4096;
/** `L SSSSS.UUUUUU text`: level of syslog, seconds since the phone began to boot. */
const LINE = /^([0-7]) +(\d{1,9}\.\d{6}) (.*)$/s;

/**
 * Head of the answer to LOG, 32 bytes: version at 0, header_size at 2, flags at 4, oldest at 8, start
 * at 16, newest at 24. The bytes of the log from `start` follow it.
 */
export const LogLayout: Struct<{
  version: FieldType<number>;
  headerSize: FieldType<number>;
  flags: FieldType<number>;
  oldest: FieldType<bigint>;
  start: FieldType<bigint>;
  newest: FieldType<bigint>;
}> = struct("smoo LOG", {
  version: u16,
  headerSize: u16,
  flags: u32,
  oldest: u64,
  start: u64,
  newest: u64,
});

/** An answer to LOG. Offsets are those of the first byte that is kept, of `bytes`, and of the end. */
export interface LogReply {
  /** Of the oldest byte that the gadget still has. */
  readonly oldest: bigint;
  /** Of the first of `bytes`. */
  readonly start: bigint;
  /** Of the byte that comes next. */
  readonly newest: bigint;
  /** A piece of the log, cut anywhere. */
  readonly bytes: Uint8Array;
}

/** A line that the phone wrote, or a part that is lost. */
export type DeviceLogEvent =
  | {
    readonly type: "device-log";
    /** Of syslog: 0 is the worst, 7 is for debugging; nothing when the line has no head. */
    readonly level: number | undefined;
    /** Since the phone began to boot. */
    readonly seconds: number | undefined;
    /** One line, without control characters. */
    readonly text: string;
  }
  /** The phone wrote more than it could keep until we asked. */
  | { readonly type: "device-log-lost"; readonly bytes: number };

/**
 * Reads an answer to LOG.
 *
 * @throws {FormatError} `smoo.bad-log` when it is too short, has another version, or its offsets
 * contradict each other; `struct.too-short` when it has no 32 bytes.
 */
export function decodeLog(reply: Uint8Array): LogReply {
  const { version, headerSize, oldest, start, newest } = LogLayout.read(reply);
  checkField("smoo.bad-log", LogLayout.name, "version", version, VERSION);
  const bytes = reply.subarray(headerSize);
  if (
    headerSize < LogLayout.size || headerSize > reply.length ||
    start < oldest || start + BigInt(bytes.length) > newest
  ) {
    throw new FormatError(
      "smoo.bad-log",
      `Cannot read ${LogLayout.name}: found ${bytes.length} bytes at ${start} behind a header of ${headerSize} bytes, expected them in ${oldest} to ${newest}`,
      { facts: { headerSize, found: reply.length, oldest, start, newest } },
    );
  }
  return { oldest, start, newest, bytes };
}

/**
 * How far the log of a phone has been read. Handed from one session to the next, it goes on where
 * it stood as long as the gadget is the same process.
 */
export class DeviceLog {
  #sessionId: bigint | undefined;
  #at: bigint | undefined;
  #partial: Uint8Array<ArrayBuffer> = new Uint8Array();
  #gap = false;
  /** The gadget does not even stall LOG: asking again would end another session. */
  silent = false;

  /** Begins a session: anew, unless it is with the gadget of the one before. */
  begin(sessionId: bigint): void {
    if (sessionId === this.#sessionId) return;
    this.#sessionId = sessionId;
    this.#at = undefined;
    this.#partial = new Uint8Array();
    this.#gap = false;
    this.silent = false;
  }

  /** The low 16 bits of the offset that is wanted next. */
  get wanted(): number {
    return Number((this.#at ?? 0n) & 0xffffn);
  }

  /**
   * Takes an answer.
   *
   * @returns What the phone wrote, and whether there is more to ask for at once.
   */
  take(reply: LogReply): { events: DeviceLogEvent[]; more: boolean } {
    const { oldest, start, newest, bytes } = reply;
    const events: DeviceLogEvent[] = [];
    // Newer offsets than there are: not the log we have read from.
    if (this.#at === undefined || this.#at > newest) {
      this.#at = oldest;
      this.#partial = new Uint8Array();
      // The oldest byte need not begin a line.
      this.#gap = oldest > 0n;
    }
    if (this.#at < oldest) {
      events.push(...this.#finish());
      const bytes = Number(oldest - this.#at);
      events.push({ type: "device-log-lost", bytes });
      this.#at = oldest;
      this.#gap = true;
    }
    // Only 16 bits of an offset are sent: another piece may have come, when we were far behind.
    if (start === this.#at) {
      this.#at += BigInt(bytes.length);
      events.push(...this.#lines(bytes));
    }
    return { events, more: this.#at < newest };
  }

  /** The lines that are whole now. */
  #lines(bytes: Uint8Array): DeviceLogEvent[] {
    const events: DeviceLogEvent[] = [];
    const all = new Uint8Array(this.#partial.length + bytes.length);
    all.set(this.#partial);
    all.set(bytes, this.#partial.length);
    let from = 0;
    for (;;) {
      let to = all.indexOf(0x0a, from);
      if (to < 0 || to - from > MAX_LINE) {
        if (all.length - from <= MAX_LINE) break;
        to = from + MAX_LINE;
      }
      const line = parseLine(all.subarray(from, to));
      // Behind a gap comes the rest of a line.
      if (!this.#gap || line.level !== undefined) events.push(line);
      this.#gap = false;
      from = all[to] === 0x0a ? to + 1 : to;
    }
    this.#partial = all.slice(from);
    return events;
  }

  /** What is there of a line whose end is lost. */
  #finish(): DeviceLogEvent[] {
    const line = this.#partial;
    this.#partial = new Uint8Array();
    return line.length > 0 && !this.#gap ? [parseLine(line)] : [];
  }
}

function parseLine(bytes: Uint8Array): DeviceLogEvent & { type: "device-log" } {
  const line = new TextDecoder().decode(bytes)
    // deno-lint-ignore no-control-regex -- what a phone says must not steer a terminal
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "\ufffd");
  const [, level, seconds, text] = LINE.exec(line) ?? [];
  return {
    type: "device-log",
    level: level === undefined ? undefined : Number(level),
    seconds: seconds === undefined ? undefined : Number(seconds),
    text: text ?? line,
  };
}
