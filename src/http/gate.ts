import { onAbort } from "../block/abortable.ts";
import type { Clock } from "./clock.ts";

/** One who waits to be let in. */
interface Waiter {
  readonly enter: () => void;
}

/**
 * Lets a bounded number in at once, in the order of asking, and nobody while it is closed for a time:
 * a server that says when to come again means all requests.
 */
export class Gate {
  readonly #places: number;
  readonly #clock: Clock;
  readonly #waiters: Waiter[] = [];
  #inside = 0;
  #closedUntil = 0;
  /** For so long at most, whatever becomes of the clock. */
  #closedMs = 0;
  #opening: (() => void) | undefined;

  /** A gate of `places`, at least 1. */
  constructor(places: number, clock: Clock) {
    this.#places = places;
    this.#clock = clock;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /**
   * Waits to be let in.
   *
   * @param first Before those who wait: for who was in already and has to try again.
   * @returns To be called on leaving; twice is fine.
   */
  enter(signal: AbortSignal | undefined, first = false): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      let forget = () => {};
      const waiter: Waiter = {
        enter: () => {
          forget();
          let left = false;
          resolve(() => {
            if (left) return;
            left = true;
            this.#inside--;
            this.#admit();
          });
        },
      };
      if (signal !== undefined) {
        forget = onAbort(signal, () => {
          this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
          reject(signal.reason);
          // a timer that nobody waits for would hold up the end of the program
          this.#admit();
        });
      }
      if (first) this.#waiters.unshift(waiter);
      else this.#waiters.push(waiter);
      this.#admit();
    });
  }

  /** Lets nobody in for `ms` milliseconds from now, if not for longer already. */
  closeFor(ms: number): void {
    const until = this.#clock.now() + ms;
    if (until <= this.#closedUntil) return;
    this.#closedUntil = until;
    this.#closedMs = ms;
  }

  #admit(): void {
    while (this.#inside < this.#places) {
      if (this.#waiters.length === 0) {
        this.#opening?.();
        this.#opening = undefined;
        return;
      }
      const until = this.#closedUntil;
      const wait = Math.min(until - this.#clock.now(), this.#closedMs);
      if (wait > 0) {
        this.#opening ??= this.#clock.after(wait, () => {
          this.#opening = undefined;
          // a clock that was set back would close it again
          if (this.#closedUntil === until) this.#closedUntil = 0;
          this.#admit();
        });
        return;
      }
      this.#inside++;
      this.#waiters.shift()!.enter();
    }
  }
}
