/** A `Content-Range` in bytes: which ones a server sent, and of how many. */
export interface ContentRange {
  /** First byte; absent in `bytes * /N`, what a server says to a range that it does not have. */
  readonly start?: number;
  /** Behind the last byte. */
  readonly end?: number;
  /** Bytes in all; absent when the server does not know, `*`. */
  readonly total?: number;
}

/**
 * Parses `Content-Range`.
 *
 * @returns `undefined` when it is not one of bytes, or says what cannot be.
 * @see RFC 9110, section 14.4
 */
export function parseContentRange(text: string): ContentRange | undefined {
  const match = /^\s*bytes\s+(?:(\d+)-(\d+)|\*)\/(\d+|\*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const [, first, last, all] = match;
  const total = all === "*" ? undefined : Number(all);
  if (total !== undefined && !Number.isSafeInteger(total)) return undefined;
  const known = total === undefined ? {} : { total };
  if (first === undefined) return total === undefined ? undefined : known;
  const start = Number(first);
  const end = Number(last) + 1;
  if (!Number.isSafeInteger(end) || end <= start) return undefined;
  if (total !== undefined && end > total) return undefined;
  return { start, end, ...known };
}

/** Parses `Content-Length`; `undefined` when it is absent or no number. */
export function parseContentLength(text: string | null): number | undefined {
  if (text === null || !/^\s*\d+\s*$/.test(text)) return undefined;
  const length = Number(text);
  return Number.isSafeInteger(length) ? length : undefined;
}
