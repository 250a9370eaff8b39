/**
 * What the package `usb` 3.1 does, with modelled devices instead of the machine's: new objects for
 * the same device, time limits, one transfer at a time on an endpoint, whole packets only, and errors
 * that have nothing but words.
 *
 * @module
 */

import type {
  NativeDevice,
  NativeUsb,
} from "../../src/adapters/node/usb_native.ts";
import type { UsbModel } from "../../src/phone/usb_device.ts";
import { isCoded } from "../../src/errors.ts";
import type {
  UsbControlSetup,
  UsbDirection,
  UsbInTransferResult,
} from "../../src/usb/shape.ts";
import { FakeUsbDevice } from "./usb_fake.ts";

type Listener = () => void;

/** A machine into which modelled devices are plugged. */
export class FakeNativeUsb implements NativeUsb {
  /** Says nothing of what comes and goes. */
  silent = false;
  readonly #plugged = new Map<string, PluggedDevice>();
  readonly #listeners = new Set<Listener>();
  #count = 0;

  /** Plugs a device in, at a port of bus 1. */
  plug(model: UsbModel, port = 1): PluggedDevice {
    const handle = `handle ${++this.#count}`;
    const device = new PluggedDevice(model, handle, port);
    this.#plugged.set(handle, device);
    this.#tell();
    return device;
  }

  /** Pulls its cable. */
  unplug(device: PluggedDevice): void {
    this.#plugged.delete(device.handle);
    device.fake.unplug();
    this.#tell();
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async getDevices(): Promise<NativeDevice[]> {
    // another task may look meanwhile
    await new Promise((resolve) => setTimeout(resolve, 1));
    return [...this.#plugged.values()].map((device) => device.view());
  }

  watch(changed: Listener): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  #tell(): void {
    if (this.silent) return;
    for (const listener of this.#listeners) listener();
  }
}

/** A device that is plugged in. */
export class PluggedDevice {
  readonly fake: FakeUsbDevice;
  readonly handle: string;
  /** What the next calls of `open` fail with. */
  readonly openErrors: string[] = [];
  /** It was closed with a transfer under way. */
  closedBusy = false;
  readonly #port: number;
  readonly #busy = new Set<string>();
  readonly #held = new Map<number, Promise<UsbInTransferResult>>();

  constructor(model: UsbModel, handle: string, port: number) {
    this.fake = new FakeUsbDevice(model);
    this.handle = handle;
    this.#port = port;
  }

  /** An object that stands for it, another one each time. */
  view(): NativeDevice {
    const { fake, handle } = this;
    const words = <T>(work: () => Promise<T>) => inWords(work);
    return {
      vendorId: fake.vendorId,
      productId: fake.productId,
      serialNumber: fake.serialNumber,
      productName: fake.productName,
      manufacturerName: fake.manufacturerName,
      handle,
      bus: "001",
      ports: [this.#port],
      get configuration() {
        const { configuration } = fake;
        if (!configuration) throw new Error("configuration not found");
        return configuration;
      },
      configurations: fake.configurations,
      open: () =>
        words(async () => {
          const error = this.openErrors.shift();
          if (error !== undefined) throw new Error(error);
          await fake.open();
        }),
      close: () =>
        words(async () => {
          this.closedBusy ||= this.#busy.size > 0;
          await fake.close();
          this.#held.clear();
        }),
      selectConfiguration: (value) =>
        words(() => fake.selectConfiguration(value)),
      claimInterface: (number) => words(() => fake.claimInterface(number)),
      releaseInterface: (number) => words(() => fake.releaseInterface(number)),
      selectAlternateInterface: (number, setting) =>
        words(() => fake.selectAlternateInterface(number, setting)),
      clearHalt: (direction: UsbDirection, endpoint) =>
        words(() => fake.clearHalt(direction, endpoint)),
      controlTransferIn: (setup: UsbControlSetup, length) =>
        words(() => fake.controlTransferIn(setup, length)),
      controlTransferOut: (setup: UsbControlSetup, data) =>
        words(() => fake.controlTransferOut(setup, data)),
      transferIn: (endpoint, length, timeout) =>
        this.#alone(`in ${endpoint}`, () => {
          const { packetSize } = fake.model.pipes.get(endpoint | 0x80) ??
            { packetSize: 1 };
          if (length % packetSize !== 0) {
            throw new Error("Panic in async function");
          }
          return this.#limited(
            endpoint,
            timeout,
            () => fake.transferIn(endpoint, length),
          );
        }),
      transferOut: (endpoint, data) =>
        this.#alone(`out ${endpoint}`, () => fake.transferOut(endpoint, data)),
    };
  }

  /** What was cut off goes on in the next transfer: the device has sent nothing of it yet. */
  async #limited(
    endpoint: number,
    timeout: number,
    start: () => Promise<UsbInTransferResult>,
  ): Promise<UsbInTransferResult> {
    const transfer = this.#held.get(endpoint) ?? start();
    this.#held.set(endpoint, transfer);
    transfer.catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error("transferIn error: transfer was cancelled")),
        timeout,
      );
    });
    try {
      const result = await Promise.race([transfer, late]);
      this.#held.delete(endpoint);
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  #alone<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    return inWords(async () => {
      if (this.#busy.has(endpoint)) throw new Error("endpoint already in use");
      this.#busy.add(endpoint);
      try {
        return await work();
      } finally {
        this.#busy.delete(endpoint);
      }
    });
  }
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isCoded(error, "usb.disconnected")) {
      throw new Error("transfer error: device disconnected");
    }
    throw new Error(error instanceof Error ? error.message : String(error));
  }
}
