/** Milliseconds that timers may be kept waiting. */
const MAX_WAIT_MS = 25;

/**
 * Sees to it that timers get a turn.
 *
 * Where reads are served from memory and a device answers at once, promises follow each other
 * without end and no timer ever runs: the heartbeat would stand still. As a rule there are turns
 * enough, and nothing is waited for.
 */
export class Turns {
  #last: number;
  #turn: Promise<void> | undefined;

  /** Begins at the time `now`. */
  constructor(now: number) {
    this.#last = now;
  }

  /** Nothing when timers ran lately, else what to wait for. */
  due(now: number): Promise<void> | undefined {
    if (now - this.#last < MAX_WAIT_MS) return undefined;
    if (this.#turn === undefined) {
      this.#last = now;
      this.#turn = new Promise((resolve) =>
        setTimeout(() => {
          this.#turn = undefined;
          resolve();
        })
      );
      return undefined;
    }
    // Asked for long ago, and it has not come by itself.
    return this.#turn;
  }
}
