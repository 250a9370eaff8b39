/**
 * The USB/IP server of virtual phones, watched by a test.
 *
 * @module
 */

import type { UsbModel } from "../../src/phone/usb_device.ts";
import {
  exportModel,
  UsbIpServer as Server,
} from "../../src/phone/usbip_server.ts";
import type { ByteStream } from "../../src/usb/usbip/stream.ts";

/** Plug and unplug here. */
export class UsbIpServer {
  /** Why each import ended. */
  readonly ends: string[] = [];
  /** Sent instead of an answer. */
  answer: Uint8Array | undefined;
  /** Connections that were made. */
  connections = 0;
  readonly #server: Server;

  constructor() {
    const onRelease = (_: string, why: string) => void this.ends.push(why);
    this.#server = new Server({ onRelease });
  }

  /** Bus ids of what is imported now. */
  get used(): string[] {
    return this.#server.used;
  }

  plug(busid: string, model: UsbModel): void {
    this.#server.plug(busid, exportModel(model));
  }

  unplug(busid: string): void {
    this.#server.unplug(busid);
  }

  /** Serves one connection. */
  async serve(stream: ByteStream): Promise<void> {
    this.connections++;
    if (this.answer === undefined) return await this.#server.serve(stream);
    const { value } = await stream.readable.getReader().read();
    if (value === undefined) return;
    await stream.writable.getWriter().write(this.answer).catch(() => {});
  }
}
