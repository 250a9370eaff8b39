/**
 * Everything that is asked over the control endpoint while a session lasts: STATUS once a second,
 * which tells both sides that the other lives, and the log of the phone.
 *
 * @module
 */

import type { DeviceLog } from "./device_log.ts";
import { ServeError } from "./errors.ts";
import type { ServeEnd, ServeEvent } from "./events.ts";
import type { Link, Sleep } from "./link.ts";
import { isTimeout } from "./link.ts";
import type { Status } from "./messages.ts";

/** STATUS tries before the first answer, and heartbeats missed in a row, that end a session. */
const MAX_MISSES = 5;
/** Heartbeats in a row with another number of exports before they are configured again. */
const MAX_WRONG_COUNTS = 3;
/** Bytes of a LOG with its header that are asked for at once. */
const LOG_BYTES = 4096;
/** Bytes of the header alone. */
const LOG_HEADER_BYTES = 32;
/** Answers to LOG with news that are asked for between two heartbeats, at most. */
const MAX_LOGS = 16;

/** What a {@linkcode Heartbeat} works with. */
export interface HeartbeatParts {
  readonly link: Link;
  readonly config: Uint8Array<ArrayBuffer>;
  readonly exportCount: number;
  /** Nothing when the log is not wanted. */
  readonly log: DeviceLog | undefined;
  readonly heartbeatMs: number;
  readonly sleep: Sleep;
  readonly emit: (event: ServeEvent) => void;
  /** Ends the session. */
  readonly fail: (reason: unknown) => void;
  /** That of the session. */
  readonly signal: AbortSignal;
}

/** Asks the gadget how it is, for one session. */
export class Heartbeat {
  readonly #parts: HeartbeatParts;
  #misses = 0;
  #wrongCounts = 0;
  #hasLog: boolean;
  #askedLog = false;

  /** Makes one that has not begun. */
  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
    this.#hasLog = parts.log !== undefined;
  }

  /** The first answer, for which a gadget that is starting may need some tries. */
  async first(): Promise<Status> {
    const { link, signal } = this.#parts;
    for (let tries = 1;; tries++) {
      try {
        return await link.readStatus();
      } catch (error) {
        signal.throwIfAborted();
        if (tries === MAX_MISSES || isTimeout(error)) throw error;
      }
    }
  }

  /** Goes on until the gadget is another one; rejects when it is none any more. */
  async run({ sessionId }: Status): Promise<ServeEnd> {
    const { log, heartbeatMs, sleep, signal } = this.#parts;
    log?.begin(sessionId);
    for (;;) {
      // While there is news, the log is read four times as often.
      let quarters = 4;
      while (await this.#readLog() && quarters > 1) {
        await sleep(heartbeatMs / 4, signal);
        quarters--;
      }
      await sleep(heartbeatMs * quarters / 4, signal);
      const status = await this.#beat();
      if (status === undefined) continue;
      if (status.sessionId !== sessionId) {
        const after = status.sessionId;
        return { reason: "session-changed", before: sessionId, after };
      }
      await this.#repair(status);
    }
  }

  /**
   * One STATUS. It is not asked again while it has no answer: a control transfer cannot be
   * cancelled everywhere, and where it can, its answer may come to the one after it.
   */
  async #beat(): Promise<Status | undefined> {
    const { link, emit, signal } = this.#parts;
    const answered = new AbortController();
    this.#countWaiting(answered.signal).catch(this.#parts.fail);
    try {
      const status = await link.readStatus();
      this.#misses = 0;
      emit({ type: "status", status });
      return status;
    } catch (cause) {
      signal.throwIfAborted();
      this.#miss(cause);
      if (isTimeout(cause)) throw cause;
      return undefined;
    } finally {
      answered.abort();
    }
  }

  async #countWaiting(answered: AbortSignal): Promise<void> {
    const { heartbeatMs, sleep } = this.#parts;
    for (let beats = 1;; beats++) {
      try {
        await sleep(heartbeatMs, answered);
      } catch {
        return;
      }
      if (answered.aborted) return;
      this.#miss(new Error(`No answer in ${beats * heartbeatMs} ms`));
    }
  }

  #miss(cause: unknown): void {
    const misses = ++this.#misses;
    this.#parts.emit({ type: "missed", misses, cause });
    if (misses < MAX_MISSES) return;
    throw new ServeError(
      "smoo.lost",
      `Cannot serve the gadget any longer: it missed ${misses} heartbeats in a row; it may have crashed or been unplugged`,
      { facts: { pipe: "STATUS", misses }, cause },
    );
  }

  // A gadget drops a list without a word when its queue is full. The same list twice does no harm:
  // what is configured already goes on.
  async #repair(status: Status): Promise<void> {
    const { link, config, exportCount, emit } = this.#parts;
    const wrong = status.exportCount !== exportCount;
    this.#wrongCounts = wrong ? this.#wrongCounts + 1 : 0;
    if (this.#wrongCounts < MAX_WRONG_COUNTS) return;
    this.#wrongCounts = 0;
    await link.configure(config);
    emit({ type: "configured-again", status });
  }

  /** Reads what there is of the log, or much of it; tells whether there was something. */
  async #readLog(): Promise<boolean> {
    const { link, log, emit, signal } = this.#parts;
    if (log === undefined || log.silent || !this.#hasLog) return false;
    let news = false;
    try {
      for (let count = 0; count < MAX_LOGS; count++) {
        // Its header alone tells where the log begins, and whether there is one.
        const size = this.#askedLog ? LOG_BYTES : LOG_HEADER_BYTES;
        const reply = await link.readLog(log.wanted, size);
        this.#askedLog = true;
        const { events, more } = log.take(reply);
        for (const event of events) emit(event);
        news ||= events.length > 0;
        if (!more) break;
      }
    } catch (cause) {
      signal.throwIfAborted();
      this.#hasLog = false;
      emit({ type: "device-log-unavailable", cause });
      if (isTimeout(cause)) {
        log.silent = true;
        throw cause;
      }
    }
    return news;
  }
}
