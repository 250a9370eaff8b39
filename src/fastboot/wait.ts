/**
 * How long one waits for a bootloader.
 *
 * @module
 */

import { onAbort } from "../block/abortable.ts";

/** A wait that its caller may leave, and that ends when nothing was heard for too long. */
export class Wait {
  /** Rejects with the reason why the wait is over, if it ends early. */
  readonly over: Promise<never>;
  /** Aborted when the wait is over early. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #silenceMs: number;
  readonly #onSilence: () => unknown;
  readonly #forget: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Begins to wait.
   *
   * @param onSilence Gives the reason when nothing was heard for `silenceMs`.
   */
  constructor(
    signal: AbortSignal | undefined,
    silenceMs: number,
    onSilence: () => unknown,
  ) {
    this.#silenceMs = silenceMs;
    this.#onSilence = onSilence;
    this.signal = this.#controller.signal;
    this.over = new Promise((_, reject) => {
      onAbort(this.signal, () => reject(this.signal.reason));
    });
    this.over.catch(() => {});
    this.#forget = signal && onAbort(signal, () => this.leave(signal.reason));
    if (signal?.aborted) this.leave(signal.reason);
    this.heard();
  }

  /** A sign of life. */
  heard(): void {
    clearTimeout(this.#timer);
    if (this.signal.aborted) return;
    this.#timer = setTimeout(
      () => this.leave(this.#onSilence()),
      this.#silenceMs,
    );
  }

  /** Ends the wait early. */
  leave(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#controller.abort(reason);
  }

  /** The wait is over, as it should be. */
  end(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
  }
}
