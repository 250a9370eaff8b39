/**
 * A USB/IP server over a modelled device, as strict as `usbip-host`: what would make the kernel drop
 * the connection makes this one drop it.
 *
 * @module
 */

import type { ByteStream } from "../../src/usb/usbip/stream.ts";
import { ByteSource } from "../../src/usb/usbip/stream.ts";
import type { ModelResult, UsbModel } from "./usb_model.ts";

/** What the server does wrong on purpose. */
export interface ServerFaults {
  /** Closes the connection after so many bytes to the client. */
  readonly cutAt?: number;
  /** Sends in chunks of so many bytes. */
  readonly chunk?: number;
  /** Changes a reply. */
  readonly mangle?: (reply: Uint8Array, header: DataView) => Uint8Array;
  /** Waits before a reply; those of other endpoints may pass it. */
  readonly delay?: (seqnum: number) => Promise<void>;
}

export interface ServerOptions {
  /** Demanded of every URB. */
  readonly devid?: number;
  readonly faults?: ServerFaults;
}

/** Serves until the client leaves or breaks the rules; gives the reason. */
export async function serveUrbs(
  model: UsbModel,
  stream: ByteStream,
  options: ServerOptions = {},
): Promise<string> {
  const source = new ByteSource(stream.readable);
  const sender = new Sender(stream, options.faults ?? {});
  const urbs = new Map<number, AbortController>();
  /** The last reply of each endpoint: they keep their order. */
  const replies = new Map<number, Promise<void>>();
  let reason = "client left";
  try {
    for (;;) {
      const bytes = new Uint8Array(48);
      if (await source.fill(bytes) < 48) break;
      const header = new DataView(bytes.buffer);
      const command = header.getUint32(0);
      const seqnum = header.getUint32(4);
      if (
        options.devid !== undefined && header.getUint32(8) !== options.devid
      ) {
        reason = "wrong devid";
        break;
      }
      if (command === 2) {
        const victim = urbs.get(header.getUint32(20));
        if (victim) urbs.delete(header.getUint32(20));
        await sender.send(reply(4, seqnum, victim ? -104 : 0, 0));
        victim?.abort();
        continue;
      }
      if (command !== 1) {
        reason = `command ${command}`;
        break;
      }
      const isIn = header.getUint32(12) === 1;
      const number = header.getUint32(16);
      const length = header.getUint32(24);
      const data = new Uint8Array(isIn ? 0 : length);
      if (await source.fill(data) < data.length) break;
      const wrong = refuse(model, number, isIn, header.getUint32(36));
      if (wrong) {
        reason = wrong;
        break;
      }
      const controller = new AbortController();
      urbs.set(seqnum, controller);
      const { signal } = controller;
      const result = number === 0
        ? model.control(setupOf(header), data)
        : isIn
        ? model.pipes.get(number | 0x80)!.in(length, signal)
        : model.pipes.get(number)!.out(data, signal);
      const before = replies.get(number | (isIn ? 0x80 : 0));
      replies.set(
        number | (isIn ? 0x80 : 0),
        answer(seqnum, result, before),
      );
    }
  } catch (error) {
    reason = String(error);
  }
  stream.close();
  source.cancel();
  for (const urb of urbs.values()) urb.abort();
  return reason;

  async function answer(
    seqnum: number,
    result: Promise<ModelResult>,
    before: Promise<void> | undefined,
  ) {
    const { status, actualLength, data } = await result;
    await options.faults?.delay?.(seqnum);
    await before;
    // Taken back meanwhile.
    if (!urbs.delete(seqnum)) return;
    await sender.send(reply(3, seqnum, status, actualLength, data))
      .catch(() => {});
  }
}

/** What makes the kernel drop the connection. */
function refuse(
  model: UsbModel,
  number: number,
  isIn: boolean,
  interval: number,
): string | undefined {
  if (number === 0) return undefined;
  const address = isIn ? number | 0x80 : number;
  const endpoint = model.live().find((one) => one.address === address);
  if (endpoint === undefined) return `endpoint ${address} is not configured`;
  if (endpoint.type === "interrupt" && interval === 0) return "interval is 0";
  return undefined;
}

function setupOf(header: DataView) {
  return {
    requestType: header.getUint8(40),
    request: header.getUint8(41),
    value: header.getUint16(42, true),
    index: header.getUint16(44, true),
    length: header.getUint16(46, true),
  };
}

function reply(
  command: number,
  seqnum: number,
  status: number,
  actualLength: number,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(48 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, command);
  view.setUint32(4, seqnum);
  view.setInt32(20, status);
  view.setUint32(24, actualLength);
  bytes.set(data, 48);
  return bytes;
}

class Sender {
  readonly #stream: ByteStream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #faults: ServerFaults;
  #sent = 0;

  constructor(stream: ByteStream, faults: ServerFaults) {
    this.#stream = stream;
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#faults = faults;
  }

  async send(bytes: Uint8Array): Promise<void> {
    const { cutAt = Infinity, chunk = Infinity, mangle } = this.#faults;
    if (mangle) bytes = mangle(bytes, new DataView(bytes.buffer));
    const whole = bytes.length;
    bytes = bytes.subarray(0, Math.max(0, cutAt - this.#sent));
    this.#sent += bytes.length;
    const writes: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += chunk) {
      writes.push(this.#writer.write(bytes.subarray(at, at + chunk)));
    }
    const cut = bytes.length < whole;
    for (const write of writes) await write;
    if (!cut) return;
    await this.#writer.close().catch(() => {});
    this.#stream.close();
  }
}
