/**
 * Time, handed in, so that tests need none.
 *
 * @module
 */

import { onAbort } from "../block/abortable.ts";

/** What tells the time and calls back. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Calls `call` after `ms` milliseconds; the result takes that back. */
  after(ms: number, call: () => void): () => void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** Waits `ms` milliseconds, or rejects with `signal.reason`. */
export function sleep(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let forget = () => {};
    const stop = clock.after(ms, () => {
      forget();
      resolve();
    });
    if (signal === undefined) return;
    forget = onAbort(signal, () => {
      stop();
      reject(signal.reason);
    });
  });
}
