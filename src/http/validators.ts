/**
 * What tells one version of a file on a server from the next.
 *
 * @module
 */

import { parseHttpDate } from "./date.ts";

/** What a server says of the version of a file. */
export interface Validators {
  /** Strong `ETag`: equal means equal bytes. */
  readonly etag?: string;
  /** `ETag` that begins with `W/`: different means different, equal means little. */
  readonly weakEtag?: string;
  /** `Last-Modified`, as it was sent. */
  readonly lastModified?: string;
  /** Whether `Last-Modified` is old enough to tell this version from a later one. */
  readonly settled?: boolean;
}

/**
 * Reads the validators of an answer.
 *
 * `Last-Modified` counts in whole seconds: a file that was changed in the second in which it was sent
 * may change again without a trace. So it is settled only when the server's own `Date` is later by
 * `SETTLED_MS`, which also covers clocks of file servers that are not quite that of the web server.
 *
 * @see RFC 9110, section 8.8
 */
export function readValidators(headers: Headers): Validators {
  const tag = headers.get("etag")?.trim() ?? "";
  const strong = /^"[^"]*"$/.test(tag);
  const weak = /^W\/"[^"]*"$/.test(tag);
  const named = strong ? { etag: tag } : weak ? { weakEtag: tag } : {};
  const lastModified = headers.get("last-modified")?.trim() ?? "";
  const changed = parseHttpDate(lastModified);
  if (changed === undefined) return named;
  const sent = parseHttpDate(headers.get("date"));
  const settled = sent !== undefined && sent - changed >= SETTLED_MS;
  return { ...named, lastModified, settled };
}

const SETTLED_MS = 60_000;

/** Which of the validators names the content, strongest first; `undefined` when none does. */
export function strongest(
  { etag, lastModified, settled }: Validators,
): "etag" | "last-modified" | undefined {
  if (etag !== undefined) return "etag";
  return lastModified !== undefined && settled ? "last-modified" : undefined;
}

/**
 * What shows that two answers are of different versions, as the words "found" and "expected" of a
 * message; `undefined` when nothing does.
 *
 * Only what the first answer had is compared, the best of it alone: strong `ETag`, else
 * `Last-Modified`, else weak `ETag`. A server of several machines may have another weak one on each.
 */
export function findChange(
  first: Validators,
  now: Validators,
): { readonly found: string; readonly expected: string } | undefined {
  const compare = (name: string, expected: string, found = "none") =>
    found === expected ? undefined : { found: `${name} ${found}`, expected };
  if (first.etag !== undefined) {
    return compare("ETag", first.etag, now.etag ?? now.weakEtag);
  }
  if (first.lastModified !== undefined) {
    return compare("Last-Modified", first.lastModified, now.lastModified);
  }
  if (first.weakEtag !== undefined) {
    return compare("ETag", first.weakEtag, now.weakEtag ?? now.etag);
  }
  return undefined;
}
