/**
 * A whole USB/IP server: the list, imports, and the URBs behind them. The layouts are written by
 * hand from the kernel's documents, so that they prove something about ours.
 *
 * @module
 */

import { ByteSource, type ByteStream } from "../../src/usb/usbip/stream.ts";
import { serveUrbs } from "./usb_ip_server.ts";
import type { UsbModel } from "./usb_model.ts";

export interface BoundDevice {
  readonly busid: string;
  readonly model: UsbModel;
  readonly busnum: number;
  readonly devnum: number;
}

export class UsbIpServer {
  /** Plug and unplug here. */
  readonly devices = new Map<string, BoundDevice>();
  /** Imported now. */
  readonly used = new Map<string, ByteStream>();
  /** Why each import ended. */
  readonly ends: string[] = [];
  /** Sent instead of an answer. */
  answer: Uint8Array | undefined;
  lists = 0;
  #devnum = 1;

  plug(busid: string, model: UsbModel): void {
    const devnum = ++this.#devnum;
    this.devices.set(busid, { busid, model, busnum: 1, devnum });
  }

  unplug(busid: string): void {
    this.devices.delete(busid);
    this.used.get(busid)?.close();
  }

  /** Serves one connection. */
  async serve(stream: ByteStream): Promise<void> {
    const source = new ByteSource(stream.readable);
    const request = new Uint8Array(8);
    if (await source.fill(request) < 8) return;
    const view = new DataView(request.buffer);
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    const send = (bytes: Uint8Array) => writer.write(bytes).catch(() => {});
    if (view.getUint16(0) !== 0x0111) return stream.close();
    if (this.answer) {
      await send(this.answer);
      return;
    }
    if (view.getUint16(2) === 0x8005) {
      this.lists++;
      await send(this.#list());
      await writer.close().catch(() => {});
      return;
    }
    const wanted = new Uint8Array(32);
    await source.fill(wanted);
    const busid = new TextDecoder().decode(wanted).replace(/\0+$/, "");
    const device = this.devices.get(busid);
    const status = device === undefined ? 4 : this.used.has(busid) ? 2 : 0;
    await send(header(3, status));
    if (device === undefined || status !== 0) return stream.close();
    await send(record(device));
    source.release();
    writer.releaseLock();
    this.used.set(busid, stream);
    const devid = device.busnum << 16 | device.devnum;
    this.ends.push(await serveUrbs(device.model, stream, { devid }));
    this.used.delete(busid);
  }

  #list(): Uint8Array {
    const free = [...this.devices.values()].filter((one) =>
      !this.used.has(one.busid)
    );
    const parts = [header(5, 0), Uint8Array.of(0, 0, 0, free.length)];
    for (const device of free) {
      parts.push(record(device));
      for (const [alternate] of interfacesOf(device)) {
        parts.push(Uint8Array.of(...alternate!.triple, 0));
      }
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

function interfacesOf({ model }: BoundDevice) {
  return Object.values(model.spec.configurations)[0]!;
}

function header(code: number, status: number): Uint8Array {
  return Uint8Array.of(1, 0x11, 0, code, 0, 0, 0, status);
}

function record(device: BoundDevice): Uint8Array {
  const { busid, model: { spec }, busnum, devnum } = device;
  const bytes = new Uint8Array(312);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  bytes.set(text.encode(`/sys/devices/pci0000:00/usb1/${busid}`), 0);
  bytes.set(text.encode(busid), 256);
  view.setUint32(288, busnum);
  view.setUint32(292, devnum);
  view.setUint32(296, spec.speed);
  view.setUint16(300, spec.vendorId);
  view.setUint16(302, spec.productId);
  view.setUint16(304, 0x0100);
  bytes[309] = 1; // configuration
  bytes[310] = Object.keys(spec.configurations).length;
  bytes[311] = interfacesOf(device).length;
  return bytes;
}
