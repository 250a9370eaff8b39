/**
 * The transfers of a session: each checked, and each failure one with a code.
 *
 * @module
 */

import { abortable, onAbort } from "../block/abortable.ts";
import { ServeError } from "./errors.ts";
import type { Ident, Status } from "./messages.ts";
import {
  decodeIdent,
  decodeStatus,
  IdentLayout,
  MessageLayout,
  StatusLayout,
} from "./messages.ts";
import type { SmooTransport } from "./transport.ts";
import type { LogReply } from "./device_log.ts";
import { decodeLog } from "./device_log.ts";
import { CONFIG_EXPORTS, IDENT, LOG, STATUS } from "./transport.ts";

/** Bytes of a payload that are taken at once: whole packets at any speed. */
const PIECE_BYTES = 1 << 20;

/** Waits; rejects when the signal is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

interface TransferOptions {
  readonly signal: AbortSignal;
}

/**
 * A transport for as long as a session lasts.
 *
 * Once `signal` is aborted every method rejects with its reason, and nothing of the transport is
 * used any more; until then with {@linkcode ServeError}, or as the decoders do.
 */
export class Link {
  readonly #transport: SmooTransport;
  readonly #signal: AbortSignal;
  readonly #options: TransferOptions;
  readonly #controlMs: number;
  readonly #sleep: Sleep;

  /**
   * Makes the link. A control transfer may take five times `heartbeatMs`, so that as many heartbeats
   * are missed; any other for ever.
   */
  constructor(
    transport: SmooTransport,
    signal: AbortSignal,
    heartbeatMs: number,
    sleep: Sleep,
  ) {
    this.#transport = transport;
    this.#signal = signal;
    this.#options = { signal };
    this.#controlMs = 5 * heartbeatMs;
    this.#sleep = sleep;
  }

  /** Asks which version of the protocol the gadget speaks. */
  async readIdent(): Promise<Ident> {
    const bytes = await this.#control(
      "IDENT",
      (options) => this.#transport.controlIn(IDENT, IdentLayout.size, options),
    );
    return decodeIdent(bytes);
  }

  /** Asks how the gadget is. */
  async readStatus(): Promise<Status> {
    const bytes = await this.#control(
      "STATUS",
      (options) =>
        this.#transport.controlIn(STATUS, StatusLayout.size, options),
    );
    return decodeStatus(bytes);
  }

  /** Sends a whole CONFIG_EXPORTS. */
  async configure(config: Uint8Array<ArrayBuffer>): Promise<void> {
    const written = await this.#control(
      "CONFIG_EXPORTS",
      (options) => this.#transport.controlOut(CONFIG_EXPORTS, config, options),
    );
    checkTransfer("CONFIG_EXPORTS", written, config.length);
  }

  /** Asks for the log from the offset with these low 16 bits: `bytes` at most, with the header. */
  async readLog(wanted: number, bytes: number): Promise<LogReply> {
    const setup = { ...LOG, value: wanted };
    const reply = await this.#control(
      "LOG",
      (options) => this.#transport.controlIn(setup, bytes, options),
    );
    return decodeLog(reply);
  }

  /** Waits for a message, which need not be a Request. */
  receive(): Promise<Uint8Array> {
    return this.#transfer(
      "interrupt IN",
      (options) => this.#transport.interruptIn(MessageLayout.size, options),
    );
  }

  /** Sends a Response behind those before. */
  async respond(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const written = await this.#transfer(
      "interrupt OUT",
      (options) => this.#transport.interruptOut(bytes, options),
    );
    checkTransfer("interrupt OUT", written, bytes.length);
  }

  /** Sends the payload of a Read behind those before. */
  async sendPayload(payload: Uint8Array<ArrayBuffer>): Promise<void> {
    const written = await this.#transfer(
      "bulk OUT",
      (options) => this.#transport.bulkOut(payload, options),
    );
    checkTransfer("bulk OUT", written, payload.length);
  }

  /** Takes the payload of a Write into `into`. */
  async takePayload(into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const bytes = await this.#takePiece(into.length - at);
      into.set(bytes, at);
      at += bytes.length;
    }
  }

  /** Takes the payload of a Write, of `length` bytes, and drops it. */
  async dropPayload(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      left -= (await this.#takePiece(left)).length;
    }
  }

  async #takePiece(left: number): Promise<Uint8Array> {
    const size = Math.min(left, PIECE_BYTES);
    const bytes = await this.#transfer(
      "bulk IN",
      (options) => this.#transport.bulkIn(size, options),
    );
    checkTransfer("bulk IN", bytes.length, size);
    return bytes;
  }

  // No transfer is raced with the signal here, which would cost as much as all the rest of a small
  // request: the session leaves as a whole, and what is still waiting then ends below or never.
  async #transfer<T>(
    pipe: string,
    start: (options: TransferOptions) => Promise<T>,
    options: TransferOptions = this.#options,
  ): Promise<T> {
    this.#signal.throwIfAborted();
    let result: T;
    try {
      result = await start(options);
    } catch (cause) {
      this.#signal.throwIfAborted();
      throw new ServeError(
        "smoo.lost",
        `Cannot reach the gadget: transfer on ${pipe} failed; it may have been unplugged`,
        { facts: { pipe }, cause },
      );
    }
    this.#signal.throwIfAborted();
    return result;
  }

  async #control<T>(
    name: string,
    start: (options: TransferOptions) => Promise<T>,
  ): Promise<T> {
    this.#signal.throwIfAborted();
    const limit = new AbortController();
    const { signal } = limit;
    const forget = onAbort(
      this.#signal,
      () => limit.abort(this.#signal.reason),
    );
    this.#sleep(this.#controlMs, signal).then(
      () => limit.abort(new Timeout(this.#controlMs)),
      () => {},
    );
    try {
      return await this.#transfer(
        name,
        (options) => abortable(start(options), signal),
        { signal },
      );
    } finally {
      forget();
      limit.abort();
    }
  }
}

/** A control transfer took too long; its answer may still come. */
class Timeout extends Error {
  constructor(ms: number) {
    super(`No answer in ${ms} ms`);
  }
}

/**
 * Tells whether a control transfer failed for want of an answer. Then the connection has to be
 * closed and opened again: one that cannot be cancelled stands in the way of the next, and of one
 * that can the answer may stay behind in the device.
 */
export function isTimeout(error: unknown): boolean {
  return error instanceof ServeError && error.cause instanceof Timeout;
}

function checkTransfer(pipe: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new ServeError(
    "smoo.short-transfer",
    `Cannot go on serving: transfer on ${pipe} moved ${found} bytes, expected ${expected}`,
    { facts: { pipe, found, expected } },
  );
}

/** What `setTimeout` takes, 24.8 days: for what is above, it fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** {@linkcode Sleep} by `setTimeout`: no longer than that can. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, Math.min(ms, MAX_TIMEOUT_MS));
  });
}
