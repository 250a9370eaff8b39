/**
 * A source for tests whose reads can be held back and made to fail.
 *
 * @module
 */

import { ReadError } from "../../src/errors.ts";
import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import { clampRead } from "../../src/block/range.ts";
import { abortable } from "../../src/block/abortable.ts";

/** Thrown by every read that was made to fail. */
export function sourceFailure(offset: number): ReadError {
  return new ReadError(
    "read.failed",
    `Cannot read at byte ${offset} of "controlled": made to fail`,
    { facts: { offset } },
  );
}

let made = 0;

/** Bytes behind a gate: the gate is open until {@linkcode ControlledSource.hold}. */
export class ControlledSource implements BlockReader {
  readonly blockSize = 512;
  readonly size: number;
  readonly name = "controlled";
  readonly identity = `controlled:${++made}`;
  /** Reads that began. */
  requests = 0;
  /** Reads that began and have not ended. */
  pending = 0;
  /** Reads that ended because their signal said so. */
  aborted = 0;
  /** Reads to fail, counted down. */
  failures = 0;
  readonly #bytes: Uint8Array;
  #gate: Promise<void> | undefined;
  #open: () => void = () => {};

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  /** Holds every read that begins from now on. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => this.#open = resolve);
  }

  /** Lets the held reads go. */
  release(): void {
    this.#open();
    this.#gate = undefined;
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    signal?.throwIfAborted();
    this.requests++;
    this.pending++;
    try {
      await abortable(this.#gate ?? Promise.resolve(), signal);
      if (this.failures > 0) {
        this.failures--;
        // What a failed read leaves in `into` must not reach anybody.
        into.fill(0xee);
        throw sourceFailure(offset);
      }
      into.set(this.#bytes.subarray(offset, offset + count));
      return count;
    } catch (error) {
      if (signal?.aborted) this.aborted++;
      throw error;
    } finally {
      this.pending--;
    }
  }
}

/** Bytes that differ at every place, the same for the same seed. */
export function patternBytes(
  length: number,
  seed = 1,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** Lets everything run that needs no time of its own. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** What others wait for until the test lets them go on. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => open = resolve);
  return { open, opened };
}

/** Fails the test instead of letting it hang. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`still waiting after ${ms} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
