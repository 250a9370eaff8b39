/**
 * A device behind a USB/IP connection, in the shape of WebUSB.
 *
 * @module
 */

import type { ParsedConfiguration } from "../descriptors.ts";
import { UsbError } from "../errors.ts";
import type {
  UsbControlSetup,
  UsbDevice,
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
} from "../shape.ts";
import { InterfaceTable } from "./interface_table.ts";
import { UsbIpConnection } from "./connection.ts";
import {
  CLEAR_FEATURE,
  control,
  ENDPOINT_HALT,
  SET_CONFIGURATION,
  SET_INTERFACE,
  standard,
} from "./control.ts";
import { enumerate, type Enumerated } from "./enumerate.ts";
import {
  USB_SPEED_HIGH,
  type UsbIpDeviceOptions,
  type UsbIpIdentity,
  type UsbIpTransferOptions,
  type UsbIpWay,
} from "./options.ts";
import { type ByteStream, closeStream } from "./stream.ts";
import { type Pipe, statusOf, transferIn, transferOut } from "./transfer.ts";
import { intervalOf } from "./urb.ts";

export type { UsbIpDeviceOptions, UsbIpTransferOptions } from "./options.ts";

/** Small enough for the kernel of the other side to find memory for, large enough to be fast. */
const MAX_URB_BYTES = 1 << 20;
/** `USB_CTRL_GET_TIMEOUT` of Linux. */
const TIMEOUT_MS = 5000;

/**
 * A device behind a connection. `open` makes the connection and reads the descriptors; before the
 * first one nothing but the ids is known. `close` ends the connection, which the device sees as an
 * unplugged cable, and with it every transfer.
 *
 * A transfer on an endpoint that is not part of a claimed interface as it is set now is refused here:
 * the kernel of the other side would drop the connection.
 */
export class UsbIpDevice implements UsbDevice {
  readonly #connect: (signal?: AbortSignal) => Promise<UsbIpWay>;
  #identity: UsbIpIdentity & Partial<Enumerated>;
  #options: UsbIpDeviceOptions = {};
  #connection: UsbIpConnection | undefined;
  #opening: Promise<void> | undefined;
  #table = new InterfaceTable([]);

  /** @param connect Makes a connection; called by each `open`. */
  constructor(
    identity: UsbIpIdentity,
    connect: (signal?: AbortSignal) => Promise<UsbIpWay>,
  ) {
    this.#identity = identity;
    this.#connect = connect;
  }

  /** idVendor. */
  get vendorId(): number {
    return this.#identity.vendorId;
  }
  /** idProduct. */
  get productId(): number {
    return this.#identity.productId;
  }
  /** From the first `open` on. */
  get serialNumber(): string | null {
    return this.#identity.serialNumber ?? null;
  }
  /** From the first `open` on. */
  get productName(): string | null {
    return this.#identity.productName ?? null;
  }
  /** From the first `open` on. */
  get manufacturerName(): string | null {
    return this.#identity.manufacturerName ?? null;
  }
  /** Whether there is a connection. */
  get opened(): boolean {
    return this.#connection !== undefined &&
      this.#connection.error === undefined;
  }
  /** The configuration that is set; interfaces tell whether they are claimed. */
  get configuration(): ParsedConfiguration | null {
    return this.#table.configuration;
  }
  /** From the first `open` on. */
  get configurations(): readonly ParsedConfiguration[] {
    return this.#table.configurations;
  }
  /** Fulfilled with the reason when the connection of the last `open` is over. */
  get ended(): Promise<UsbError> | undefined {
    return this.#connection?.ended;
  }

