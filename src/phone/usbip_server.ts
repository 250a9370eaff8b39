/**
 * A USB/IP server: the list of its devices, and whoever asks for one gets it.
 *
 * @see https://docs.kernel.org/usb/usbip_protocol.html
 * @module
 */

import { concat } from "../bytes/concat.ts";
import {
  DeviceRecord,
  InterfaceRecord,
  OP_REP_DEVLIST,
  OP_REP_IMPORT,
  OP_REQ_DEVLIST,
  OP_REQ_IMPORT,
  OpHeader,
  USBIP_VERSION,
} from "../usb/usbip/messages.ts";
import {
  ByteSource,
  type ByteStream,
  closeStream,
} from "../usb/usbip/stream.ts";
import type { UsbModel } from "./usb_device.ts";
import { serveUrbs } from "./usbip_urbs.ts";

/** What the list tells of a device. */
export interface ExportedIdentity {
  readonly vendorId: number;
  readonly productId: number;
  /** `enum usb_device_speed`: 2 full, 3 high, 5 super. */
  readonly speed: number;
  /** bcdDevice. */
  readonly deviceVersion: number;
  readonly configurationCount: number;
  /** Class, subclass and protocol of each interface in its first setting. */
  readonly interfaces: readonly (readonly [number, number, number])[];
}

/** A device that a server can hand out. */
export interface Exportable {
  readonly identity: ExportedIdentity;
  /**
   * Does URBs until one side leaves; the stream is closed then. Never rejects.
   *
   * @param devid busnum << 16 | devnum, as the client was told.
   * @returns Why it ended.
   */
  attach(stream: ByteStream, devid: number): Promise<string>;
}

/** Reasons to refuse (`tools/usb/usbip/libsrc/usbip_common.h`). */
const ST_NA = 1, ST_DEV_BUSY = 2, ST_NODEV = 4;
const BUSNUM = 1;
const MAX_DEVNUM = 127;

interface Plugged {
  readonly busid: string;
  readonly device: Exportable;
  readonly devnum: number;
  /** Of the client that has it. */
  stream: ByteStream | undefined;
}

/** What a server tells whoever runs it. */
export interface UsbIpServerOptions {
  /** Somebody took a device. */
  readonly onImport?: ((busid: string) => void) | undefined;
  /** And why he has it no more. */
  readonly onRelease?: ((busid: string, why: string) => void) | undefined;
}

/** Hands out devices to one client each. Give it connections; what they come over is not its business. */
export class UsbIpServer {
  readonly #options: UsbIpServerOptions;
  readonly #devices = new Map<string, Plugged>();
  #devnum = 1;

  /** Has no devices yet. */
  constructor(options: UsbIpServerOptions = {}) {
    this.#options = options;
  }

