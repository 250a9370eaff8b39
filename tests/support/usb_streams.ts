/**
 * Two ends of a connection in memory.
 *
 * @module
 */

import type { ByteStream } from "../../src/usb/usbip/stream.ts";

/** What is written at one end is read at the other; closing one ends both. */
export function streamPair(): [ByteStream, ByteStream] {
  const controllers: TransformStreamDefaultController<Uint8Array>[] = [];
  const pipe = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => void controllers.push(controller),
    });
  const [there, back] = [pipe(), pipe()];
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    // Locked or not: what was written is read, then comes the end.
    for (const controller of controllers) controller.terminate();
  };
  return [
    { readable: back.readable, writable: there.writable, close },
    { readable: there.readable, writable: back.writable, close },
  ];
}
