/**
 * The guest's device for as long as it stays on the bus.
 *
 * @module
 */

import { abortable } from "../block/abortable.ts";
import { type ByteStream, closeStream } from "../usb/usbip/stream.ts";
import {
  type GuestCable,
  type GuestCableOptions,
  GuestDevice,
} from "./guest_device.ts";
import type { Exportable, ExportedIdentity } from "./usbip_server.ts";

/** Where cables to a guest come from: one at a time. */
export interface CableSource {
  /** Waits for the guest's device. */
  plugIn(options: { readonly signal: AbortSignal }): Promise<GuestCable>;
}

/** Time for a guest to come back after a reset. */
const RESET_MS = 5000;

/**
 * Hands the device of a guest out to one host after the other.
 *
 * A host that gives it back leaves the bus as it is: as `usbip-host` does, the device is reset, which
 * for the controller of a guest means another connection. Whoever asks meanwhile waits for that.
 */
export class GuestPort implements Exportable {
  readonly identity: ExportedIdentity;
  /** Settles when the device has left: by itself, or by its cable. */
  readonly gone: Promise<void>;
  readonly #source: CableSource;
  readonly #signal: AbortSignal;
  readonly #options: GuestCableOptions;
  /** What is there, or comes back. */
  #device: Promise<GuestDevice | undefined>;

  private constructor(
    source: CableSource,
    device: GuestDevice,
    signal: AbortSignal,
    options: GuestCableOptions,
  ) {
    this.#source = source;
    this.#signal = signal;
    this.#options = options;
    this.identity = device.identity;
    this.#device = Promise.resolve(device);
    this.gone = this.#watch();
  }

  /**
   * The device behind a cable. It stays until `signal` says no more.
   *
   * @returns Nothing when it left before it said who it is.
   */
  static async open(
    source: CableSource,
    cable: GuestCable,
    signal: AbortSignal,
    options: GuestCableOptions = {},
  ): Promise<GuestPort | undefined> {
    const device = await GuestDevice.open(cable, options);
    return device && new GuestPort(source, device, signal, options);
  }

  async attach(stream: ByteStream): Promise<string> {
    const device = await this.#device;
    if (device !== undefined) return await device.attach(stream);
    closeStream(stream);
    return "guest left";
  }

  async #watch(): Promise<void> {
    for (;;) {
      const device = await this.#device;
      if (device === undefined) return;
      try {
        await abortable(device.gone, this.#signal);
      } catch {
        return device.close();
      }
      if (!device.released) return;
      this.#device = this.#comeBack();
    }
  }

  async #comeBack(): Promise<GuestDevice | undefined> {
    const late = AbortSignal.timeout(RESET_MS);
    const signal = AbortSignal.any([this.#signal, late]);
    const cable = await this.#source.plugIn({ signal }).catch(() => undefined);
    const device = cable && await GuestDevice.open(cable, this.#options);
    if (device === undefined) return undefined;
    const { vendorId, productId } = device.identity;
    if (
      vendorId === this.identity.vendorId &&
      productId === this.identity.productId
    ) return device;
    // another one: it comes again
    device.close();
    return undefined;
  }
}
