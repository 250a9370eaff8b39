/**
 * The part of a phone's way that its gadget sees: it comes back, and is served.
 *
 * @module
 */

import { given } from "../given.ts";
import { onAbort } from "../../block/abortable.ts";
import {
  serveForever,
  type ServeForeverEvent,
} from "../../serve/serve_forever.ts";
import type { SmooSource } from "../../serve/smoo_source.ts";
import type { BusWatch } from "./bus_watch.ts";
import { phoneText, type RunContext } from "./context.ts";
import { errorData } from "./error_data.ts";
import { BootError } from "./errors.ts";
import type { FinishedReason, PhoneData } from "./events.ts";
import {
  type ExpectedGadget,
  type ExpectedGadgets,
  gadgetSource,
} from "./gadget_source.ts";

/** From the end of the bootloader to the gadget: slow phones and emulators need it. */
const GADGET_MS = 180_000;
/** What stage0 says last. */
const HANDED_OVER = /\bhanding over to /;

/** Why serving a phone ended that did not fail. */
type End = Exclude<FinishedReason, "stopped">;

/**
 * Serves the image to a phone that was told to boot, from its coming back until it is gone.
 *
 * @throws {BootError} `boot.no-gadget`, `boot.back-in-bootloader`
 */
export async function servePhone(
  phone: string,
  gadget: ExpectedGadget,
  gadgets: ExpectedGadgets,
  context: RunContext,
  bus: BusWatch,
): Promise<End> {
  return await new Serving(phone, gadget, gadgets, context, bus).run();
}

class Serving {
  readonly #phone: string;
  readonly #gadget: ExpectedGadget;
  readonly #context: RunContext;
  readonly #source: SmooSource;
  /** Ends the serving of this phone. */
  readonly #stop = new AbortController();
  readonly #strangers = new Set<string>();
  readonly #warned = new Set<string>();
  #device: PhoneData;
  #connected = false;
  #lost: { readonly at: number; readonly timer: AbortController } | undefined;
  #problem: unknown;
  #end: End | undefined;

