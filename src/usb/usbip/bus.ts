/**
 * The devices of a USB/IP server as a bus.
 *
 * @module
 */

import { UsbDeviceSet } from "../device_set.ts";
import { UsbError } from "../errors.ts";
import type { Usb, UsbConnectionEvent, UsbDevice } from "../shape.ts";
import { UsbIpDevice, type UsbIpDeviceOptions } from "./device.ts";
import { importDevice, listDevices, type RemoteDevice } from "./import.ts";
import { type ByteStream, closeStream } from "./stream.ts";

/** What a bus can be given. */
export interface UsbIpBusOptions {
  /** Connects to the server, once for each look at the list and each opened device. */
  readonly connect: (signal?: AbortSignal) => Promise<ByteStream>;
  /** Only this device is seen. */
  readonly busid?: string | undefined;
  /** Between two looks at the list, while somebody listens for events; default 1000. */
  readonly pollMs?: number | undefined;
  /**
   * Told when the list could not be had while watching, once until it can be had again; it is asked
   * for again. Who asks before it was ever had is told by that.
   */
  readonly onProblem?: ((error: unknown) => void) | undefined;
  /** For the devices. */
  readonly device?: Pick<UsbIpDeviceOptions, "maxUrbBytes" | "timeoutMs">;
}

type Type = "connect" | "disconnect";
type Listener = (event: UsbConnectionEvent) => void;

interface Entry {
  readonly remote: RemoteDevice;
  readonly device: UsbIpDevice;
  /** Lists in a row that did not have it. */
  missed: number;
}

/** A device that was closed here is not listed at once again: its server resets it first. */
const MISSES = 2;
const POLL_MS = 1000;

/**
 * What a USB/IP server offers, with `connect` and `disconnect` events by looking at its list as long
 * as there are listeners.
 *
 * A device is imported when it is opened, and nobody else can use it until it is closed. The list
 * tells no serial number and no endpoints, so those are known from the first `open` on;
 * {@linkcode describe} gives what the list tells.
 */
export class UsbIpBus implements Usb {
  readonly #options: UsbIpBusOptions;
  readonly #set = new UsbDeviceSet();
  readonly #entries = new Map<string, Entry>();
  #looking: Promise<void> | undefined;
  #watching = false;
  /** Those who wait for {@linkcode getDevices}. */
  #asking = 0;
  /** The list was had once. */
  #reached = false;
  /** It cannot be had now, and that was told. */
  #told = false;
  #wake: () => void = () => {};

  /** Does nothing until it is asked. */
  constructor(options: UsbIpBusOptions) {
    this.#options = options;
  }

  /**
   * Looks at the list.
   *
   * @throws {UsbError} `usb.unreachable`, `usb.bad-reply`, `usb.disconnected`, `usb.timeout`
   */
  async getDevices(): Promise<UsbDevice[]> {
    this.#asking++;
    try {
      await this.#look();
    } finally {
      this.#asking--;
    }
    return await this.#set.getDevices();
  }

  /** What the list says of a device of this bus. */
  describe(device: UsbDevice): RemoteDevice | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.device === device) return entry.remote;
    }
    return undefined;
  }

  /** Watches the list from now on. What is plugged in already is told, too, unless it is known. */
  addEventListener(type: Type, listener: Listener): void {
    this.#set.addEventListener(type, listener);
    this.#watch();
  }

  /** The last one to leave ends the watch. */
  removeEventListener(type: Type, listener: Listener): void {
    this.#set.removeEventListener(type, listener);
    if (!this.#set.listening) this.#wake();
  }

  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    while (this.#set.listening) {
      await this.#look().catch((error) => this.#problem(error));
      if (!this.#set.listening) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#options.pollMs ?? POLL_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#watching = false;
  }

  #problem(error: unknown): void {
    if (this.#told || !this.#reached && this.#asking > 0) return;
    this.#told = true;
    this.#options.onProblem?.(error);
  }

  /** One look at a time; who asks meanwhile shares it. */
  #look(): Promise<void> {
    return this.#looking ??= this.#compare().finally(() =>
      this.#looking = undefined
    );
  }

  async #compare(): Promise<void> {
    let list: RemoteDevice[];
    try {
      list = await listDevices(await this.#options.connect());
    } catch (error) {
      this.#compareWith([]);
      throw error;
    }
    this.#reached = true;
    this.#told = false;
    const { busid } = this.#options;
    this.#compareWith(
      list.filter((one) => busid === undefined || one.busid === busid),
    );
  }

  #compareWith(list: readonly RemoteDevice[]): void {
    const found = new Map(list.map((remote) => [keyOf(remote), remote]));
    for (const [key, entry] of this.#entries) {
      // Who has it open knows better than the list, which leaves it out.
      if (found.has(key) || entry.device.opened) entry.missed = 0;
      else if (++entry.missed >= MISSES) this.#remove(key, entry);
    }
    for (const [key, remote] of found) {
      if (this.#entries.has(key)) continue;
      const device = this.#device(key, remote);
      const entry: Entry = { remote, device, missed: 0 };
      this.#entries.set(key, entry);
      this.#set.plug(entry.device);
    }
  }

  #device(key: string, remote: RemoteDevice): UsbIpDevice {
    const { connect, device: options } = this.#options;
    return new UsbIpDevice(remote, async (signal) => {
      const stream = await connect(signal);
      const found = await importDevice(stream, remote.busid, { signal });
      const { devnum, busnum, speed } = found;
      if (keyOf(found) !== key) {
        closeStream(stream);
        throw new UsbError(
          "usb.disconnected",
          `Cannot open "${remote.busid}": another device is there now`,
          { facts: { busid: remote.busid } },
        );
      }
      const onEnd = ({ code }: UsbError) => {
        const entry = this.#entries.get(key);
        if (code !== "usb.closed" && entry) this.#remove(key, entry);
      };
      const devid = (busnum << 16 | devnum) >>> 0;
      return { stream, options: { ...options, devid, speed }, onEnd };
    });
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#set.unplug(entry.device);
  }
}

/** Tells a device that was plugged in again from the one before it. */
function keyOf(
  { busid, busnum, devnum, vendorId, productId }: RemoteDevice,
): string {
  return [busid, busnum, devnum, vendorId, productId].join();
}