  /** Bus ids of the devices that somebody has. */
  get used(): string[] {
    return [...this.#devices.values()].filter(({ stream }) => stream)
      .map(({ busid }) => busid);
  }

  /**
   * Plugs a device in.
   *
   * @param busid As `1-1`; what was there is unplugged.
   */
  plug(busid: string, device: Exportable): void {
    this.unplug(busid);
    // as Linux gives them: a device that comes back is told from the one before
    this.#devnum = this.#devnum % MAX_DEVNUM + 1;
    const devnum = this.#devnum;
    this.#devices.set(busid, { busid, device, devnum, stream: undefined });
  }

  /** Unplugs it, from who has it, too. */
  unplug(busid: string): void {
    const plugged = this.#devices.get(busid);
    this.#devices.delete(busid);
    if (plugged?.stream) closeStream(plugged.stream);
  }

  /** Unplugs all. */
  close(): void {
    for (const busid of [...this.#devices.keys()]) this.unplug(busid);
  }

  /** Serves one connection to its end. Never rejects. */
  async serve(stream: ByteStream): Promise<void> {
    const source = new ByteSource(stream.readable);
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    try {
      const head = new Uint8Array(OpHeader.size);
      if (await source.fill(head) < head.length) return;
      const { version, code } = OpHeader.read(head);
      if (version !== USBIP_VERSION) return;
      if (code === OP_REQ_DEVLIST) {
        await writer.write(this.#list());
        await writer.close();
        return;
      }
      if (code !== OP_REQ_IMPORT) {
        await writer.write(reply(code & 0x7fff, ST_NA));
        await writer.close();
        return;
      }
      const name = new Uint8Array(32);
      if (await source.fill(name) < name.length) return;
      const plugged = this.#devices.get(textOf(name));
      if (plugged === undefined || plugged.stream !== undefined) {
        const status = plugged === undefined ? ST_NODEV : ST_DEV_BUSY;
        await writer.write(reply(OP_REP_IMPORT, status));
        await writer.close();
        return;
      }
      plugged.stream = stream;
      // before anything is waited for: who has it has it
      try {
        await writer.write(
          concat([reply(OP_REP_IMPORT, 0), recordOf(plugged)]),
        );
      } catch {
        plugged.stream = undefined;
        return;
      }
      const early = source.release().slice();
      writer.releaseLock();
      await this.#attach(plugged, withEarly(stream, early));
    } catch {
      // The client left.
    } finally {
      closeStream(stream);
    }
  }

  async #attach(plugged: Plugged, stream: ByteStream): Promise<void> {
    const { busid, device, devnum } = plugged;
    this.#options.onImport?.(busid);
    const why = await device.attach(stream, BUSNUM << 16 | devnum);
    plugged.stream = undefined;
    this.#options.onRelease?.(busid, why);
  }

  #list(): Uint8Array {
    const free = [...this.#devices.values()].filter(({ stream }) => !stream);
    const parts = [reply(OP_REP_DEVLIST, 0), u32be(free.length)];
    for (const plugged of free) {
      parts.push(recordOf(plugged));
      for (const triple of plugged.device.identity.interfaces) {
        parts.push(InterfaceRecord.encode({
          interfaceClass: triple[0],
          interfaceSubclass: triple[1],
          interfaceProtocol: triple[2],
          padding: 0,
        }));
      }
    }
    return concat(parts);
  }
}

/** A modelled device as one to hand out. */
export function exportModel(model: UsbModel): Exportable {
  const { vendorId, productId, speed, configurations } = model.spec;
  const all = Object.values(configurations);
  return {
    identity: {
      vendorId,
      productId,
      speed,
      deviceVersion: 0x0100,
      configurationCount: all.length,
      interfaces: (all[0] ?? []).map(([first]) => first!.triple),
    },
    async attach(stream, devid) {
      const why = await serveUrbs(model, stream, { devid });
      // the kernel resets a device that was given back
      model.reset();
      return why;
    },
  };
}

function recordOf(
  { busid, device: { identity }, devnum }: Plugged,
): Uint8Array {
  const text = new TextEncoder();
  const padded = (value: string, size: number) => {
    const bytes = new Uint8Array(size);
    text.encodeInto(value, bytes.subarray(0, size - 1));
    return bytes;
  };
  return DeviceRecord.encode({
    path: padded(`/sys/devices/virtual/usb${BUSNUM}/${busid}`, 256),
    busid: padded(busid, 32),
    busnum: BUSNUM,
    devnum,
    speed: identity.speed,
    vendorId: identity.vendorId,
    productId: identity.productId,
    deviceVersion: identity.deviceVersion,
    deviceClass: 0,
    deviceSubclass: 0,
    deviceProtocol: 0,
    configurationValue: 1,
    configurationCount: identity.configurationCount,
    interfaceCount: identity.interfaces.length,
  });
}

function reply(code: number, status: number): Uint8Array {
  return OpHeader.encode({ version: USBIP_VERSION, code, status });
}

function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Text up to its NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A client may send its first URB together with its request. */
function withEarly(stream: ByteStream, early: Uint8Array): ByteStream {
  if (early.length === 0) return stream;
  const reader = stream.readable.getReader();
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(early),
    async pull(controller) {
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { readable, writable: stream.writable, close: () => stream.close() };
}
