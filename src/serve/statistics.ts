/**
 * What is served, in numbers.
 *
 * @module
 */

import type { Opcode } from "./messages.ts";

/** Parts of each power of two: percentiles are right to a sixteenth. */
const PARTS = 16;
/** Powers of two: from 1 µs to 2^26 µs, a minute. */
const POWERS = 27;

/** Hits and misses of a cache below an export, since it was made. */
export interface CacheCounts {
  /** Reads answered from memory. */
  readonly hits: number;
  /** Reads that had to go further. */
  readonly misses: number;
}

/** How long requests took from their arrival to the end of their last transfer, in milliseconds. */
export interface LatencyReport {
  /** Half of them took at most this. */
  readonly p50: number;
  /** 95 of 100. */
  readonly p95: number;
  /** 99 of 100. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/**
 * What was served so far; `latency` and `maxInFlight` are about the time since the report before.
 * Each request counts once, when it has been answered.
 */
export interface StatisticsReport {
  /** Requests answered, by what they asked for. */
  readonly requests: Readonly<Record<Opcode, number>>;
  /** How many of them with an error. */
  readonly failed: number;
  /** Bytes sent to the phone: payloads of reads. */
  readonly bytesRead: number;
  /** Bytes taken from the phone: payloads of writes that were stored. */
  readonly bytesWritten: number;
  /** Requests under way now. */
  readonly inFlight: number;
  /** Requests under way at once at most. */
  readonly maxInFlight: number;
  /** Nothing when no request ended. */
  readonly latency: LatencyReport | undefined;
  /** Of all exports that tell, together; nothing when none does. */
  readonly cache: CacheCounts | undefined;
}

/** Counts in a few integers and one table of 432: some ten nanoseconds for each request. */
export class Statistics {
  readonly #requests = { read: 0, write: 0, flush: 0, discard: 0 };
  readonly #latencies = new Latencies();
  #failed = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #inFlight = 0;
  #maxInFlight = 0;

  /** Requests under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests answered since it was made. */
  get answered(): number {
    const { read, write, flush, discard } = this.#requests;
    return read + write + flush + discard;
  }

  /** A request begins. */
  begin(): void {
    this.#inFlight++;
    if (this.#inFlight > this.#maxInFlight) this.#maxInFlight = this.#inFlight;
  }

  /** A request ends without an answer: another one has its id, or the session is over. */
  drop(): void {
    this.#inFlight--;
  }

  /** A request has been answered. `bytes` are those of its payload that was of use. */
  end(opcode: Opcode, status: number, bytes: number, ms: number): void {
    this.#inFlight--;
    this.#requests[opcode]++;
    if (status !== 0) this.#failed++;
    if (opcode === "read") this.#bytesRead += bytes;
    else this.#bytesWritten += bytes;
    this.#latencies.add(ms);
  }

  /** Gives the numbers, and begins the time for `latency` and `maxInFlight` anew. */
  report(cache?: CacheCounts): StatisticsReport {
    const report = {
      requests: { ...this.#requests },
      failed: this.#failed,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      inFlight: this.#inFlight,
      maxInFlight: this.#maxInFlight,
      latency: this.#latencies.report(),
      cache,
    };
    this.#maxInFlight = this.#inFlight;
    this.#latencies.clear();
    return report;
  }
}

/** A histogram whose steps grow with the value. */
class Latencies {
  readonly #counts = new Uint32Array(POWERS * PARTS);
  #count = 0;
  #max = 0;

  add(ms: number): void {
    const us = Math.min(Math.max(ms * 1000, 1), 2 ** POWERS - 1);
    // 31 - clz32 is the power of two below.
    const power = 31 - Math.clz32(us);
    const part = Math.floor((us / 2 ** power - 1) * PARTS);
    const at = power * PARTS + part;
    this.#counts[at] = this.#counts[at]! + 1;
    this.#count++;
    if (ms > this.#max) this.#max = ms;
  }

  report(): LatencyReport | undefined {
    if (this.#count === 0) return undefined;
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => this.#at(share));
    return { p50: p50!, p95: p95!, p99: p99!, max: this.#max };
  }

  /** The end of the step in which so large a share of all has come together. */
  #at(share: number): number {
    let left = Math.ceil(this.#count * share);
    let at = 0;
    for (; at < this.#counts.length - 1; at++) {
      left -= this.#counts[at]!;
      if (left <= 0) break;
    }
    const power = Math.floor(at / PARTS);
    const us = 2 ** power * (1 + (at % PARTS + 1) / PARTS);
    return Math.min(us / 1000, this.#max);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#max = 0;
  }
}
