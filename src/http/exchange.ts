import { abortable, onAbort } from "../block/abortable.ts";
import type { Clock } from "./clock.ts";
import { HttpFailure, reasonOf } from "./failure.ts";
import type { Meter } from "./meter.ts";

/** What a request needs of the world. */
export interface ExchangeWorld {
  /** As of the web platform. */
  readonly fetch: typeof fetch;
  /** Tells when nothing comes any more. */
  readonly clock: Clock;
  /** Counts. */
  readonly meter: Meter;
  /** Milliseconds without a byte after which it is given up. */
  readonly stallMs: number;
}

/**
 * One request and its answer. Every wait ends: with bytes, with a failure, when `signal` says so, or
 * when nothing has come for `stallMs`. There is no limit on the whole: a slow line is no error.
 */
export class Exchange {
  readonly #world: ExchangeWorld;
  readonly #signal: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #forget: () => void;
  #response: Response | undefined;
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #open = true;

  private constructor(world: ExchangeWorld, signal: AbortSignal | undefined) {
    this.#world = world;
    this.#signal = signal;
    this.#forget = signal === undefined ? () => {} : onAbort(
      signal,
      () => this.#controller.abort(signal.reason),
    );
    world.meter.requests++;
    world.meter.openRequests++;
  }

  /**
   * Sends a request and waits for the head of its answer.
   *
   * @throws {HttpFailure} `http.network`, `http.stalled`
   */
  static async send(
    world: ExchangeWorld,
    href: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    signal?.throwIfAborted();
    const exchange = new Exchange(world, signal);
    try {
      const request = { ...init, signal: exchange.#controller.signal };
      // Not a method of ours: browsers refuse a `fetch` that is called on another object.
      const { fetch } = world;
      const response = await exchange.#wait(() => fetch(href, request));
      exchange.#response = response;
      return exchange;
    } catch (error) {
      exchange.close();
      throw error;
    }
  }

  /** Status and headers. */
  get response(): Response {
    return this.#response!;
  }

  /**
   * The next bytes of the body, `undefined` at its end.
   *
   * @throws {HttpFailure} `http.network`, `http.stalled`
   */
  async next(): Promise<Uint8Array | undefined> {
    const body = this.#body ??= this.#response?.body?.getReader();
    if (body === undefined) return undefined;
    for (;;) {
      const { done, value } = await this.#wait(() => body.read());
      if (done) return undefined;
      this.#world.meter.received(value.length);
      if (value.length > 0) return value;
    }
  }

  /** Ends the request if it is still under way. Twice is fine. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    this.#world.meter.openRequests--;
    const drop = () => {};
    // A body is cancelled by its reader, or by itself as long as it has none.
    const stream = this.#body ?? this.#response?.body;
    stream?.cancel().catch(drop);
    this.#controller.abort();
  }

  /** Waits for the network, and for nothing longer than it may take. */
  async #wait<T>(begin: () => Promise<T>): Promise<T> {
    const { clock, stallMs } = this.#world;
    let stalled = false;
    const { signal } = this.#controller;
    const stop = clock.after(stallMs, () => {
      stalled = true;
      this.#controller.abort();
    });
    try {
      return await abortable(begin(), signal);
    } catch (cause) {
      this.#signal?.throwIfAborted();
      if (stalled) {
        throw new HttpFailure(
          "http.stalled",
          `server sent nothing for ${stallMs / 1000} s`,
          {
            todo: "check the connection and try again",
            facts: { stallMs },
            again: true,
          },
        );
      }
      throw new HttpFailure(
        "http.network",
        `connection failed: ${reasonOf(cause)}`,
        { todo: "check the connection and the link", cause, again: true },
      );
    } finally {
      stop();
    }
  }
}
