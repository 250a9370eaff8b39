/**
 * A cable that is slower than the one that is there.
 *
 * @module
 */

import { type ByteStream, closeStream } from "../usb/usbip/stream.ts";

/** Bytes go out in pieces of this time: a slow link is not one that stands still. */
const PIECE_MS = 50;

/**
 * The same bytes, so many a second in each direction at most. What was written before the end still
 * goes out.
 *
 * @param bytesPerSecond At least 1.
 */
export function slowStream(
  stream: ByteStream,
  bytesPerSecond: number,
): ByteStream {
  let ended = false;
  const inwards = slowly(bytesPerSecond, () => {});
  const outwards = slowly(bytesPerSecond, () => void (ended = true));
  stream.readable.pipeTo(inwards.writable).catch(() => {});
  const flushed = outwards.readable.pipeTo(stream.writable).catch(() => {});
  return {
    readable: inwards.readable,
    writable: outwards.writable,
    close() {
      if (ended) flushed.then(() => closeStream(stream));
      else closeStream(stream);
    },
  };
}

function slowly(
  bytesPerSecond: number,
  flush: () => void,
): TransformStream<Uint8Array, Uint8Array> {
  const piece = Math.max(1, Math.floor(bytesPerSecond * PIECE_MS / 1000));
  /** When the link is free again. */
  let free = 0;
  return new TransformStream({
    flush,
    async transform(chunk, controller) {
      for (let at = 0; at < chunk.length; at += piece) {
        const part = chunk.subarray(at, at + piece);
        const now = performance.now();
        free = Math.max(free, now) + part.length * 1000 / bytesPerSecond;
        await new Promise((resolve) => setTimeout(resolve, free - now));
        controller.enqueue(part);
      }
    },
  });
}
