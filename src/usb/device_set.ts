/**
 * A bus whose devices are told to it.
 *
 * @module
 */

import type { Usb, UsbConnectionEvent, UsbDevice } from "./shape.ts";

type Listener = (event: UsbConnectionEvent) => void;

/** Devices that are plugged in, and who wants to know of it. Fits where `navigator.usb` does. */
export class UsbDeviceSet implements Usb {
  readonly #devices = new Set<UsbDevice>();
  readonly #listeners = {
    connect: new Set<Listener>(),
    disconnect: new Set<Listener>(),
  };

  /** Those that are plugged in, in the order in which they were. */
  getDevices(): Promise<UsbDevice[]> {
    return Promise.resolve([...this.#devices]);
  }

  /** Calls `listener` for every device that comes or goes from now on. */
  addEventListener(type: "connect" | "disconnect", listener: Listener): void {
    this.#listeners[type].add(listener);
  }

  /** Undoes {@linkcode addEventListener}. */
  removeEventListener(
    type: "connect" | "disconnect",
    listener: Listener,
  ): void {
    this.#listeners[type].delete(listener);
  }

  /** Whether anybody wants to know of what comes and goes. */
  get listening(): boolean {
    const { connect, disconnect } = this.#listeners;
    return connect.size + disconnect.size > 0;
  }

  /** A device is there; does nothing when it was. */
  plug(device: UsbDevice): void {
    if (this.#devices.has(device)) return;
    this.#devices.add(device);
    this.#tell("connect", device);
  }

  /** A device is gone; does nothing when it was not there. */
  unplug(device: UsbDevice): void {
    if (this.#devices.delete(device)) this.#tell("disconnect", device);
  }

  #tell(type: "connect" | "disconnect", device: UsbDevice): void {
    for (const listener of [...this.#listeners[type]]) listener({ device });
  }
}
