/**
 * What can go wrong with one request, before it is known whether another one will help.
 *
 * @module
 */

import { type ErrorCode, type ErrorFacts, ReadError } from "../errors.ts";
import { shownUrl } from "./address.ts";
import { parseHttpDate } from "./date.ts";

/** What a {@linkcode HttpFailure} can be given. */
export interface HttpFailureOptions {
  /** What would have been right; absent where "it works" says it all. */
  readonly expected?: string;
  /** What the user can do. */
  readonly todo?: string;
  /** The values in the message. */
  readonly facts?: ErrorFacts;
  /** The error of the runtime. Only its message is kept, without links: those may be signed. */
  readonly cause?: unknown;
  /** Another attempt may succeed. */
  readonly again?: boolean;
  /** The server said to wait so long, milliseconds. */
  readonly waitMs?: number;
}

/** One attempt failed. Never reaches a caller: {@linkcode HttpFailure.toError} does. */
export class HttpFailure extends Error {
  readonly code: ErrorCode;
  readonly found: string;
  readonly options: HttpFailureOptions;

  constructor(
    code: ErrorCode,
    found: string,
    options: HttpFailureOptions = {},
  ) {
    super(found);
    this.code = code;
    this.found = found;
    this.options = options;
  }

  /** @param what What could not be done, and to what: `read 512 bytes at byte 0 of "…"`. */
  toError(what: string, attempts = 1): ReadError {
    const { expected, todo, facts, cause } = this.options;
    const message = [
      `Cannot ${what}: ${this.found}`,
      ...(expected === undefined ? [] : [`, expected ${expected}`]),
      ...(attempts < 2 ? [] : [`, ${attempts} times in a row`]),
      ...(todo === undefined ? [] : [`; ${todo}`]),
    ].join("");
    return new ReadError(this.code, message, {
      facts: { ...facts, attempts },
      ...(cause === undefined ? {} : { cause: new Error(reasonOf(cause)) }),
    });
  }
}

const TODO: Readonly<Record<number, string>> = {
  401: "give a name and password in the link, or a header",
  403: "the server refuses it; a signed link may have expired",
  404: "check the link",
  407: "give the proxy its name and password",
  410: "the file is gone; get a new link",
  429: "the server wants fewer requests; try again later",
};

/** The failure of an answer whose status is not what was asked for. */
export function statusFailure(
  response: Response,
  expected: string,
  now: number,
): HttpFailure {
  const { status, statusText, headers } = response;
  const again = status === 408 || status === 429 || status >= 500;
  const waitMs = again
    ? parseRetryAfter(headers.get("retry-after"), headers.get("date"), now)
    : undefined;
  // Chosen by the server: kept short, and free of what could drive a terminal.
  const words = statusText.replaceAll(/[^ -~]/g, "").slice(0, 60);
  return new HttpFailure(
    "http.status",
    `server answered ${status}${words === "" ? "" : ` ${words}`}`,
    {
      expected,
      todo: waitMs !== undefined
        ? `try again in ${Math.ceil(waitMs / 1000)} s`
        : TODO[status] ?? (again ? "try again later" : "check the link"),
      facts: {
        status,
        ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
      },
      again,
      ...(waitMs === undefined ? {} : { waitMs }),
    },
  );
}

/**
 * Parses `Retry-After`, seconds or a date. A date is compared with the server's own `Date` when there
 * is one: clocks differ.
 *
 * @returns Milliseconds, at least 0; `undefined` when it says nothing.
 * @see RFC 9110, section 10.2.3
 */
export function parseRetryAfter(
  value: string | null,
  date: string | null,
  now: number,
): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  return Math.max(0, until - (parseHttpDate(date) ?? now));
}

/** Why the runtime says that it failed: the message furthest down, with links shortened. */
export function reasonOf(error: unknown): string {
  let reason = "unknown reason";
  for (let depth = 0; depth < 5 && error instanceof Error; depth++) {
    const code = (error as { code?: unknown }).code;
    const text = error.message ||
      (typeof code === "string" ? code : error.name);
    reason = text;
    error = error.cause;
  }
  return reason.replaceAll(/https?:\/\/[^\s"'<>()]+/gi, (url) => {
    try {
      return shownUrl(url);
    } catch {
      return "…";
    }
  }).slice(0, 300);
}
