/**
 * How fast bytes go.
 *
 * @module
 */

/** Time over which the rate is measured, and a little more. */
const WINDOW_MS = 1000;

/** The rate of the last second or so. */
export class RateMeter {
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];

  /**
   * Takes how far it is.
   *
   * @param bytes So far; never fewer than before.
   * @param at Milliseconds since some moment.
   * @returns Bytes per second; 0 until time has passed.
   */
  measure(bytes: number, at: number): number {
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && this.#samples[1]!.at <= at - WINDOW_MS) {
      this.#samples.shift();
    }
    const [first] = this.#samples;
    const ms = at - first!.at;
    return ms <= 0 ? 0 : Math.round((bytes - first!.bytes) * 1000 / ms);
  }
}
