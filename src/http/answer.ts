/**
 * Whether an answer is what was asked for. Servers are not believed: a proxy that knows no ranges, or
 * a file that is replaced while it is read, must not give one wrong byte.
 *
 * @module
 */

import { parseContentLength, parseContentRange } from "./content_range.ts";
import type { Exchange } from "./exchange.ts";
import { HttpFailure, statusFailure } from "./failure.ts";
import { CORS_TODO } from "./link.ts";
import { findChange, readValidators, type Validators } from "./validators.ts";

/** The version of a file that a reader gives. */
export interface Version {
  /** Bytes in all. */
  readonly total: number;
  readonly validators: Validators;
}

const NO_RANGES_TODO =
  "use a host with ranges, or fetch the whole file first by --spool";

/** The failure of a server that sends all of the file, or says that it has to. */
export function noRanges(found: string, again = false): HttpFailure {
  return new HttpFailure("http.no-ranges", found, {
    expected: "206",
    todo: NO_RANGES_TODO,
    facts: { status: 200 },
    again,
  });
}

/**
 * Checks that an answer holds the bytes from `start` up to `end`, or up to the end of the file where
 * that comes first.
 *
 * @param known The version that it has to be of; absent for the first answer.
 * @returns The version that it is of, and where its bytes end.
 * @throws {HttpFailure} `http.status`, `http.no-ranges`, `http.encoded`, `http.cors`,
 * `http.bad-range`, `http.no-size`, `http.changed`
 */
export function checkPartial(
  { response }: Exchange,
  start: number,
  end: number,
  known: Version | undefined,
  now: number,
): { readonly version: Version; readonly end: number } {
  const { status, headers } = response;
  if (known !== undefined && (status === 206 || status === 200)) {
    checkUnchanged(known, headers);
  }
  if (status === 416) throw unsatisfiable(headers, start, end, known);
  if (status === 200) {
    // Some caches answer so while they fill themselves, where they had ranges a moment ago.
    throw noRanges("server answered 200", known !== undefined);
  }
  if (status !== 206) throw statusFailure(response, "206", now);
  checkEncoding(headers);
  const range = readRange(response);
  if (range.total === undefined) {
    throw new HttpFailure(
      "http.no-size",
      `server does not say how large the file is`,
      { expected: "Content-Range with a size", todo: NO_RANGES_TODO },
    );
  }
  const { total } = range;
  if (known !== undefined && total !== known.total) {
    throw changed(`${total} bytes`, `${known.total}`);
  }
  const stop = Math.min(end, total);
  if (range.start !== start || range.end !== stop) {
    throw badRange(
      `server sent bytes ${range.start} to ${range.end}`,
      `${start} to ${stop}`,
    );
  }
  const length = parseContentLength(headers.get("content-length"));
  if (length !== undefined && length !== stop - start) {
    throw badRange(`server sends ${length} bytes`, `${stop - start}`);
  }
  const version = known ?? { total, validators: readValidators(headers) };
  return { version, end: stop };
}

/** Refuses bodies that are not the bytes of the file. */
export function checkEncoding(headers: Headers): void {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  throw new HttpFailure(
    "http.encoded",
    `server sent the range encoded as ${JSON.stringify(encoding.slice(0, 40))}`,
    {
      expected: "the bytes of the file",
      todo: "turn compression off for this file on the server",
      facts: { encoding },
    },
  );
}

/** Refuses an answer of another version. */
export function checkUnchanged(known: Version, headers: Headers): void {
  const change = findChange(known.validators, readValidators(headers));
  if (change !== undefined) throw changed(change.found, change.expected);
}

/**
 * Copies a body into `into`, from where `progress` is on.
 *
 * @throws {HttpFailure} `http.short-body`, `http.long-body`, and what the exchange throws; the bytes
 * until then are there and counted
 */
export async function fillFrom(
  exchange: Exchange,
  into: Uint8Array,
  progress: { done: number },
): Promise<void> {
  for (;;) {
    const chunk = await exchange.next();
    if (chunk === undefined) break;
    const left = into.length - progress.done;
    if (chunk.length > left) {
      throw new HttpFailure(
        "http.long-body",
        `server sent more than the ${into.length} bytes of the range`,
        { expected: "not one more", todo: NO_RANGES_TODO },
      );
    }
    into.set(chunk, progress.done);
    progress.done += chunk.length;
  }
  if (progress.done < into.length) {
    throw shortBody(progress.done, into.length);
  }
}

/** The failure of a body that ended before its time. */
export function shortBody(found: number, expected?: number): HttpFailure {
  return new HttpFailure(
    "http.short-body",
    `server ended after ${found} bytes`,
    {
      ...(expected === undefined ? {} : { expected: `${expected}` }),
      todo: "try again later",
      facts: { found, expected },
      again: true,
    },
  );
}

function readRange(response: Response) {
  const { headers, type } = response;
  const text = headers.get("content-range");
  if (text === null && type === "cors") {
    throw new HttpFailure(
      "http.cors",
      "the browser shows no Content-Range",
      { expected: "one", todo: CORS_TODO },
    );
  }
  const range = text === null ? undefined : parseContentRange(text);
  if (range?.start !== undefined && range.end !== undefined) return range;
  const media = headers.get("content-type") ?? "";
  const found = text !== null
    ? `Content-Range ${JSON.stringify(text.slice(0, 60))}`
    : /^multipart\/byteranges/i.test(media)
    ? "several ranges (multipart/byteranges)"
    : "no Content-Range";
  throw badRange(`server sent ${found}`, "one range of bytes");
}

function unsatisfiable(
  headers: Headers,
  start: number,
  end: number,
  known: Version | undefined,
): HttpFailure {
  const text = headers.get("content-range");
  const total = text === null ? undefined : parseContentRange(text)?.total;
  if (known !== undefined && total !== undefined && total !== known.total) {
    return changed(`${total} bytes`, `${known.total}`);
  }
  return badRange(
    `server answered 416 to bytes ${start} to ${end}` +
      (total === undefined ? "" : ` of ${total}`),
    "206",
  );
}

function badRange(found: string, expected: string): HttpFailure {
  return new HttpFailure("http.bad-range", found, {
    expected,
    todo: "the server does ranges wrong: use another host, or --spool",
  });
}

/** The failure of a file that is no longer the one that was opened. */
export function changed(found: string, expected: string): HttpFailure {
  return new HttpFailure("http.changed", `the file changed: ${found}`, {
    expected,
    todo: "open it again",
    facts: { found, expected },
  });
}
