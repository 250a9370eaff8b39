/**
 * Two ends of a connection in memory.
 *
 * @module
 */

import type { ByteStream } from "../../src/usb/usbip/stream.ts";

/** What is written at one end is read at the other; closing one ends both. */
export function streamPair(): [ByteStream, ByteStream] {
  const there = new TransformStream<Uint8Array, Uint8Array>();
  const back = new TransformStream<Uint8Array, Uint8Array>();
  const nothing = () => {};
  const abort = () => {
    // A side that holds a lock ends its streams itself.
    for (const { readable, writable } of [there, back]) {
      if (!readable.locked) readable.cancel().catch(nothing);
      if (!writable.locked) writable.abort().catch(nothing);
    }
  };
  return [
    { readable: back.readable, writable: there.writable, close: abort },
    { readable: there.readable, writable: back.writable, close: abort },
  ];
}
