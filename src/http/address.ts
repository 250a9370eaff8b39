/**
 * Links as they are sent, and as they may be shown: credentials are in neither.
 *
 * @module
 */

import { ReadError } from "../errors.ts";

/** Where a file is. */
export interface HttpAddress {
  /** What is requested: without credentials and without fragment. */
  readonly href: string;
  /** Scheme, host and port: who may be given the credentials. */
  readonly origin: string;
  /** What people may see, see {@linkcode shownUrl}. */
  readonly shown: string;
  /** `Basic …`, of the credentials that the link had. */
  readonly authorization?: string;
}

/**
 * Takes a link apart.
 *
 * @throws {ReadError} `http.bad-url` when it is none of http or https. The message does not repeat
 * a link that cannot be parsed: it may hold a password.
 */
export function parseHttpUrl(url: string | URL): HttpAddress {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw badUrl("it cannot be parsed");
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw badUrl(`its scheme is "${parsed.protocol.slice(0, -1)}"`);
  }
  const { username, password } = parsed;
  parsed.username = parsed.password = parsed.hash = "";
  const { href, origin } = parsed;
  const shown = shownUrl(href);
  if (username === "" && password === "") return { href, origin, shown };
  const pair = `${decode(username)}:${decode(password)}`;
  return { href, origin, shown, authorization: `Basic ${base64(pair)}` };
}

/**
 * A link for messages, logs and listings: without credentials, without fragment, and with `?…` for
 * its query, since that is where signed links carry their secret.
 */
export function shownUrl(url: string | URL): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname}${search === "" ? "" : "?…"}`;
}

/**
 * A link as a part of `identity`: as {@linkcode shownUrl}, with a hash for the query, so that
 * `?file=a` and `?file=b` differ and no secret is kept.
 */
export async function identityUrl(href: string): Promise<string> {
  const { search } = new URL(href);
  if (search === "") return href;
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(search),
  );
  const hex = [...new Uint8Array(digest, 0, 8)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${shownUrl(href).slice(0, -2)}?sha256=${hex}`;
}

function badUrl(found: string): ReadError {
  return new ReadError(
    "http.bad-url",
    `Cannot open link: ${found}, expected http://… or https://…`,
    { facts: { found } },
  );
}

/** Percent-encoding undone; as it stands where it is none. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** UTF-8, as RFC 7617 section 2.1 asks of who may choose. */
function base64(text: string): string {
  return btoa(
    Array.from(
      new TextEncoder().encode(text),
      (byte) => String.fromCharCode(byte),
    ).join(""),
  );
}
