import { type Clock, sleep } from "./clock.ts";
import { HttpFailure } from "./failure.ts";
import type { Gate } from "./gate.ts";
import type { HttpLink } from "./link.ts";
import type { Meter } from "./meter.ts";
import type { HttpEvent } from "./options.ts";

/** Attempts after the first at a link that nobody has answered yet: most likely it is wrong. */
const RETRIES_UNANSWERED = 2;

/** An attempt that brought so many bytes was not in vain: those that failed before no longer count. */
const PROGRESS_BYTES = 4096;

/** How often, and how soon. */
export interface RetrierOptions {
  readonly link: HttpLink;
  readonly gate: Gate;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly random: () => number;
  readonly tell: (event: HttpEvent) => void;
  readonly retries: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly maxRetryAfterMs: number;
}

/** Work that goes on where the attempt before it ended. */
export interface Resumable {
  /** What is done, for messages: `read 512 bytes at byte 0 of "…"`. */
  readonly what: () => string;
  /** Tries; throws {@linkcode HttpFailure}. Holds a place of the gate for as long as it runs. */
  readonly attempt: () => Promise<void>;
  /** Bytes so far. */
  readonly done: () => number;
  readonly signal: AbortSignal | undefined;
  /** Failures of work that is done in several runs. */
  readonly tally?: Tally;
}

/** Failures since there was progress, and how far the work was at the last one. */
export interface Tally {
  failed: number;
  at: number;
}

/** Tries again what may succeed, later each time. */
export class Retrier {
  readonly #options: RetrierOptions;

  constructor(options: RetrierOptions) {
    this.#options = options;
  }

  /**
   * Runs the attempts of `work` until one succeeds, or another would not help.
   *
   * @throws {ReadError} of the last attempt
   */
  async run(work: Resumable): Promise<void> {
    const { what, attempt, done, signal } = work;
    const { link, gate, meter, clock, tell } = this.#options;
    const tally = work.tally ?? { failed: 0, at: done() };
    for (let first = true;; first = false) {
      // Who was in already is let in before those who were not.
      const leave = await gate.enter(signal, !first);
      let failure: HttpFailure;
      try {
        if (!first) meter.retries++;
        return await attempt();
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        failure = error;
        // before anybody else is let in
        const { waitMs = 0 } = failure.options;
        if (waitMs <= this.#options.maxRetryAfterMs) gate.closeFor(waitMs);
      } finally {
        leave();
      }
      if (done() - tally.at >= PROGRESS_BYTES) tally.failed = 0;
      tally.at = done();
      const failed = ++tally.failed;
      const { again = false, waitMs = 0 } = failure.options;
      const { retries, maxRetryAfterMs } = this.#options;
      const limit = link.answered
        ? retries
        : Math.min(retries, RETRIES_UNANSWERED);
      if (!again || failed > limit || waitMs > maxRetryAfterMs) {
        throw failure.toError(what(), failed);
      }
      const delayMs = Math.max(waitMs, this.#delay(failed));
      const { code, found } = failure;
      tell({ type: "retry", code, found, attempt: failed, delayMs });
      await sleep(clock, delayMs, signal);
    }
  }

  /** Doubled each time, the upper half of it by chance: those who failed together come apart. */
  #delay(failed: number): number {
    const { minDelayMs, maxDelayMs, random } = this.#options;
    const most = Math.min(maxDelayMs, minDelayMs * 2 ** (failed - 1));
    return Math.round(most / 2 * (1 + random()));
  }
}
