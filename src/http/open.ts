import { onAbort } from "../block/abortable.ts";
import { clampRead } from "../block/range.ts";
import type { ClosableReader, ReadOptions } from "../block/reader.ts";
import { ReadError } from "../errors.ts";
import { checkEncoding, checkPartial, fillFrom, noRanges } from "./answer.ts";
import type { Version } from "./answer.ts";
import { parseContentLength, parseContentRange } from "./content_range.ts";
import type { Exchange } from "./exchange.ts";
import { HttpFailure } from "./failure.ts";
import { type HttpIdentity, identify } from "./identity.ts";
import type { HttpStatistics } from "./meter.ts";
import { connect, type HttpConnection, type HttpOptions } from "./options.ts";
import { readValidators, type Validators } from "./validators.ts";

/** Bytes of the first request: enough to tell most formats by, and kept. */
export const HTTP_HEAD_SIZE = 65536;

/** A file on a server, read by ranges. */
export interface HttpReader extends ClosableReader {
  /** Where the bytes come from, after redirects; without credentials, `?…` for a query. */
  readonly url: string;
  /** What the server said of the version. */
  readonly validators: Validators;
  /**
   * What `identity` rests on. `undefined` when the server gives nothing that names the content: then
   * `identity` is of this reader alone, and nothing may be kept for the next one.
   */
  readonly validator: "etag" | "last-modified" | undefined;
  /** What went over the network so far. */
  readonly statistics: HttpStatistics;
}

/**
 * Opens a file on a server that has ranges. One request, for the first 64 KiB, which are kept; more
 * only where it is redirected.
 *
 * Each read is one request, for exactly the bytes that were asked for: put {@linkcode withHttpAccess}
 * on top. Every answer must be 206 with the range that was asked for, whole, of the same version:
 * same strong `ETag`, else same `Last-Modified`, and same size. `If-Range` and `If-Match` are not
 * sent: each answer states its version anyway, the first would bring all of a changed file instead
 * of an error, and either makes a browser ask for permission before each request.
 *
 * Tried again, later each time: statuses 408, 429 and 5xx (`Retry-After` counts, for all requests),
 * broken connections, bodies cut short, from the byte reached on. Other statuses are errors at once.
 * There is no limit on time but for silence.
 *
 * @param url `http://` or `https://`. A name and password in it become an `Authorization` header.
 * Neither these nor its query are in any name, identity, message or event.
 * @param options.signal Stops opening; rejects with `signal.reason`.
 * @throws {ReadError} `http.bad-url`, `http.network`, `http.cors`, `http.stalled`, `http.status`,
 * `http.no-ranges`, `http.bad-range`, `http.no-size`, `http.encoded`, `http.short-body`,
 * `http.long-body`, `http.redirect-loop`, `http.bad-redirect`. Reads: these, and `http.changed`,
 * after which every read fails so, and `read.closed`.
 * @see RFC 9110, section 14
 *
 * @example
 * ```ts
 * import { openHttp } from "./open.ts";
 *
 * const bytes = new Uint8Array(1 << 20);
 * const server = (_: unknown, init?: RequestInit) => {
 *   const [, first, last] = /(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range")!)!;
 *   return Promise.resolve(
 *     new Response(bytes.subarray(Number(first), Number(last) + 1), {
 *       status: 206,
 *       headers: { "content-range": `bytes ${first}-${last}/${bytes.length}` },
 *     }),
 *   );
 * };
 * const reader = await openHttp("http://me:secret@example.org/a.img", { fetch: server });
 * console.assert(reader.size === 1 << 20 && reader.name === "http://example.org/a.img");
 * ```
 */
export async function openHttp(
  url: string | URL,
  options: HttpOptions = {},
): Promise<HttpReader> {
  const connection = connect(url, options);
  const { link, retrier, clock } = connection;
  const { signal } = options;
  let opened: Opened | undefined;
  await retrier.run({
    what: () => `open "${link.address.shown}"`,
    signal,
    done: () => 0,
    async attempt() {
      const range = `bytes=0-${HTTP_HEAD_SIZE - 1}`;
      const exchange = await link.request(range, signal);
      try {
        opened = await readHead(exchange, clock.now());
      } finally {
        exchange.close();
      }
    },
  });
  const { version, head } = opened!;
  const { validators, total } = version;
  const identity = await identify(connection, validators, total);
  return new RangeReader(connection, version, head, identity);
}

interface Opened {
  readonly version: Version;
  readonly head: Uint8Array;
}