  constructor(
    phone: string,
    gadget: ExpectedGadget,
    gadgets: ExpectedGadgets,
    context: RunContext,
    bus: BusWatch,
  ) {
    this.#phone = phone;
    this.#gadget = gadget;
    this.#device = gadget.device;
    this.#context = context;
    this.#source = gadgetSource(context, bus, gadgets, gadget, {
      onBootloader: () => this.#inBootloader(),
      onStranger: (text) => this.#strangers.add(text),
    }, this.#stop.signal);
  }

  async run(): Promise<End> {
    const { signal, options, emit, sleep, now } = this.#context;
    const { gadgetMs = GADGET_MS } = options;
    const timeoutMs = Number.isFinite(gadgetMs) ? gadgetMs : undefined;
    const stop = this.#stop;
    const forget = onAbort(signal, () => stop.abort(signal.reason));
    emit({
      type: this.#gadget.running ? "resuming" : "waiting-for-gadget",
      phone: this.#phone,
      device: this.#gadget.device,
      timeoutMs,
    });
    const patience = this.#after(timeoutMs, () => {
      stop.abort(this.#noGadget(timeoutMs!));
    });
    try {
      signal.throwIfAborted();
      const events = serveForever(this.#source, options.image.exports, {
        signal: stop.signal,
        sleep,
        now,
      });
      for await (const event of events) {
        if (event.type === "started") patience.abort();
        this.#tell(event);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (this.#end !== undefined) return this.#end;
      throw error;
    } finally {
      forget();
      patience.abort();
      this.#lost?.timer.abort();
      stop.abort(new Error("Serving the phone is over"));
    }
    throw new Error("Serving ended by itself");
  }

  #tell(event: ServeForeverEvent): void {
    const { emit } = this.#context;
    const phone = this.#phone;
    switch (event.type) {
      case "connecting":
        this.#device = { ...event.device, port: this.#device.port };
        return;
      case "started":
        return this.#started(event.status.sessionId);
      case "ended":
        return this.#ended(
          event.reason === "lost" ? event.cause : new Error(
            "The gadget on the phone was started anew",
          ),
        );
      case "statistics":
        return emit({
          type: "serving",
          phone,
          statistics: event.report,
          ...given("fetched", this.#context.options.image.fetched?.()),
        });
      case "answered":
        if (event.status === 0 || event.cause === undefined) return;
        return emit({
          type: "request-failed",
          phone,
          operation: event.request.opcode,
          errno: event.status,
          error: errorData(event.cause),
        });
      case "device-log": {
        const { level, seconds, text } = event;
        emit({ type: "device-log", phone, level, seconds, text });
        if (HANDED_OVER.test(text)) {
          emit({ type: "handed-over", phone, line: text });
        }
        return;
      }
      case "device-log-lost":
        return emit({ type: "device-log-gap", phone, bytes: event.bytes });
      case "device-log-unavailable":
        return emit({ type: "device-log-gap", phone, bytes: undefined });
    }
  }

  #started(sessionId: bigint): void {
    const { emit, now } = this.#context;
    const session = sessionId.toString(16).padStart(16, "0");
    const about = { phone: this.#phone, device: this.#device, session };
    const lost = this.#lost;
    if (!this.#connected) emit({ type: "connected", ...about });
    else if (lost !== undefined) {
      lost.timer.abort();
      this.#lost = undefined;
      emit({ type: "link-back", ...about, lostMs: now() - lost.at });
    }
    this.#connected = true;
  }

  #ended(cause: unknown): void {
    const { emit, now, options } = this.#context;
    const phone = this.#phone;
    const error = errorData(cause);
    if (!this.#connected) {
      // it is tried again; who waits should know why
      this.#problem = cause;
      if (this.#warned.has(error.code)) return;
      this.#warned.add(error.code);
      const { code, message } = error;
      return emit({ type: "warning", phone, code, message });
    }
    if (this.#lost !== undefined) return;
    const timer = this.#after(options.goneMs, () => this.#finish("gone"));
    this.#lost = { at: now(), timer };
    emit({ type: "link-lost", phone, error });
  }

  #inBootloader(): void {
    if (this.#connected) return this.#finish("restarted");
    this.#stop.abort(
      new BootError(
        "boot.back-in-bootloader",
        `Cannot boot ${
          phoneText(this.#gadget.device)
        }: it is in its bootloader again, expected it to start the boot image; the kernel may have crashed early, or the bootloader refused the image after taking it, see docs/PORTING.md`,
        { facts: { phone: this.#phone }, cause: this.#problem },
      ),
    );
  }

  #finish(end: End): void {
    this.#end = end;
    this.#stop.abort(new Error(`The phone is ${end}`));
  }

  #noGadget(timeoutMs: number): BootError {
    const seen = [...this.#strangers].join(", ");
    const problem = this.#problem === undefined
      ? ""
      : `, and ${errorData(this.#problem).message}`;
    return new BootError(
      "boot.no-gadget",
      `Cannot serve ${
        phoneText(this.#gadget.device)
      }: it did not come back in ${timeoutMs} ms, found ${
        seen === "" ? "no gadget" : `other gadgets: ${seen}`
      }${problem}; its screen may tell why, or its kernel lacks what USB needs, see docs/PORTING.md`,
      {
        facts: { timeoutMs, seen },
        ...this.#problem === undefined ? {} : { cause: this.#problem },
      },
    );
  }

  /** Does something later, unless it is aborted; never without `ms`. */
  #after(ms: number | undefined, work: () => void): AbortController {
    const timer = new AbortController();
    if (ms !== undefined && Number.isFinite(ms)) {
      this.#context.sleep(ms, timer.signal).then(() => {
        if (!timer.signal.aborted) work();
      }, () => {});
    }
    return timer;
  }
}
