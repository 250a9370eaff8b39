/**
 * How much a store may still write: shared by all of its entries that are open.
 *
 * @module
 */

import type { ReadError } from "../errors.ts";

/** How long a lack of room is believed. */
const FULL_MS = 1000;

/** The place that a store writes to. */
export interface StorePlace {
  /** Most bytes that all entries take together. */
  limit(): Promise<number>;
  /** Removes what nobody uses until all take at most `maxBytes`; gives the bytes that are left. */
  prune(maxBytes: number): Promise<number>;
  /** What is told when there is no room for `bytes`: `left` are taken, of `limit`. */
  noRoom(bytes: number, left: number, limit: number): ReadError;
}

/** Gives room away, and makes some when there is none. */
export class StoreRoom {
  readonly #place: StorePlace;
  readonly #grantBytes: number;
  readonly #warn: (error: ReadError) => void;
  readonly #warned = new Set<string>();
  #granted = 0;
  #fullUntil = -Infinity;
  #looking: Promise<void> | undefined;
  #writing = 0;
  #idle: () => void = () => {};

  /** @param grantBytes Given away before the place is looked at again. */
  constructor(
    place: StorePlace,
    grantBytes: number,
    onWarning: ((error: ReadError) => void) | undefined,
  ) {
    this.#place = place;
    this.#grantBytes = grantBytes;
    this.#warn = onWarning ?? (() => {});
  }

  /** Writes `bytes` bytes by `write`; `false`, and does nothing, when there is no room. */
  async withRoom(
    bytes: number,
    write: () => Promise<void>,
  ): Promise<boolean> {
    // those who looked together may want more than one look gives
    while (this.#granted < bytes) {
      if (performance.now() < this.#fullUntil) return false;
      await (this.#looking ??= this.#look(bytes).finally(() =>
        this.#looking = undefined
      ));
    }
    this.#granted -= bytes;
    this.#writing++;
    try {
      await write();
    } finally {
      if (--this.#writing === 0) this.#idle();
    }
    return true;
  }

  /** The place took less than it may: `true` when something could be removed. */
  async makeSpace(bytes: number): Promise<boolean> {
    const before = await this.#place.prune(Infinity);
    const wanted = Math.max(bytes, this.#grantBytes);
    return await this.#place.prune(Math.max(0, before - wanted)) < before;
  }

  /** Tells why nothing more is kept, once for each code. */
  tell(error: ReadError): void {
    if (this.#warned.has(error.code)) return;
    this.#warned.add(error.code);
    this.#warn(error);
  }

  /** Sees how much room there is, and makes some. */
  async #look(bytes: number): Promise<void> {
    if (this.#writing > 0) {
      // what was granted and is not written yet could not be seen
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    const limit = await this.#place.limit();
    const wanted = Math.max(bytes, Math.min(this.#grantBytes, limit / 16));
    const left = await this.#place.prune(Math.max(0, limit - wanted));
    this.#granted = Math.min(limit - left, Math.max(bytes, this.#grantBytes));
    if (this.#granted >= bytes) return;
    this.#fullUntil = performance.now() + FULL_MS;
    this.tell(this.#place.noRoom(bytes, left, limit));
  }
}
