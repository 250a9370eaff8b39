/**
 * A modelled device in the shape of WebUSB, without anything in between.
 *
 * @module
 */

import { onAbort } from "../../src/block/abortable.ts";
import { parseConfiguration } from "../../src/usb/descriptors.ts";
import { UsbError } from "../../src/usb/errors.ts";
import { InterfaceTable } from "../../src/usb/usbip/interface_table.ts";
import type {
  UsbControlSetup,
  UsbDevice,
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
  UsbTransferStatus,
} from "../../src/usb/shape.ts";
import type { UsbModel } from "../../src/phone/usb_device.ts";
import type { TransferResult } from "../../src/phone/usb_endpoint.ts";

const STATUSES: Record<number, UsbTransferStatus> = {
  [0]: "ok",
  [-32]: "stall",
  [-75]: "babble",
};
const TYPES = { standard: 0, class: 1, vendor: 2 };
const RECIPIENTS = { device: 0, interface: 1, endpoint: 2, other: 3 };

export class FakeUsbDevice implements UsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | null;
  readonly productName: string | null;
  readonly manufacturerName: string | null;
  readonly model: UsbModel;
  opened = false;
  readonly #table: InterfaceTable;
  #life = new AbortController();
  #gone = false;

  constructor(model: UsbModel) {
    this.model = model;
    const { vendorId, productId, strings } = model.spec;
    this.vendorId = vendorId;
    this.productId = productId;
    this.manufacturerName = strings[1] ?? null;
    this.productName = strings[2] ?? null;
    this.serialNumber = strings[3] ?? null;
    const configurations = [...model.descriptors]
      .filter(([id]) => id >> 8 === 2)
      .map(([, bytes]) => parseConfiguration(bytes))
      .map((one) => ({
        ...one,
        interfaces: one.interfaces.map((each) => ({
          ...each,
          alternates: each.alternates.map((alternate) => ({
            ...alternate,
            interfaceName: strings[alternate.nameIndex] ?? null,
          })),
        })),
      }));
    this.#table = new InterfaceTable(configurations);
    this.#table.configure(model.configuration);
  }

  get configuration() {
    return this.#table.configuration;
  }

  get configurations() {
    return this.#table.configurations;
  }

  /** The cable is pulled: for ever. */
  unplug(): void {
    this.#gone = true;
    this.#life.abort(new UsbError("usb.disconnected", "The cable was pulled"));
  }

  async open(): Promise<void> {
    if (this.#gone) await this.#lives(Promise.resolve());
    if (this.opened) return;
    this.#life = new AbortController();
    this.opened = true;
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    if (!this.opened) return;
    this.opened = false;
    this.#table.releaseAll();
    this.#life.abort(new UsbError("usb.closed", "The device was closed"));
  }

  async selectConfiguration(value: number): Promise<void> {
    this.#table.expectConfiguration(value);
    await this.#request(0x00, 9, value, 0);
    this.#table.configure(value);
  }

  async claimInterface(interfaceNumber: number): Promise<void> {
    await this.#lives(Promise.resolve());
    this.#table.claim(interfaceNumber);
  }

  async releaseInterface(interfaceNumber: number): Promise<void> {
    await this.#lives(Promise.resolve());
    this.#table.release(interfaceNumber);
  }

  async selectAlternateInterface(one: number, setting: number): Promise<void> {
    this.#table.expectAlternate(one, setting);
    await this.#request(0x01, 11, setting, one);
    this.#table.select(one, setting);
  }

  async clearHalt(direction: UsbDirection, number: number): Promise<void> {
    this.#table.endpoint(number, direction);
    await this.#request(
      0x02,
      1,
      0,
      direction === "in" ? number | 0x80 : number,
    );
  }

  async controlTransferIn(
    setup: UsbControlSetup,
    length: number,
  ): Promise<UsbInTransferResult> {
    const packet = setupOf(setup, length, 0x80);
    return inResult(
      await this.#lives(this.model.control(packet, new Uint8Array(0))),
    );
  }

  async controlTransferOut(
    setup: UsbControlSetup,
    data: Uint8Array<ArrayBuffer> = new Uint8Array(0),
  ): Promise<UsbOutTransferResult> {
    const packet = setupOf(setup, data.length, 0);
    return outResult(await this.#lives(this.model.control(packet, data)));
  }

  async transferIn(
    number: number,
    length: number,
  ): Promise<UsbInTransferResult> {
    this.#table.endpoint(number, "in");
    const pipe = this.model.pipes.get(number | 0x80)!;
    return inResult(await this.#lives(pipe.in(length, this.#life.signal)));
  }

  async transferOut(
    number: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult> {
    this.#table.endpoint(number, "out");
    const pipe = this.model.pipes.get(number)!;
    const copy = data.slice();
    return outResult(await this.#lives(pipe.out(copy, this.#life.signal)));
  }

  async #request(type: number, request: number, value: number, index: number) {
    const packet = { requestType: type, request, value, index, length: 0 };
    const work = this.model.control(packet, new Uint8Array(0));
    const { status } = await this.#lives(work);
    if (status === 0) return;
    throw new UsbError("usb.request-failed", "The device refused the request");
  }

  /** Ends with the connection. */
  #lives<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#life;
    if (!this.opened && !this.#gone) {
      return Promise.reject(new TypeError("The device is not open"));
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const forget = onAbort(signal, () => reject(signal.reason));
      work.then(resolve, reject).finally(forget);
    });
  }
}

function setupOf(
  { requestType, recipient, request, value, index }: UsbControlSetup,
  length: number,
  direction: number,
) {
  return {
    requestType: direction | TYPES[requestType] << 5 | RECIPIENTS[recipient],
    request,
    value,
    index,
    length,
  };
}

function inResult({ status, data }: TransferResult): UsbInTransferResult {
  const { buffer, byteOffset, byteLength } = data;
  return {
    status: STATUSES[status]!,
    data: new DataView(buffer, byteOffset, byteLength),
  };
}

function outResult(
  { status, actualLength }: TransferResult,
): UsbOutTransferResult {
  return { status: STATUSES[status]!, bytesWritten: actualLength };
}
