/**
 * What is said to a USB/IP server before URBs flow: which devices are there, and give me this one.
 *
 * @module
 */

import { onAbort } from "../../block/abortable.ts";
import { UsbError } from "../errors.ts";
import {
  DeviceRecord,
  InterfaceRecord,
  OP_REP_DEVLIST,
  OP_REP_IMPORT,
  OP_REQ_DEVLIST,
  OP_REQ_IMPORT,
  OpHeader,
  USBIP_VERSION,
} from "./messages.ts";
import { ByteSource, type ByteStream, closeStream } from "./stream.ts";

/** A device that a server offers. */
export interface RemoteDevice {
  /** What it is asked for by: `1-1.2`. */
  readonly busid: string;
  /** In sysfs of the server. */
  readonly path: string;
  readonly busnum: number;
  /** Another one each time the device is plugged in. */
  readonly devnum: number;
  /** 1 low, 2 full, 3 high, 5 super, 6 super plus. */
  readonly speed: number;
  readonly vendorId: number;
  readonly productId: number;
  /** Class, subclass and protocol of each interface in its first setting; of a list only. */
  readonly interfaces: readonly (readonly [number, number, number])[];
}

/** How long a server may take. */
export interface ExchangeOptions {
  /** Leaves at once; the stream is closed then. */
  readonly signal?: AbortSignal | undefined;
  /** For the whole exchange; default 5000. */
  readonly timeoutMs?: number | undefined;
}

/** More are not believed: a machine of Linux has at most 127 devices on each of some buses. */
const MAX_DEVICES = 4096;
const TIMEOUT_MS = 5000;
/** `busid[32]` with its NUL. */
const MAX_BUSID = 31;

/** Reasons to refuse (`tools/usb/usbip/libsrc/usbip_common.h`). */
const REASONS: Readonly<Record<number, string>> = {
  1: "the request failed",
  2: "the device is in use",
  3: "the device is in an error state",
  4: "there is no such device; bind it on the server with usbip bind",
};

/**
 * Asks for the devices that can be imported; those that somebody has imported are not among them.
 * The stream is closed afterwards.
 *
 * @throws {UsbError} `usb.bad-reply`, `usb.disconnected`, `usb.timeout`
 */
export async function listDevices(
  stream: ByteStream,
  options: ExchangeOptions = {},
): Promise<RemoteDevice[]> {
  const list = await exchange(stream, options, async (source, send) => {
    await send(
      OpHeader.encode({
        version: USBIP_VERSION,
        code: OP_REQ_DEVLIST,
        status: 0,
      }),
    );
    const status = await readHeader(source, OP_REP_DEVLIST);
    if (status !== 0) {
      throw badReply(`status of the list is ${status}, expected 0`);
    }
    const count = new DataView((await read(source, 4)).buffer).getUint32(0);
    if (count > MAX_DEVICES) {
      throw badReply(
        `the list has ${count} devices, expected at most ${MAX_DEVICES}`,
      );
    }
    const devices: RemoteDevice[] = [];
    for (let i = 0; i < count; i++) {
      const record = DeviceRecord.read(await read(source, DeviceRecord.size));
      const interfaces: [number, number, number][] = [];
      for (let n = 0; n < record.interfaceCount; n++) {
        const one = InterfaceRecord.read(
          await read(source, InterfaceRecord.size),
        );
        interfaces.push([
          one.interfaceClass,
          one.interfaceSubclass,
          one.interfaceProtocol,
        ]);
      }
      devices.push(remoteDevice(record, interfaces));
    }
    return devices;
  });
  closeStream(stream);
  return list;
}

/**
 * Asks for a device. The stream carries its URBs from then on.
 *
 * @throws {UsbError} `usb.import-refused`, `usb.bad-reply`, `usb.disconnected`, `usb.timeout`; the
 * stream is closed then
 */
