/**
 * What the web server of the tests answers: what is right, and all that is not.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import type { LoggedRequest, ServerSettings } from "./http_server.ts";

/** What a server may do instead of what it should. */
export const MISBEHAVIOURS = [
  "200 for a range",
  "200 without a length",
  "wrong start",
  "wrong end",
  "wrong total",
  "unknown total",
  "wrong unit",
  "no Content-Range",
  "wrong Content-Length",
  "short body",
  "long body",
  "reset before the answer",
  "reset in the body",
  "stall before the answer",
  "stall in the body",
  "503",
  "500",
  "429 with seconds",
  "429 with a date",
  "408",
  "401",
  "403",
  "404",
  "410",
  "416",
  "204",
  "other ETag",
  "other size",
  "other date",
  "weak ETag",
  "other weak ETag",
  "no validators",
  "redirect loop",
  "redirect to nowhere",
  "redirect without Location",
  "redirect elsewhere",
  "gzip",
  "multipart",
  "chunked",
  "garbage",
] as const;

/** One of {@linkcode MISBEHAVIOURS}. */
export type Misbehaviour = typeof MISBEHAVIOURS[number];

/** An answer that is to be sent. */
export interface Plan {
  status: number;
  headers: Record<string, string>;
  /** Range of the content. */
  body?: readonly [start: number, end: number];
  /** Instead of it. */
  bytes?: Uint8Array;
  stop?: { readonly after: number; readonly then: "end" | "reset" | "stall" };
}

/** Parses `Range`, of one range. */
export function parseRange(
  text: string | undefined,
): { start: number; end: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(text ?? "");
  if (match === null) return undefined;
  const end = match[2] === "" ? Infinity : Number(match[2]) + 1;
  return { start: Number(match[1]), end };
}

/** What to answer to a request, right or wrong. */
export function planAnswer(
  settings: ServerSettings,
  request: LoggedRequest,
  size: number,
): Plan | "stall" | "reset" | "garbage" {
  const { etag, lastModified } = settings;
  const how = settings.behave(request);
  const validators: Record<string, string> = {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { "last-modified": lastModified }),
  };
  const right = rightAnswer(request, size, validators);
  const [start, end] = right.body ?? [0, 0];
  const half = Math.ceil((end - start) / 2);
  const set = (headers: Record<string, string>): Plan => ({
    ...right,
    headers: { ...right.headers, ...headers },
  });
  const status = (status: number, headers = {}): Plan => ({
    status,
    headers: { "content-length": "0", ...headers },
  });
  const chunked = () => {
    const { "content-length": _, ...headers } = right.headers;
    return { ...right, headers };
  };
  const range = (a: number, b: number, total: number | string) =>
    set({ "content-range": `bytes ${a}-${b - 1}/${total}` });
  switch (how) {
    case undefined:
      return right;
    case "200 for a range":
      return rightAnswer({ ...request, range: undefined }, size, validators);
    case "200 without a length":
      return { status: 200, headers: validators, body: [0, size] };
    case "wrong start":
      return range(start + 1, end + 1, size + 1);
    case "wrong end":
      return { ...range(start, end - 1, size), body: [start, end] };
    case "wrong total":
      return range(start, end, end);
    case "unknown total":
      return range(start, end, "*");
    case "wrong unit":
      return set({ "content-range": `items ${start}-${end - 1}/${size}` });
    case "no Content-Range": {
      const { "content-range": _, ...headers } = right.headers;
      return { ...right, headers };
    }
    case "wrong Content-Length":
      return {
        ...set({ "content-length": `${half}` }),
        body: [start, start + half],
      };
    case "short body":
      return { ...chunked(), stop: { after: half, then: "end" } };
    case "long body":
      return { ...chunked(), bytes: new Uint8Array(end - start + 10) };
    case "reset before the answer":
      return "reset";
    case "reset in the body":
      return { ...right, stop: { after: half, then: "reset" } };
    case "stall before the answer":
      return "stall";
    case "stall in the body":
      return { ...right, stop: { after: half, then: "stall" } };
    case "503":
      return status(503);
    case "429 with seconds":
      return status(429, { "retry-after": `${settings.retryAfter}` });
    case "429 with a date":
      return status(429, {
        date: new Date(1e12).toUTCString(),
        "retry-after": new Date(1e12 + settings.retryAfter * 1000)
          .toUTCString(),
      });
    case "500":
    case "408":
    case "401":
    case "403":
    case "404":
    case "410":
    case "204":
      return status(Number(how));
    case "416":
      return status(416, { "content-range": `bytes */${size}` });
    case "other ETag":
      return set({ etag: '"v2"' });
    case "other size":
      return rightAnswer(request, size - 1, validators);
    case "other date":
      return set({ "last-modified": "Wed, 02 Jul 2025 10:00:00 GMT" });
    case "weak ETag":
      return set({ etag: 'W/"v1"' });
    case "other weak ETag":
      return set({ etag: 'W/"v2"' });
    case "no validators":
      return rightAnswer(request, size, {});
    case "redirect loop":
      return status(302, { location: `${request.path}?again` });
    case "redirect to nowhere":
      return status(302, { location: "ftp://example.org/a" });
    case "redirect without Location":
      return status(302);
    case "redirect elsewhere":
      return status(302, { location: settings.elsewhere });
    case "gzip": {
      const { content } = settings;
      const bytes = gzipSync((content as Uint8Array).subarray(start, end));
      return {
        ...set({
          "content-encoding": "gzip",
          "content-length": `${bytes.length}`,
        }),
        bytes,
      };
    }
    case "multipart": {
      const { "content-range": part = "" } = right.headers;
      const bytes = new TextEncoder().encode(
        `--x\r\nContent-Range: ${part}\r\n\r\n…\r\n--x--\r\n`,
      );
      return {
        status: 206,
        headers: {
          ...validators,
          "content-type": "multipart/byteranges; boundary=x",
          "content-length": `${bytes.length}`,
        },
        bytes,
      };
    }
    case "chunked":
      return chunked();
    case "garbage":
      return "garbage";
  }
}

function rightAnswer(
  { range }: Pick<LoggedRequest, "range">,
  size: number,
  validators: Record<string, string>,
): Plan {
  const common = { ...validators, "accept-ranges": "bytes" };
  if (range === undefined) {
    const headers = { ...common, "content-length": `${size}` };
    return { status: 200, headers, body: [0, size] };
  }
  if (range.start >= size) {
    const headers = { "content-range": `bytes */${size}` };
    return { status: 416, headers: { ...common, ...headers } };
  }
  const end = Math.min(range.end, size);
  return {
    status: 206,
    headers: {
      ...common,
      "content-range": `bytes ${range.start}-${end - 1}/${size}`,
      "content-length": `${end - range.start}`,
    },
    body: [range.start, end],
  };
}
