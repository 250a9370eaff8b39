/**
 * Serving for as long as it is wanted, whatever becomes of the link.
 *
 * @module
 */

import { abortable, onAbort } from "../block/abortable.ts";
import type { UsbDevice } from "../usb/shape.ts";
import { EventQueue } from "./event_queue.ts";
import type { ServedExport, ServeEvent, ServeOptions } from "./events.ts";
import { ServeHistory } from "./history.ts";
import { planServing, serveExports } from "./host.ts";
import { sleep } from "./link.ts";
import type { SmooSource } from "./smoo_source.ts";
import type { SmooTransportOptions } from "./usb_transport.ts";
import { openSmooTransport } from "./usb_transport.ts";

/** First wait after a loss, doubled each time. */
const MIN_WAIT_MS = 500;
/** Longest wait. */
const MAX_WAIT_MS = 5000;
/** Events that may wait for being taken when another one on a single message comes. */
const MAX_ON_MESSAGES = 1000;
/** The same for those that come with time, but for beginnings and ends. */
const MAX_WITH_TIME = 10_000;

/** A phone decides how many of these there are. */
const ON_MESSAGES: ReadonlySet<ServeEvent["type"]> = new Set([
  "answered",
  "repeated",
  "superseded",
  "stray",
]);

/** What {@linkcode serveForever} can be told. */
export interface ServeForeverOptions
  extends
    Omit<ServeOptions, "onEvent" | "history">,
    Pick<SmooTransportOptions, "maxTransferBytes" | "timeoutMs"> {
  /** Also tells of each request that went well; false when absent. */
  readonly everyRequest?: boolean | undefined;
}

/** Something happened while serving. */
export type ServeForeverEvent =
  /** No gadget is there: a phone boots for some seconds before it is one. */
  | { readonly type: "searching" }
  /** A gadget is there; a session begins. */
  | { readonly type: "connecting"; readonly device: DeviceName }
  /** The device refused something that can be done without. */
  | {
    readonly type: "refused";
    readonly what: string;
    readonly cause: unknown;
  }
  /** The session is over; the next attempt is made after `waitMs`, or when a device appears. */
  | {
    readonly type: "ended";
    /** The gadget is another process now; or the link, or the looking for it, failed. */
    readonly reason: "session-changed" | "lost";
    /** Why, when it failed. */
    readonly cause?: unknown;
    readonly waitMs: number;
  }
  | ServeEvent;

/** How a device calls itself. */
export interface DeviceName {
  /** idVendor. */
  readonly vendorId: number;
  /** idProduct. */
  readonly productId: number;
  /** The text of iSerialNumber. */
  readonly serialNumber: string | undefined;
}

/**
 * Serves `exports` to whatever gadget `source` finds, one after the other, until it is told to stop.
 *
 * After a loss it looks again after 0.5 s, doubling to 5 s, at once when a device appears, and from
 * 0.5 s again after a session in which something was served. Nothing is lost to the phone: it keeps
 * what it asked for and asks again, also when this program was started anew, since the ids of the
 * exports are derived from their content.
 *
 * Leave the loop to stop, or abort `options.signal`: reads under way are told, and the device is
 * closed. It never ends by itself. Events that nobody takes are kept, but not without end: behind a
 * thousand none on single messages, behind ten thousand none but of beginnings and ends.
 *
 * @throws {RangeError | TypeError} as {@linkcode serveExports} does, before anything is looked for.
 * Everything else is an event.
 *
 * @example
 * ```ts
 * import type { BlockReader } from "../block/reader.ts";
 * import type { Usb } from "../usb/shape.ts";
 * import { serveForever } from "./serve_forever.ts";
 * import { smooSource } from "./smoo_source.ts";
 *
 * async function serve(usb: Usb, reader: BlockReader, signal: AbortSignal) {
 *   const exports = [{ reader, blockSize: 4096 }];
 *   for await (const event of serveForever(smooSource(usb), exports, { signal })) {
 *     if (event.type === "device-log") console.log(event.text);
 *     if (event.type === "ended") console.log(event.cause);
 *   }
 * }
 * console.assert(serve.length === 3);
 * ```
 */