export function importDevice(
  stream: ByteStream,
  busid: string,
  options: ExchangeOptions = {},
): Promise<RemoteDevice> {
  const name = new TextEncoder().encode(busid);
  if (name.length > MAX_BUSID) {
    return Promise.reject(
      new RangeError(
        `Cannot import "${busid}": it has ${name.length} bytes, expected at most ${MAX_BUSID}`,
      ),
    );
  }
  return exchange(stream, options, async (source, send) => {
    const request = new Uint8Array(OpHeader.size + 32);
    OpHeader.write(
      { version: USBIP_VERSION, code: OP_REQ_IMPORT, status: 0 },
      request,
    );
    request.set(name, OpHeader.size);
    await send(request);
    const status = await readHeader(source, OP_REP_IMPORT);
    if (status !== 0) {
      throw new UsbError(
        "usb.import-refused",
        `Cannot import "${busid}": ${
          REASONS[status] ?? `the server answered status ${status}`
        }`,
        { facts: { busid, status } },
      );
    }
    const record = DeviceRecord.read(await read(source, DeviceRecord.size));
    const device = remoteDevice(record, []);
    if (device.busid !== busid) {
      throw badReply(`it gave "${device.busid}", expected "${busid}"`);
    }
    return device;
  });
}

/** Runs the talk and gives the stream back unlocked, or closes it. */
async function exchange<T>(
  stream: ByteStream,
  { signal, timeoutMs = TIMEOUT_MS }: ExchangeOptions,
  talk: (
    source: ByteSource,
    send: (bytes: Uint8Array) => Promise<void>,
  ) => Promise<T>,
): Promise<T> {
  const source = new ByteSource(stream.readable);
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  let leave!: (reason: unknown) => void;
  const left = new Promise<never>((_, reject) => leave = reject);
  const forget = signal && onAbort(signal, () => leave(signal.reason));
  const timer = setTimeout(() => leave(late(timeoutMs)), timeoutMs);
  try {
    signal?.throwIfAborted();
    const talking = talk(source, (bytes) => writer.write(bytes));
    const result = await Promise.race([talking, left]);
    if (source.release().length > 0) {
      throw badReply("more came than was asked for");
    }
    writer.releaseLock();
    return result;
  } catch (error) {
    source.cancel();
    writer.abort().catch(() => {});
    closeStream(stream);
    signal?.throwIfAborted();
    throw error instanceof UsbError ? error : broken(error);
  } finally {
    clearTimeout(timer);
    forget?.();
    left.catch(() => {});
  }
}

async function readHeader(source: ByteSource, code: number): Promise<number> {
  const header = OpHeader.read(await read(source, OpHeader.size));
  if (header.version !== USBIP_VERSION) {
    throw badReply(
      `its version is 0x${header.version.toString(16)}, expected 0x111`,
    );
  }
  if (header.code !== code) {
    throw badReply(`its code is ${header.code}, expected ${code}`);
  }
  return header.status;
}

async function read(
  source: ByteSource,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const found = await source.fill(bytes);
  if (found === length) return bytes;
  throw new UsbError(
    "usb.disconnected",
    `Cannot read the answer of the USB/IP server: the connection ended, found ${found} of ${length} bytes`,
    { facts: { found, expected: length } },
  );
}

function remoteDevice(
  record: ReturnType<typeof DeviceRecord.read>,
  interfaces: RemoteDevice["interfaces"],
): RemoteDevice {
  const { busnum, devnum, speed, vendorId, productId } = record;
  const [busid, path] = [textOf(record.busid), textOf(record.path)];
  return {
    busid,
    path,
    busnum,
    devnum,
    speed,
    vendorId,
    productId,
    interfaces,
  };
}

/** Text up to its NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function badReply(found: string): UsbError {
  return new UsbError(
    "usb.bad-reply",
    `Cannot understand the USB/IP server: ${found}; is it a USB/IP server?`,
  );
}

function late(timeoutMs: number): UsbError {
  return new UsbError(
    "usb.timeout",
    `Cannot talk to the USB/IP server: no answer in ${timeoutMs} ms; is it a USB/IP server?`,
    { facts: { timeoutMs } },
  );
}

function broken(cause: unknown): UsbError {
  return new UsbError(
    "usb.disconnected",
    "Cannot talk to the USB/IP server: the connection broke",
    { cause },
  );
}