async function readHead(exchange: Exchange, now: number): Promise<Opened> {
  const { status, headers } = exchange.response;
  const all = wholeSize(exchange);
  if (all !== undefined) {
    const head = new Uint8Array(all);
    if (status === 200) await fillFrom(exchange, head, { done: 0 });
    const validators = readValidators(headers);
    return { version: { total: all, validators }, head };
  }
  const { version, end } = checkPartial(
    exchange,
    0,
    HTTP_HEAD_SIZE,
    undefined,
    now,
  );
  const head = new Uint8Array(end);
  await fillFrom(exchange, head, { done: 0 });
  return { version, head };
}

/**
 * Size of a file that is here with its first answer although that is not 206: servers say 416 or 200 of
 * one that is empty, and may send one whole that is not larger than the range.
 */
function wholeSize({ response }: Exchange): number | undefined {
  const { status, headers } = response;
  if (status === 416) {
    const range = parseContentRange(headers.get("content-range") ?? "");
    return range?.total === 0 ? 0 : undefined;
  }
  if (status !== 200) return undefined;
  checkEncoding(headers);
  const length = parseContentLength(headers.get("content-length"));
  if (length === undefined || length > HTTP_HEAD_SIZE) {
    throw noRanges("server answered 200");
  }
  return length;
}

class RangeReader implements HttpReader {
  readonly blockSize = 4096;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly validators: Validators;
  readonly validator: HttpReader["validator"];
  readonly #connection: HttpConnection;
  readonly #version: Version;
  readonly #head: Uint8Array;
  readonly #closing = new AbortController();
  #changed: HttpFailure | undefined;

  constructor(
    connection: HttpConnection,
    version: Version,
    head: Uint8Array,
    { identity, validator }: HttpIdentity,
  ) {
    this.#connection = connection;
    this.#version = version;
    this.#head = head;
    this.size = version.total;
    this.name = connection.link.address.shown;
    this.identity = identity;
    this.validators = version.validators;
    this.validator = validator;
  }

  get url(): string {
    return this.#connection.link.url;
  }

  get statistics(): HttpStatistics {
    return this.#connection.meter.statistics;
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    if (count === 0) return 0;
    this.#connection.meter.bytesAsked += count;
    const kept = this.#head.subarray(offset, offset + count);
    into.set(kept);
    if (kept.length === count) return count;
    const start = offset + kept.length;
    await this.#fetch(start, into.subarray(kept.length, count), signal);
    return count;
  }

  close(): Promise<void> {
    this.#closing.abort(
      new ReadError("read.closed", `Cannot read "${this.name}": it is closed`),
    );
    return Promise.resolve();
  }

  /** Fills `into` from byte `start`, by as many requests as it takes. */
  async #fetch(
    start: number,
    into: Uint8Array,
    outer: AbortSignal | undefined,
  ): Promise<void> {
    const { link, retrier, clock } = this.#connection;
    const what = () =>
      `read ${into.length} bytes at byte ${start} of "${this.name}"`;
    const progress = { done: 0 };
    const { signal, release } = join(this.#closing.signal, outer);
    try {
      await retrier.run({
        what,
        signal,
        done: () => progress.done,
        attempt: async () => {
          if (this.#changed !== undefined) throw this.#changed;
          const from = start + progress.done;
          const end = start + into.length;
          const range = `bytes=${from}-${end - 1}`;
          const exchange = await link.request(range, signal);
          try {
            const now = clock.now();
            checkPartial(exchange, from, end, this.#version, now);
            await fillFrom(exchange, into, progress);
          } catch (error) {
            this.#noteChange(error);
            throw error;
          } finally {
            exchange.close();
          }
        },
      });
    } finally {
      release();
    }
  }

  /** What was read before and what comes now do not belong together: nothing is read any more. */
  #noteChange(error: unknown): void {
    if (!(error instanceof HttpFailure) || error.code !== "http.changed") {
      return;
    }
    if (this.#changed !== undefined) return;
    this.#changed = error;
    const { found, options } = error;
    const { expected = "" } = options;
    this.#connection.tell({ type: "changed", found, expected });
  }
}

/** A signal that fires with either of two, and what ends listening to them. */
function join(
  always: AbortSignal,
  outer: AbortSignal | undefined,
): { readonly signal: AbortSignal; readonly release: () => void } {
  if (outer === undefined) return { signal: always, release: () => {} };
  const controller = new AbortController();
  const forgets = [always, outer].map((signal) =>
    onAbort(signal, () => controller.abort(signal.reason))
  );
  return {
    signal: controller.signal,
    release: () => forgets.forEach((forget) => forget()),
  };
}
