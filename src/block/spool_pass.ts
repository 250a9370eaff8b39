/**
 * One run of work that makes content from its start to its end, as far as it is wanted.
 *
 * @module
 */

import { abortable } from "./abortable.ts";

/** Bytes that are collected, in whole extents, before they are kept. */
const BATCH_BYTES = 1 << 20;

/** Who wants the content, and what is done with it. */
export interface Sink {
  readonly extentSize: number;
  /** Where the content ends; `Infinity` when nobody knows. */
  readonly end: number;
  /** The byte that the work shall get to now. */
  readonly target: number;
  /** The work is of no use to those who wait: it shall end. */
  readonly passed: boolean;
  /** Is shown all bytes in their order, before they are kept. Throws to end the work. */
  take(position: number, bytes: Uint8Array): void;
  /** Keeps bytes from `position`, a multiple of the extent size, if it can; never rejects. */
  keep(position: number, bytes: Uint8Array): Promise<void>;
  /** All was made, and was so many bytes. */
  ended(position: number): Promise<void>;
}

/** The work, from its first byte on; it begins when it is made. */
export class SpoolPass {
  /** Ends when the work has, with the error that ended it; `undefined` at its end. Never rejects. */
  readonly over: Promise<unknown>;
  /** The next byte. */
  position = 0;
  readonly #sink: Sink;
  readonly #controller = new AbortController();
  #wake: () => void = () => {};
  /** Not yet kept: the first `#filled` bytes, which begin at `position - #filled`. */
  readonly #batch: Uint8Array;
  #filled = 0;

  constructor(
    source: (
      signal: AbortSignal,
    ) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>,
    sink: Sink,
  ) {
    this.#sink = sink;
    this.#batch = new Uint8Array(
      // room is left beside the last extent, which is held back
      Math.max(BATCH_BYTES, 2 * sink.extentSize),
    );
    this.over = this.#run(source).then(() => undefined, (error) => error);
  }

  /** Looks again at what is wanted. */
  wake(): void {
    this.#wake();
  }

  /**
   * Copies what was made and is not kept yet.
   *
   * @returns Bytes copied, 0 when `offset` is not among them.
   */
  copy(offset: number, into: Uint8Array): number {
    const start = this.position - this.#filled;
    if (offset < start || offset >= this.position) return 0;
    const bytes = this.#batch.subarray(offset - start, this.#filled);
    const part = bytes.subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  /** Ends the work with an error. */
  stop(reason: unknown): void {
    this.#controller.abort(reason);
    this.#wake();
  }

  async #run(
    source: (
      signal: AbortSignal,
    ) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>,
  ): Promise<void> {
    const { signal } = this.#controller;
    const stream = await abortable(
      Promise.resolve().then(() => source(signal)),
      signal,
    );
    const reader = stream.getReader();
    try {
      while (await this.#wanted()) {
        const { done, value } = await abortable(reader.read(), signal);
        if (done) {
          await this.#keep(this.#filled);
          return await this.#sink.ended(this.position);
        }
        await this.#add(value);
      }
    } finally {
      // what was made before the work failed or was ended is right
      await this.#keep(this.#whole);
      // not waited for: a source that does not listen must not hold up who closes
      reader.cancel(signal.reason).catch(() => {});
    }
  }

  /** Waits until more is wanted; `false` when this pass is of no use any more. */
  async #wanted(): Promise<boolean> {
    const { signal } = this.#controller;
    for (;;) {
      signal.throwIfAborted();
      if (this.#sink.passed) return false;
      if (this.position < this.#sink.target) return true;
      if (this.#whole > 0) {
        await this.#keep(this.#whole);
        continue;
      }
      // nothing may come between looking and this, else a wake is lost
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async #add(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.#batch.length - this.#filled);
      this.#batch.set(part, this.#filled);
      this.#sink.take(this.position, part);
      this.#filled += part.length;
      this.position += part.length;
      at += part.length;
      if (this.#filled === this.#batch.length) await this.#keep(this.#whole);
    }
  }

  /**
   * Bytes of the whole extents of what was collected, without the last one of the content: the work
   * may still find damage behind it.
   */
  get #whole(): number {
    const held = this.position === this.#sink.end ? 1 : 0;
    const size = Math.max(0, this.#filled - held);
    return size - size % this.#sink.extentSize;
  }

  async #keep(size: number): Promise<void> {
    if (size === 0) return;
    const start = this.position - this.#filled;
    await this.#sink.keep(start, this.#batch.slice(0, size));
    this.#batch.copyWithin(0, size, this.#filled);
    this.#filled -= size;
  }
}
