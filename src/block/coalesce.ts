import { onAbort } from "./abortable.ts";
import { clampRead } from "./range.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";
import { fillExactly } from "./read_exactly.ts";

/**
 * Does equal and overlapping reads that are under way at the same time once.
 *
 * A read waits for the parts that others are fetching and fetches only the rest. Whoever leaves
 * rejects at once with `signal.reason` and hurts nobody: a fetch is stopped when the last one who
 * waits for it has left. A fetch that failed fails those who waited for it and is forgotten.
 *
 * Keeps nothing once it is delivered. Memory: the bytes under way; a read without a signal that
 * overlaps no other goes into the caller's buffer directly.
 *
 * @example
 * ```ts
 * import { withCoalescing } from "./coalesce.ts";
 * import { openMemory } from "./memory.ts";
 * import { withRecord } from "./record.ts";
 *
 * const below = withRecord(openMemory(new Uint8Array(4096)));
 * const reader = withCoalescing(below);
 * const read = () => reader.read(0, new Uint8Array(512));
 * await Promise.all([read(), read(), read()]);
 * console.assert(below.report.requests === 1);
 * ```
 */
export function withCoalescing(reader: BlockReader): BlockReader {
  const flights = new Flights(reader);
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: reader.identity,
    async read(
      offset: number,
      into: Uint8Array,
      { signal }: ReadOptions = {},
    ): Promise<number> {
      const count = clampRead(reader.size, offset, into.length);
      signal?.throwIfAborted();
      if (count === 0) return 0;
      await new Promise<void>((resolve, reject) => {
        const wanted = into.subarray(0, count);
        new Passenger(offset, wanted, signal, resolve, reject).board(flights);
      });
      return count;
    },
  };
}

/** One fetch: the bytes from `start` up to `end`, and who waits for them. */
interface Flight {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  readonly passengers: Set<Passenger>;
  /** Stops it; absent when the one it was made for cannot leave. */
  readonly controller: AbortController | undefined;
}

/** One read of a caller: lands when all the flights it took have. */
class Passenger {
  readonly offset: number;
  readonly into: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #flights = new Set<Flight>();
  #forget: () => void = () => {};

  constructor(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.offset = offset;
    this.into = into;
    this.signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  board(flights: Flights): void {
    const { signal } = this;
    if (signal !== undefined) {
      this.#forget = onAbort(signal, () => this.fail(signal.reason, flights));
    }
    const taken = flights.cover(this);
    for (const flight of taken) {
      flight.passengers.add(this);
      this.#flights.add(flight);
    }
    flights.start(taken);
  }

  land(flight: Flight): void {
    const from = Math.max(flight.start, this.offset);
    const to = Math.min(flight.end, this.offset + this.into.length);
    const bytes = flight.bytes.subarray(from - flight.start, to - flight.start);
    const part = this.into.subarray(from - this.offset, to - this.offset);
    // One's own buffer was filled by the reader below.
    const own = bytes.buffer === part.buffer &&
      bytes.byteOffset === part.byteOffset;
    if (!own) part.set(bytes);
    this.#flights.delete(flight);
    if (this.#flights.size > 0) return;
    this.#forget();
    this.#resolve();
  }

  fail(reason: unknown, flights: Flights): void {
    this.#forget();
    for (const flight of this.#flights) {
      flight.passengers.delete(this);
      if (flight.passengers.size === 0) flights.cancel(flight, reason);
    }
    this.#flights.clear();
    this.#reject(reason);
  }
}

/** The fetches under way, ordered by place; no two of them overlap. */
class Flights {
  readonly #reader: BlockReader;
  readonly #list: Flight[] = [];
  readonly #started = new Set<Flight>();

  constructor(reader: BlockReader) {
    this.#reader = reader;
  }

  /** The flights that bring all of what `passenger` wants; new ones where there are none. */
  cover(passenger: Passenger): Flight[] {
    const { offset, into } = passenger;
    const end = offset + into.length;
    const taken: Flight[] = [];
    let i = this.#firstAfter(offset);
    for (let at = offset; at < end;) {
      let flight = this.#list[i];
      if (flight === undefined || flight.start > at) {
        const stop = Math.min(end, flight?.start ?? end);
        flight = this.#make(passenger, at, stop);
        this.#list.splice(i, 0, flight);
      }
      taken.push(flight);
      at = flight.end;
      i++;
    }
    return taken;
  }

  start(flights: readonly Flight[]): void {
    for (const flight of flights) {
      if (this.#started.has(flight)) continue;
      this.#started.add(flight);
      this.#fly(flight);
    }
  }

  cancel(flight: Flight, reason: unknown): void {
    this.#remove(flight);
    flight.controller?.abort(reason);
  }

  #make(passenger: Passenger, start: number, end: number): Flight {
    // Who has no signal and takes one flight stays until it lands, so his buffer is ours until
    // then. Others may leave with their buffer while the reader below still writes.
    const { into, signal } = passenger;
    const stays = signal === undefined && end - start === into.length;
    return {
      start,
      end,
      bytes: stays ? into : new Uint8Array(end - start),
      passengers: new Set(),
      controller: stays ? undefined : new AbortController(),
    };
  }

  async #fly(flight: Flight): Promise<void> {
    const { start, bytes, controller, passengers } = flight;
    try {
      const signal = controller?.signal;
      await fillExactly(this.#reader, start, bytes, { signal });
    } catch (error) {
      this.#remove(flight);
      for (const passenger of [...passengers]) passenger.fail(error, this);
      return;
    }
    this.#remove(flight);
    for (const passenger of [...passengers]) passenger.land(flight);
  }

  #remove(flight: Flight): void {
    if (!this.#started.delete(flight)) return;
    this.#list.splice(this.#list.indexOf(flight), 1);
  }

  /** Index of the first flight that ends after `offset`. */
  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#list[middle]!.end > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
