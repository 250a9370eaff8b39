/**
 * A smoo host without manners: sends what a test says, byte for byte.
 *
 * @module
 */

import { findInterface, type FoundInterface } from "../../src/usb/find.ts";
import type { UsbDevice, UsbTransferStatus } from "../../src/usb/shape.ts";

const PIPES = [
  "interrupt-in",
  "interrupt-out",
  "bulk-in",
  "bulk-out",
] as const;
const SMOO = 0x53, MESSAGE_SIZE = 28;

/** What a control transfer ended with. */
export interface Answer {
  readonly status: UsbTransferStatus;
  readonly bytes: Uint8Array;
}

/** The interface of smoo on an open device. */
export class RawSmoo {
  readonly device: UsbDevice;
  readonly found: FoundInterface<typeof PIPES[number]>;

  private constructor(
    device: UsbDevice,
    found: FoundInterface<typeof PIPES[number]>,
  ) {
    this.device = device;
    this.found = found;
  }

  /** Claims the interface. The configuration must be set by then, or is set. */
  static async claim(device: UsbDevice): Promise<RawSmoo> {
    const found = findInterface(device, {
      triples: [[0xff, SMOO, 0x4d], [0xff, 0x42, 0x03]],
      endpoints: PIPES,
    });
    if (found === undefined) throw new Error("The device has no smoo");
    const { configurationValue } = found.configuration;
    if (device.configuration?.configurationValue !== configurationValue) {
      await device.selectConfiguration(configurationValue);
    }
    await device.claimInterface(found.interface.interfaceNumber);
    return new RawSmoo(device, found);
  }

  /** A control request that is answered: bmRequestType by its type, recipient interface. */
  async ask(
    requestType: "vendor" | "class",
    request: number,
    length: number,
    value = 0,
  ): Promise<Answer> {
    const { status, data } = await this.device.controlTransferIn(
      this.#setup(requestType, request, value),
      length,
    );
    const bytes = data
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(0);
    return { status: status ?? "ok", bytes };
  }

  /** CONFIG_EXPORTS with any payload. */
  async configure(bytes: Uint8Array<ArrayBuffer>): Promise<UsbTransferStatus> {
    const setup = this.#setup("vendor", 2, 0);
    const { status } = await this.device.controlTransferOut(setup, bytes);
    return status ?? "ok";
  }

  /** IDENT. */
  ident(length: number): Promise<Answer> {
    return this.ask("vendor", 1, length);
  }

  /** STATUS, taken apart by hand. */
  async status(): Promise<
    { active: boolean; exportCount: number; sessionId: bigint }
  > {
    const { status, bytes } = await this.ask("class", 3, 16);
    if (status !== "ok" || bytes.length !== 16) {
      throw new Error(`STATUS gave ${status} and ${bytes.length} bytes`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    if (view.getUint16(0, true) !== 0) throw new Error("STATUS has a version");
    return {
      active: (view.getUint16(2, true) & 1) === 1,
      exportCount: view.getUint32(4, true),
      sessionId: view.getBigUint64(8, true),
    };
  }

  /** The next Request. Rejects when the device goes. */
  async request(): Promise<Uint8Array> {
    const { endpointNumber } = this.found.endpoints["interrupt-in"];
    const { data } = await this.device.transferIn(endpointNumber, MESSAGE_SIZE);
    return new Uint8Array(data!.buffer, data!.byteOffset, data!.byteLength);
  }

  /** Anything on the pipe of Responses. */
  async respond(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { endpointNumber } = this.found.endpoints["interrupt-out"];
    await this.device.transferOut(endpointNumber, bytes);
  }

  /** Anything on the pipe of payloads. */
  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { endpointNumber } = this.found.endpoints["bulk-out"];
    await this.device.transferOut(endpointNumber, bytes);
  }

  #setup(requestType: "vendor" | "class", request: number, value: number) {
    const index = this.found.interface.interfaceNumber;
    return {
      requestType,
      recipient: "interface" as const,
      request,
      value,
      index,
    };
  }
}

/** A CONFIG_EXPORTS payload from the numbers it should hold. */
export function configBytes(
  exports: readonly { id: number; blockSize: number; size: number }[],
  { version = 0, flags = 0, count = exports.length } = {},
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(8 + 24 * exports.length));
  view.setUint16(0, version, true);
  view.setUint16(2, count, true);
  view.setUint32(4, flags, true);
  for (const [i, { id, blockSize, size }] of exports.entries()) {
    view.setUint32(8 + 24 * i, id, true);
    view.setUint32(12 + 24 * i, blockSize, true);
    view.setBigUint64(16 + 24 * i, BigInt(size), true);
  }
  return new Uint8Array(view.buffer);
}
