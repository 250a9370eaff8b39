/**
 * What openers of links may be told, and what they tell.
 *
 * @module
 */

import { checkCount } from "../block/range.ts";
import type { ReadOptions } from "../block/reader.ts";
import type { ErrorCode } from "../errors.ts";
import { parseHttpUrl } from "./address.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Gate } from "./gate.ts";
import { HttpLink } from "./link.ts";
import { Meter } from "./meter.ts";
import { Retrier } from "./retry.ts";

/** What happens on the way, for those who show it. Links are without credentials and queries. */
export type HttpEvent =
  | {
    /** The bytes come from another place than before. */
    readonly type: "redirected";
    readonly from: string;
    readonly to: string;
  }
  | {
    /** A request failed and is sent again. */
    readonly type: "retry";
    readonly code: ErrorCode;
    /** What failed, in words. */
    readonly found: string;
    /** Attempts so far without a byte to show for it. */
    readonly attempt: number;
    /** Milliseconds until the next one. */
    readonly delayMs: number;
  }
  | {
    /** The file on the server is another one: all reads fail from now on. */
    readonly type: "changed";
    readonly found: string;
    readonly expected: string;
  };

/** What openers of links may be told. */
export interface HttpOptions extends ReadOptions {
  /** Sends the requests; that of the platform when absent. */
  readonly fetch?: typeof fetch | undefined;
  /**
   * Sent to the origin of the link, never to another where it is redirected. Browsers do not say where
   * that is: with headers, redirects are refused there by `http.bad-redirect`.
   */
  readonly headers?: HeadersInit | undefined;
  /** Requests at the same time, at least 1; 6 when absent, as browsers do. */
  readonly maxConcurrent?: number | undefined;
  /** Attempts after the first one that may fail in a row; 8 when absent, which is half a minute. */
  readonly retries?: number | undefined;
  /** Wait before the first of them, in milliseconds; doubled for each that follows; 250 when absent. */
  readonly retryDelayMs?: number | undefined;
  /** Longest wait between two attempts; 10 s when absent. */
  readonly maxRetryDelayMs?: number | undefined;
  /** Longest `Retry-After` that is waited for; 2 minutes when absent. */
  readonly maxRetryAfterMs?: number | undefined;
  /** Milliseconds without a byte after which a request is given up; 30 s when absent. */
  readonly stallMs?: number | undefined;
  /** Tells the time; the machine's clock when absent. */
  readonly clock?: Clock | undefined;
  /** Numbers from 0 to 1, for waits; `Math.random` when absent. */
  readonly random?: (() => number) | undefined;
  /** Origin of the page that this runs in; that of `location` when absent. */
  readonly pageOrigin?: string | undefined;
  /** Is told what happens. Must not throw. */
  readonly onEvent?: ((event: HttpEvent) => void) | undefined;
}

/** A link with what it takes to ask for it again and again. */
export interface HttpConnection {
  readonly link: HttpLink;
  readonly gate: Gate;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly retrier: Retrier;
  readonly random: () => number;
  readonly tell: (event: HttpEvent) => void;
}

/**
 * Checks options and puts the parts together. Sends nothing.
 *
 * @throws {RangeError} when a number is out of range
 * @throws {ReadError} `http.bad-url`
 */
export function connect(
  url: string | URL,
  options: HttpOptions,
): HttpConnection {
  const address = parseHttpUrl(url);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const tell = options.onEvent ?? (() => {});
  const meter = new Meter(clock);
  const count = (name: keyof HttpOptions, value: number, least = 0) =>
    checkCount(name, (options[name] as number | undefined) ?? value, least);
  const gate = new Gate(count("maxConcurrent", 6, 1), clock);
  const link = new HttpLink(address, {
    fetch: options.fetch ?? globalThis.fetch,
    clock,
    meter,
    stallMs: count("stallMs", 30_000, 1),
    headers: new Headers(options.headers),
    pageOrigin: options.pageOrigin ?? originOfPage(),
    tell,
  });
  const retrier = new Retrier({
    link,
    gate,
    meter,
    clock,
    random,
    tell,
    retries: count("retries", 8),
    minDelayMs: count("retryDelayMs", 250),
    maxDelayMs: count("maxRetryDelayMs", 10_000),
    maxRetryAfterMs: count("maxRetryAfterMs", 120_000),
  });
  return { link, gate, meter, clock, retrier, random, tell };
}

/** Pages and workers have a `location`, nothing else has. */
function originOfPage(): string | undefined {
  const { location } = globalThis as { location?: { origin?: string } };
  return location?.origin;
}
