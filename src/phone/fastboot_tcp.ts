/**
 * A bootloader behind a stream of bytes, as `fastboot -s tcp:HOST` wants it.
 *
 * @module
 */

import {
  ByteSource,
  type ByteStream,
  closeStream,
} from "../usb/usbip/stream.ts";
import type { FastbootDevice } from "./fastboot_device.ts";

const HANDSHAKE = new TextEncoder().encode("FB01");
/** Bytes of a packet of data that are handed over at once. */
const CHUNK_BYTES = 1 << 20;
/** Time for a host to read what was said last. */
const LINGER_MS = 1000;
/** Bytes of a command at most; the device refuses less than that already. */
const MAX_COMMAND_BYTES = 4096;

/** Why a host was left. */
export type FastbootTcpEnd =
  /** The host went. */
  | { readonly why: "closed" }
  /** It is no host, or broke the rules. */
  | { readonly why: "bad-host" }
  /** As a fault. */
  | { readonly why: "unplugged" }
  /** To start an image: the one that was sent, or what is installed. */
  | {
    readonly why: "left";
    readonly image: Uint8Array<ArrayBuffer> | undefined;
  };

/**
 * Lets a host talk to a bootloader until one of the two goes. The stream is closed then.
 *
 * A halted endpoint, which TCP has none of, ends the connection.
 *
 * @see AOSP platform/system/core/fastboot/README.md, "TCP Protocol v1"
 */
export async function serveFastbootTcp(
  stream: ByteStream,
  device: FastbootDevice,
): Promise<FastbootTcpEnd> {
  const source = new ByteSource(stream.readable);
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  try {
    return await converse(source, writer, device);
  } catch {
    return { why: "closed" };
  } finally {
    // What was said last has to arrive before the connection ends, if the host still reads.
    const timer = setTimeout(() => closeStream(stream), LINGER_MS);
    await writer.close().catch(() => {});
    clearTimeout(timer);
    source.cancel();
    closeStream(stream);
  }
}

async function converse(
  source: ByteSource,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  device: FastbootDevice,
): Promise<FastbootTcpEnd> {
  writer.write(HANDSHAKE).catch(() => {}); // both sides speak first
  const hello = new Uint8Array(HANDSHAKE.length);
  if (await source.fill(hello) < hello.length) return { why: "closed" };
  if (!/^FB\d\d$/.test(String.fromCharCode(...hello))) {
    return { why: "bad-host" };
  }
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const header = new Uint8Array(8);
    if (await source.fill(header) < header.length) return { why: "closed" };
    const length = Number(new DataView(header.buffer).getBigUint64(0));
    // Commands come whole, data as it comes.
    const limit = device.expected === 0 ? MAX_COMMAND_BYTES : device.expected;
    if (length > limit) return { why: "bad-host" };
    for (let left = length; left > 0;) {
      const packet = buffer.subarray(0, left);
      if (await source.fill(packet) < packet.length) return { why: "closed" };
      left -= packet.length;
      const end = await answer(device, packet, writer);
      if (end !== undefined) return end;
    }
  }
}

async function answer(
  device: FastbootDevice,
  packet: Uint8Array,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<FastbootTcpEnd | undefined> {
  for await (const action of device.receive(packet)) {
    switch (action.kind) {
      case "reply": {
        const framed = new Uint8Array(8 + action.packet.length);
        const view = new DataView(framed.buffer);
        view.setBigUint64(0, BigInt(action.packet.length));
        framed.set(action.packet, 8);
        await writer.write(framed);
        break;
      }
      case "wait":
        await new Promise((resolve) => setTimeout(resolve, action.ms));
        break;
      case "stall":
      case "unplug":
        return { why: "unplugged" };
      case "leave":
        return { why: "left", image: action.image };
    }
  }
  return undefined;
}