  /**
   * Connects, and reads the descriptors. Does nothing when the device is open.
   *
   * @throws {UsbError} `usb.disconnected`, `usb.timeout`, `usb.bad-descriptor`, `usb.bad-reply`,
   * `usb.request-failed`, and those of the way to the device
   */
  open({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.opened) return Promise.resolve();
    return this.#opening ??= this.#open(signal).finally(() =>
      this.#opening = undefined
    );
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { stream, options, onEnd } = await this.#connect(signal);
    const connection = new UsbIpConnection(stream, options.devid);
    this.#options = options;
    try {
      const found = await enumerate(connection, {
        signal,
        timeoutMs: this.#timeoutMs,
      });
      this.#identity = found;
      this.#table = new InterfaceTable(found.configurations);
      this.#table.configure(found.configurationValue);
      this.#connection = connection;
      if (onEnd) connection.ended.then(onEnd);
    } catch (error) {
      void connection.close();
      throw error;
    }
  }

  /** Ends the connection; transfers under way reject with `usb.closed`. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#table.releaseAll();
    await this.#connection?.close();
  }

  /** @throws {UsbError} `usb.request-failed`; {@linkcode TypeError} when there is none of this value */
  async selectConfiguration(configurationValue: number): Promise<void> {
    const connection = this.#alive();
    this.#table.expectConfiguration(configurationValue);
    for (const one of this.#table.configuration?.interfaces ?? []) {
      this.#cancel(one.interfaceNumber, "another configuration is chosen");
    }
    await standard(
      connection,
      "SET_CONFIGURATION",
      {
        recipient: "device",
        request: SET_CONFIGURATION,
        value: configurationValue,
        index: 0,
      },
      undefined,
      { timeoutMs: this.#timeoutMs },
    );
    this.#table.configure(configurationValue);
  }

  /** Costs nothing: nobody else can use the device. */
  claimInterface(interfaceNumber: number): Promise<void> {
    return settle(() => {
      this.#alive();
      this.#table.claim(interfaceNumber);
    });
  }

  /** Ends transfers on its endpoints. */
  releaseInterface(interfaceNumber: number): Promise<void> {
    return settle(() => {
      this.#alive();
      this.#cancel(interfaceNumber, "its interface is released");
      this.#table.release(interfaceNumber);
    });
  }

  /** Ends transfers on the endpoints of the interface. */
  async selectAlternateInterface(
    interfaceNumber: number,
    alternateSetting: number,
  ): Promise<void> {
    const connection = this.#alive();
    this.#table.expectAlternate(interfaceNumber, alternateSetting);
    this.#cancel(interfaceNumber, "another alternate setting is chosen");
    await standard(
      connection,
      "SET_INTERFACE",
      {
        recipient: "interface",
        request: SET_INTERFACE,
        value: alternateSetting,
        index: interfaceNumber,
      },
      undefined,
      { timeoutMs: this.#timeoutMs },
    );
    this.#table.select(interfaceNumber, alternateSetting);
  }

  /** Ends a stall. */
  async clearHalt(
    direction: UsbDirection,
    endpointNumber: number,
  ): Promise<void> {
    const connection = this.#alive();
    this.#table.endpoint(endpointNumber, direction);
    await standard(
      connection,
      "CLEAR_FEATURE(ENDPOINT_HALT)",
      {
        recipient: "endpoint",
        request: CLEAR_FEATURE,
        value: ENDPOINT_HALT,
        index: direction === "in" ? endpointNumber | 0x80 : endpointNumber,
      },
      undefined,
      { timeoutMs: this.#timeoutMs },
    );
  }

  /** @throws {UsbError} `usb.disconnected`, `usb.transfer-failed`, `usb.closed` */
  async controlTransferIn(
    setup: UsbControlSetup,
    length: number,
    { signal }: UsbIpTransferOptions = {},
  ): Promise<UsbInTransferResult> {
    const result = await control(this.#alive(), setup, length, { signal });
    const status = statusOf(result, 0);
    const { buffer, byteOffset, byteLength } = result.data;
    return { status, data: new DataView(buffer, byteOffset, byteLength) };
  }

  /** @throws {UsbError} `usb.disconnected`, `usb.transfer-failed`, `usb.closed` */
  async controlTransferOut(
    setup: UsbControlSetup,
    data: Uint8Array<ArrayBuffer> = new Uint8Array(0),
    { signal }: UsbIpTransferOptions = {},
  ): Promise<UsbOutTransferResult> {
    const result = await control(this.#alive(), setup, data, { signal });
    return { status: statusOf(result, 0), bytesWritten: result.actualLength };
  }

  /** @throws {UsbError} `usb.disconnected`, `usb.transfer-failed`, `usb.closed` */
  async transferIn(
    endpointNumber: number,
    length: number,
    options: UsbIpTransferOptions = {},
  ): Promise<UsbInTransferResult> {
    const connection = this.#alive();
    const pipe = this.#pipe(endpointNumber, "in");
    return await transferIn(connection, pipe, length, options);
  }

  /**
   * Sends `data`, which must not change until this is done. No empty packet follows.
   *
   * @throws {UsbError} `usb.disconnected`, `usb.transfer-failed`, `usb.closed`
   */
  async transferOut(
    endpointNumber: number,
    data: Uint8Array<ArrayBuffer>,
    options: UsbIpTransferOptions = {},
  ): Promise<UsbOutTransferResult> {
    const connection = this.#alive();
    const pipe = this.#pipe(endpointNumber, "out");
    return await transferOut(connection, pipe, data, options);
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  #alive(): UsbIpConnection {
    const connection = this.#connection;
    if (connection === undefined) {
      throw new TypeError("Cannot use the USB device: it is not open");
    }
    if (connection.error !== undefined) throw connection.error;
    return connection;
  }

  #pipe(endpointNumber: number, direction: UsbDirection): Pipe {
    const endpoint = this.#table.endpoint(endpointNumber, direction);
    return {
      endpoint: endpointNumber,
      direction,
      packetSize: endpoint.packetSize,
      interval: intervalOf(endpoint, this.#options.speed ?? USB_SPEED_HIGH),
      maxUrbBytes: this.#options.maxUrbBytes ?? MAX_URB_BYTES,
    };
  }

  #cancel(interfaceNumber: number, why: string): void {
    const endpoints = this.#table.endpointsOf(interfaceNumber);
    if (endpoints.length === 0) return;
    const error = new UsbError(
      "usb.closed",
      `Cannot finish transfer on interface ${interfaceNumber}: ${why}`,
      { facts: { interfaceNumber } },
    );
    for (const { endpointNumber, direction } of endpoints) {
      this.#connection?.cancel(endpointNumber, direction, error);
    }
  }
}

/**
 * A device whose stream is already in the phase of URBs, as that of `usbip-vudc` is from its first
 * byte on. It is open; once closed it cannot be opened again.
 *
 * @throws {UsbError} as {@linkcode UsbIpDevice.open}; the stream is closed then
 */
export async function openUsbIpDevice(
  stream: ByteStream,
  options: UsbIpDeviceOptions & { readonly signal?: AbortSignal } = {},
): Promise<UsbIpDevice> {
  let used = false;
  const device = new UsbIpDevice({ vendorId: 0, productId: 0 }, () => {
    if (used) return Promise.reject(unplugged());
    used = true;
    return Promise.resolve({ stream, options });
  });
  try {
    await device.open(options.signal ? { signal: options.signal } : {});
  } catch (error) {
    if (!used) closeStream(stream);
    throw error;
  }
  return device;
}

function unplugged(): UsbError {
  return new UsbError(
    "usb.disconnected",
    "Cannot open the USB device again: its connection is over; it appears anew when it is plugged in",
  );
}

/** Gives a thrown error as a rejection. */
function settle(action: () => void): Promise<void> {
  return new Promise((resolve) => {
    action();
    resolve();
  });
}