export async function* serveForever(
  source: SmooSource,
  exports: readonly ServedExport[],
  options: ServeForeverOptions = {},
): AsyncGenerator<ServeForeverEvent, never, void> {
  planServing(exports, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const queue = new EventQueue<ServeForeverEvent>();
  const stop = new AbortController();
  const forget = signal && onAbort(signal, () => stop.abort(signal.reason));
  const loop = new Loop(source, exports, options, queue, stop.signal);
  const done = loop.run().catch((error) => queue.fail(error));
  try {
    for (;;) yield await queue.take();
  } finally {
    forget?.();
    stop.abort(new Error("Serving was stopped"));
    await done;
  }
}

class Loop {
  readonly #source: SmooSource;
  readonly #exports: readonly ServedExport[];
  readonly #options: ServeForeverOptions;
  readonly #queue: EventQueue<ServeForeverEvent>;
  readonly #signal: AbortSignal;
  readonly #history = new ServeHistory();
  #appeared = false;
  #wake: (() => void) | undefined;

  constructor(
    source: SmooSource,
    exports: readonly ServedExport[],
    options: ServeForeverOptions,
    queue: EventQueue<ServeForeverEvent>,
    signal: AbortSignal,
  ) {
    this.#source = source;
    this.#exports = exports;
    this.#options = options;
    this.#queue = queue;
    this.#signal = signal;
  }

  async run(): Promise<never> {
    const unwatch = this.#source.watch?.(() => {
      this.#appeared = true;
      this.#wake?.();
    });
    try {
      return await this.#serve();
    } finally {
      unwatch?.();
    }
  }

  async #serve(): Promise<never> {
    let waitMs = MIN_WAIT_MS;
    let searching = false;
    for (;;) {
      this.#signal.throwIfAborted();
      this.#appeared = false;
      const served = this.#history.statistics.answered;
      try {
        const signal = this.#signal;
        const looking = this.#source.find({ signal });
        const device = await abortable(looking, signal);
        if (device === undefined) {
          if (!searching) this.#queue.push({ type: "searching" });
          searching = true;
          // A phone that is not there costs nothing to look for.
          await this.#wait(MIN_WAIT_MS);
          continue;
        }
        searching = false;
        await this.#session(device);
        waitMs = MIN_WAIT_MS;
        this.#queue.push({
          type: "ended",
          reason: "session-changed",
          waitMs: 0,
        });
      } catch (cause) {
        this.#signal.throwIfAborted();
        if (this.#history.statistics.answered > served) waitMs = MIN_WAIT_MS;
        this.#queue.push({ type: "ended", reason: "lost", cause, waitMs });
        await this.#wait(waitMs);
        waitMs = Math.min(2 * waitMs, MAX_WAIT_MS);
      }
    }
  }

  async #session(device: UsbDevice): Promise<void> {
    const { vendorId, productId, serialNumber } = device;
    this.#queue.push({
      type: "connecting",
      device: { vendorId, productId, serialNumber: serialNumber ?? undefined },
    });
    const transport = await openSmooTransport(device, {
      signal: this.#signal,
      timeoutMs: this.#options.timeoutMs,
      maxTransferBytes: this.#options.maxTransferBytes,
      onRefused: (what, cause) =>
        this.#queue.push({ type: "refused", what, cause }),
    });
    try {
      await serveExports(transport, this.#exports, {
        ...this.#options,
        signal: this.#signal,
        history: this.#history,
        onEvent: (event) => this.#tell(event),
      });
    } finally {
      await transport.close();
    }
  }

  #tell(event: ServeEvent): void {
    const { type } = event;
    const wanted = type !== "answered" || event.status !== 0 ||
      this.#options.everyRequest;
    const most = ON_MESSAGES.has(type) ? MAX_ON_MESSAGES : MAX_WITH_TIME;
    const fits = type === "started" || this.#queue.length < most;
    if (wanted && fits) this.#queue.push(event);
  }

  /** Waits; not at all when a device has appeared since we looked. */
  async #wait(ms: number): Promise<void> {
    if (this.#appeared) return;
    const early = new AbortController();
    const forget = onAbort(this.#signal, () => early.abort());
    this.#wake = () => early.abort();
    try {
      await (this.#options.sleep ?? sleep)(ms, early.signal);
    } catch {
      this.#signal.throwIfAborted();
    } finally {
      forget();
      this.#wake = undefined;
    }
  }
}
