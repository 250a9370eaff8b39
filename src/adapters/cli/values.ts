/**
 * Values of options, as people type them.
 *
 * @module
 */

import { type Digest, parseDigest } from "../../image/digest.ts";
import { UsageError } from "./command.ts";
import type { PayloadOptions } from "./command.ts";

/** 24 days: `setTimeout` takes 2147483647 ms, some hours more, and fires at once for what is above. */
const MAX_SECONDS = 2_073_600;

/** An option that may be given once; its value is what `parse` makes of the text. */
export function once<T>(
  option: string,
  parse: (text: string, option: string) => T,
): (text: string, previous: T | undefined) => T {
  return (text, previous) => {
    if (previous === undefined) return parse(text, option);
    throw new UsageError(`Option "${option}" is given twice, expected once`);
  };
}

/** An option that may be given several times. */
export function several<T>(
  option: string,
  parse: (text: string, option: string) => T,
): (text: string, previous: readonly T[] | undefined) => readonly T[] {
  return (text, previous = []) => [...previous, parse(text, option)];
}

/** Any text, also none: scripts may have nothing to add. */
export function anyText(text: string): string {
  return text;
}

/** Some text. */
export function someText(text: string, option: string): string {
  if (text !== "") return text;
  throw new UsageError(`Option "${option}" needs a value`);
}

/** A file or `-`. What looks like an option is one that was meant as such. */
export function path(text: string, option: string): string {
  if (text === "-" || !text.startsWith("-")) return someText(text, option);
  throw new UsageError(
    `Option "${option}" needs a value, found "${text}"; write "./${text}" if that is a file`,
  );
}

/** A number of seconds, as milliseconds; by 0 what is waited for is waited for for ever. */
export function seconds(text: string, option: string): number {
  const value = Number(text);
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && value <= MAX_SECONDS) {
    return value * 1000;
  }
  throw new UsageError(
    `Cannot use ${option} "${text}", expected seconds, at most ${MAX_SECONDS} (24 days)`,
  );
}

/** A number of seconds where there is no for ever, as milliseconds. */
export function someSeconds(text: string, option: string): number {
  const value = seconds(text, option);
  if (value > 0) return value;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected more than 0 seconds`,
  );
}

/** `true` or `false`. */
export function bool(text: string, option: string): boolean {
  if (/^(true|yes|on|1)$/.test(text)) return true;
  if (/^(false|no|off|0)$/.test(text)) return false;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected true or false`,
  );
}

/** A number of MiB. */
export function mebibytes(text: string, option: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= 64 && value <= 1 << 20) return value;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected a number of MiB, 64 at least`,
  );
}

/** A number of bytes: `0`, `500M`, `1.5GiB`; units are powers of 1024. */
export function byteSize(text: string, option: string): number {
  const [, number, unit] = /^([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(?:iB|B)?$/i
    .exec(text) ?? [];
  const power = ["", "K", "M", "G", "T"].indexOf(unit?.toUpperCase() ?? "");
  const value = Math.floor(Number(number) * 1024 ** power);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected a size such as 500M or 10G`,
  );
}

/** `wifi=COMPATIBLE` or `bluetooth=COMPATIBLE`. */
export function mac(
  text: string,
  option: string,
): PayloadOptions["macs"][number] {
  const [, kind, compatible] = /^(wifi|bluetooth)=(.+)$/.exec(text) ?? [];
  if (kind === "wifi" || kind === "bluetooth") {
    return { kind, compatible: compatible! };
  }
  throw new UsageError(
    `Cannot use ${option} "${text}", expected wifi=COMPATIBLE or bluetooth=COMPATIBLE`,
  );
}

/** `sha256:HEX` or `sha512:HEX`. */
export function digest(text: string, option: string): Digest {
  try {
    return parseDigest(text.toLowerCase());
  } catch {
    throw new UsageError(
      `Cannot use ${option} "${text}", expected sha256: and 64 or sha512: and 128 hexadecimal digits`,
    );
  }
}

/** `Name: value`, as servers get it. */
export function header(
  text: string,
  option: string,
): readonly [name: string, value: string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([ -~]*)$/.exec(text) ??
    [];
  if (name !== undefined && value !== undefined) return [name, value.trim()];
  // the value may be a secret
  const shown = text.includes(":") ? `${text.split(":")[0]}: …` : text;
  throw new UsageError(
    `Cannot use ${option} "${shown}", expected NAME: VALUE in ASCII`,
  );
}

/** `http://HOST:PORT`, with a name and password where the proxy wants them. */
export function proxy(text: string, option: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
  throw new UsageError(
    `Cannot use ${option} ${
      url === undefined ? `"${text}"` : `with ${url.protocol}//`
    }, expected http://HOST:PORT`,
  );
}

/** Microseconds since 1970. */
export function clock(text: string, option: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected microseconds since 1970`,
  );
}

/** `auto` or `usbip://…`; what is behind that is judged where it is opened. */
export function bus(text: string, option: string): string {
  if (text === "auto" || text.startsWith("usbip://")) return text;
  throw new UsageError(
    `Cannot use ${option} "${text}", expected auto or usbip://HOST[:PORT][/BUSID]`,
  );
}
