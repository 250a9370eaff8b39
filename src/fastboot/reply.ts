/**
 * What bootloaders answer.
 *
 * @module
 */

/** A reply is going on, or the last one of a command. */
export type ReplyStatus = "INFO" | "TEXT" | "OKAY" | "FAIL" | "DATA";

/** One packet of a bootloader. */
export interface FastbootReply {
  /** What it means. */
  readonly status: ReplyStatus;
  /** What is behind the status. */
  readonly text: string;
}

const STATUSES: readonly string[] = [
  "INFO",
  "TEXT",
  "OKAY",
  "FAIL",
  "DATA",
] satisfies ReplyStatus[];

/**
 * Parses a packet; nothing when it is no reply.
 *
 * Text ends at the first NUL, since some bootloaders send their whole buffer, and what is no UTF-8 in
 * it is replaced. White space around it goes, but for TEXT, which is printed as it is.
 *
 * @example
 * ```ts
 * import { parseReply } from "./reply.ts";
 *
 * const reply = parseReply(new TextEncoder().encode("OKAY sdm845\0\0"));
 * console.assert(reply?.status === "OKAY" && reply.text === "sdm845");
 * ```
 */
export function parseReply(packet: Uint8Array): FastbootReply | undefined {
  const status = String.fromCharCode(...packet.subarray(0, 4));
  if (!STATUSES.includes(status)) return undefined;
  const nul = packet.indexOf(0, 4);
  const bytes = packet.subarray(4, nul < 0 ? undefined : nul);
  const text = new TextDecoder().decode(bytes);
  return {
    status: status as ReplyStatus,
    text: status === "TEXT" ? text : text.trim(),
  };
}

/** The length that DATA announces, in bytes; nothing when it is none. */
export function parseDataLength(text: string): number | undefined {
  return /^[0-9a-f]{8}$/i.test(text) ? parseInt(text, 16) : undefined;
}

/**
 * The value of a variable that holds a number, such as `max-download-size`; nothing when it is none.
 *
 * Decimal, hexadecimal behind `0x`, and hexadecimal that only its letters tell, as the `fastboot` of
 * Android reads them.
 */
export function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  const [digits, radix] = /^[0-9]+$/.test(trimmed)
    ? [trimmed, 10]
    : [/^(?:0x)?([0-9a-f]+)$/i.exec(trimmed)?.[1] ?? "", 16];
  const value = parseInt(digits, radix);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A packet for messages: what can be printed of its beginning, the rest as hex. */
export function describePacket(packet: Uint8Array): string {
  if (packet.length === 0) return "an empty packet";
  const text = Array.from(
    packet.subarray(0, 32),
    (byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
  return `"${text}"${packet.length > 32 ? ` (${packet.length} bytes)` : ""}`;
}
