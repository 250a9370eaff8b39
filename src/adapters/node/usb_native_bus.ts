/**
 * The devices of this machine as a bus.
 *
 * @module
 */

import { UsbDeviceSet } from "../../usb/device_set.ts";
import type { Usb, UsbConnectionEvent, UsbDevice } from "../../usb/shape.ts";
import type { NativeUsb } from "./usb_native.ts";
import { NativeUsbDevice } from "./usb_native_device.ts";

/** A look at the list at least so often, while somebody listens: not every system tells of all. */
const POLL_MS = 2000;

type Type = "connect" | "disconnect";
type Listener = (event: UsbConnectionEvent) => void;

/**
 * The devices of this machine. Each is one object from when it is plugged in until it is unplugged,
 * and another one when it is plugged in again.
 */
export class NativeUsbBus implements Usb {
  readonly #native: NativeUsb;
  readonly #pollMs: number;
  readonly #set = new UsbDeviceSet();
  readonly #devices = new Map<string, NativeUsbDevice>();
  #looking: Promise<void> | undefined;
  #again = false;
  #unwatch: () => void = () => {};
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #changed = () => {
    this.#look().catch(() => {});
  };

  /** Does nothing until it is asked. */
  constructor(native: NativeUsb, pollMs = POLL_MS) {
    this.#native = native;
    this.#pollMs = pollMs;
  }

  async getDevices(): Promise<UsbDevice[]> {
    await this.#look();
    return await this.#set.getDevices();
  }

  addEventListener(type: Type, listener: Listener): void {
    const first = !this.#set.listening;
    this.#set.addEventListener(type, listener);
    if (!first) return;
    this.#unwatch = this.#native.watch(this.#changed);
    this.#timer = setInterval(this.#changed, this.#pollMs);
    this.#changed();
  }

  removeEventListener(type: Type, listener: Listener): void {
    const before = this.#set.listening;
    this.#set.removeEventListener(type, listener);
    if (!before || this.#set.listening) return;
    this.#unwatch();
    clearInterval(this.#timer);
  }

  /** One look at a time; what changes meanwhile is seen by another one. */
  async #look(): Promise<void> {
    if (this.#looking !== undefined) {
      this.#again = true;
      return await this.#looking;
    }
    this.#looking = (async () => {
      do {
        this.#again = false;
        this.#compare(await this.#native.getDevices());
      } while (this.#again);
    })();
    try {
      await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  #compare(list: Awaited<ReturnType<NativeUsb["getDevices"]>>): void {
    const there = new Map(list.map((native) => [native.handle, native]));
    for (const [handle, device] of this.#devices) {
      if (there.has(handle)) continue;
      this.#devices.delete(handle);
      device.leave();
      this.#set.unplug(device);
    }
    for (const [handle, native] of there) {
      if (this.#devices.has(handle)) continue;
      const device = new NativeUsbDevice(native);
      this.#devices.set(handle, device);
      this.#set.plug(device);
    }
  }
}
