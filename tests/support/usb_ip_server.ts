/**
 * The USB/IP server of virtual phones, with things that go wrong on the way to the client.
 *
 * @module
 */

import type { UsbModel } from "../../src/phone/usb_device.ts";
import {
  serveUrbs as serveRight,
  type UrbOptions,
} from "../../src/phone/usbip_urbs.ts";
import type { ByteStream } from "../../src/usb/usbip/stream.ts";

/** What the server does wrong on purpose. */
export interface ServerFaults extends Pick<UrbOptions, "delay"> {
  /** Closes the connection after so many bytes to the client. */
  readonly cutAt?: number;
  /** Sends in chunks of so many bytes. */
  readonly chunk?: number;
  /** Changes a reply. */
  readonly mangle?: (reply: Uint8Array) => Uint8Array;
}

/** What the server can be given. */
export interface ServerOptions extends Pick<UrbOptions, "devid"> {
  readonly faults?: ServerFaults;
}

/** Serves until the client leaves or breaks the rules; gives the reason. */
export function serveUrbs(
  model: UsbModel,
  stream: ByteStream,
  { devid, faults = {} }: ServerOptions = {},
): Promise<string> {
  const { delay, ...wrong } = faults;
  const way = Object.keys(wrong).length === 0
    ? stream
    : faultyStream(stream, wrong);
  return serveRight(model, way, { devid, delay });
}

/** Each chunk that is written is a reply. */
function faultyStream(stream: ByteStream, faults: ServerFaults): ByteStream {
  const { cutAt = Infinity, chunk = Infinity, mangle } = faults;
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  let sent = 0;
  const writable = new WritableStream<Uint8Array>({
    async write(reply) {
      const whole = mangle?.(reply) ?? reply;
      const bytes = whole.subarray(0, Math.max(0, cutAt - sent));
      sent += bytes.length;
      const writes: Promise<void>[] = [];
      for (let at = 0; at < bytes.length; at += chunk) {
        writes.push(writer.write(bytes.subarray(at, at + chunk)));
      }
      await Promise.all(writes);
      if (bytes.length === whole.length) return;
      await writer.close().catch(() => {});
      stream.close();
      throw new Error("The connection was cut");
    },
  });
  return { readable: stream.readable, writable, close: () => stream.close() };
}
