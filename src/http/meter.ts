import type { Clock } from "./clock.ts";

/** What went over the network for one reader. */
export interface HttpStatistics {
  /** Requests sent, those of redirects and second attempts included. */
  readonly requests: number;
  /** Requests that asked again for what an earlier one did not bring. */
  readonly retries: number;
  /** Bytes that reads asked for. */
  readonly bytesAsked: number;
  /** Bytes of bodies that came. */
  readonly bytesReceived: number;
  /** Requests under way now. */
  readonly openRequests: number;
  /** Bytes of bodies a second, over the last {@linkcode RATE_MS}. */
  readonly bytesPerSecond: number;
}

/** Time that the rate is of, in milliseconds. */
export const RATE_MS = 4000;
const SLOTS = 16;
const SLOT_MS = RATE_MS / SLOTS;

/** Counts. */
export class Meter {
  requests = 0;
  retries = 0;
  bytesAsked = 0;
  bytesReceived = 0;
  openRequests = 0;
  readonly #clock: Clock;
  readonly #started: number;
  /** Bytes of the last {@linkcode SLOTS} slots of time, a ring. */
  readonly #slots = new Float64Array(SLOTS);
  #slot: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#started = clock.now();
    this.#slot = Math.floor(this.#started / SLOT_MS);
  }

  received(bytes: number): void {
    this.bytesReceived += bytes;
    this.#turn();
    this.#slots[this.#slot % SLOTS]! += bytes;
  }

  get statistics(): HttpStatistics {
    this.#turn();
    const { requests, retries, bytesAsked, bytesReceived, openRequests } = this;
    const bytes = this.#slots.reduce((sum, slot) => sum + slot, 0);
    const age = this.#clock.now() - this.#started;
    const seconds = Math.min(RATE_MS, Math.max(SLOT_MS, age)) / 1000;
    return {
      requests,
      retries,
      bytesAsked,
      bytesReceived,
      openRequests,
      bytesPerSecond: bytes / seconds,
    };
  }

  /** Forgets the slots that time has passed by. */
  #turn(): void {
    const now = Math.floor(this.#clock.now() / SLOT_MS);
    const passed = Math.min(SLOTS, now - this.#slot);
    for (let i = 0; i < passed; i++) this.#slots[(now - i) % SLOTS] = 0;
    if (now > this.#slot) this.#slot = now;
  }
}
