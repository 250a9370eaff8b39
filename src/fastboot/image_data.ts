/**
 * The bytes of an image on their way out.
 *
 * @module
 */

import { abortable } from "../block/abortable.ts";
import { FastbootError } from "./errors.ts";

/** An image that need not be in memory. */
export interface ImageStream {
  /** Bytes in all. */
  readonly size: number;
  /** The bytes, in pieces of any length; not touched once yielded. `ReadableStream` fits. */
  readonly chunks:
    | AsyncIterable<Uint8Array<ArrayBuffer>>
    | Iterable<Uint8Array<ArrayBuffer>>;
}

/** What a phone can be sent. */
export type ImageData = Uint8Array<ArrayBuffer> | ImageStream;

/** What is handed over at once: between two of these an image can be cut. */
const PIECE_BYTES = 1 << 20;

/**
 * The bytes of an image, as many as were announced whatever happens.
 *
 * A bootloader that was promised data takes all that comes for data, so a download that is cut short
 * would swallow the next commands, of this program or another. Therefore, when the image is no longer
 * wanted or cannot be read, zeros make up the rest. They go to memory, and nothing starts them.
 */
export class OutgoingImage {
  /** Why the phone did not get the image, if it did not. */
  problem: unknown;
  readonly #image: ImageData;
  readonly #signal: AbortSignal;
  readonly #onProblem: (problem: unknown) => void;

  /**
   * @param signal Ends the image; zeros follow.
   * @param onProblem Told of the problem as soon as there is one.
   */
  constructor(
    image: ImageData,
    signal: AbortSignal,
    onProblem: (problem: unknown) => void,
  ) {
    this.#image = image;
    this.#signal = signal;
    this.#onProblem = onProblem;
  }

  /** The announced bytes. */
  async *pieces(announced: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let left = announced;
    if (announced === sizeOf(this.#image)) {
      try {
        for await (const piece of this.#given()) {
          if (piece.length > left) throw wrongLength(announced, "more");
          left -= piece.length;
          yield piece;
        }
        if (left > 0) throw wrongLength(announced, announced - left);
      } catch (error) {
        this.problem = error;
        this.#onProblem(error);
      }
    }
    if (left === 0) return;
    const zeros = new Uint8Array(Math.min(left, PIECE_BYTES));
    for (; left > 0; left -= Math.min(left, zeros.length)) {
      yield zeros.subarray(0, left);
    }
  }

  async *#given(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const chunks = this.#image instanceof Uint8Array
      ? [this.#image]
      : this.#image.chunks;
    const iterator = Symbol.asyncIterator in chunks
      ? chunks[Symbol.asyncIterator]()
      : chunks[Symbol.iterator]();
    try {
      for (;;) {
        const next = Promise.resolve(iterator.next());
        const { value, done } = await abortable(next, this.#signal);
        if (done) return;
        for (let at = 0; at < value.length; at += PIECE_BYTES) {
          this.#signal.throwIfAborted();
          yield value.subarray(at, at + PIECE_BYTES);
        }
      }
    } finally {
      // A source that does not answer would not answer this either.
      void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }
}

/** Bytes of an image. */
export function sizeOf(image: ImageData): number {
  return image instanceof Uint8Array ? image.length : image.size;
}

function wrongLength(expected: number, found: number | "more"): FastbootError {
  return new FastbootError(
    "fastboot.data-length",
    `Cannot send boot image: it has ${found} bytes, expected ${expected}; it may have changed meanwhile`,
    { facts: { found, expected } },
  );
}
