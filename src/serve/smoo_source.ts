/**
 * Where gadgets come from.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import type { Usb, UsbDevice } from "../usb/shape.ts";
import { ServeError } from "./errors.ts";
import { findSmooInterface } from "./smoo_interface.ts";

/** Finds the gadget that is to be served, again and again. */
export interface SmooSource {
  /** Looks once; nothing when it is not there. */
  find(options: ReadOptions): Promise<UsbDevice | undefined>;
  /** Calls `wake` whenever it is worth to look again; gives what ends that. */
  watch?(wake: () => void): () => void;
}

/** Which gadget, when there may be several. What is absent is not looked at. */
export interface SmooFilter {
  /** Compared exactly. */
  readonly serialNumber?: string | undefined;
  /** idVendor. */
  readonly vendorId?: number | undefined;
  /** idProduct. */
  readonly productId?: number | undefined;
}

/**
 * Makes a source of a bus: the one device that has an interface of smoo and fits `filter`.
 *
 * A phone that was booted by fastboop has the ids and the serial number that its bootloader had, so
 * with several phones give the serial number. Devices whose descriptors make no sense are passed
 * over; one that cannot show them before it is opened, as over USB/IP, is opened once to see.
 * {@linkcode SmooSource.find} throws {@linkcode ServeError} `smoo.ambiguous` when several fit.
 */
export function smooSource(usb: Usb, filter: SmooFilter = {}): SmooSource {
  const refused = new WeakSet<UsbDevice>();
  return {
    async find({ signal }) {
      const found: UsbDevice[] = [];
      for (const device of await usb.getDevices()) {
        signal?.throwIfAborted();
        if (!hasIds(device, filter) || refused.has(device)) continue;
        if (!await showsDescriptors(device)) refused.add(device);
        else if (fits(device, filter)) found.push(device);
      }
      if (found.length <= 1) return found[0];
      const serials = found.map(({ serialNumber }) => `"${serialNumber}"`);
      throw new ServeError(
        "smoo.ambiguous",
        `Cannot choose a phone: found ${found.length} gadgets of smoo with the serial numbers ${
          serials.join(", ")
        }, expected one; say which`,
        { facts: { found: found.length } },
      );
    },
    watch(wake) {
      usb.addEventListener("connect", wake);
      return () => usb.removeEventListener("connect", wake);
    },
  };
}

function hasIds(device: UsbDevice, filter: SmooFilter): boolean {
  const { vendorId, productId } = filter;
  if (vendorId !== undefined && device.vendorId !== vendorId) return false;
  return productId === undefined || device.productId === productId;
}

function fits(device: UsbDevice, { serialNumber }: SmooFilter): boolean {
  if (serialNumber !== undefined && device.serialNumber !== serialNumber) {
    return false;
  }
  return findSmooInterface(device) !== undefined;
}

async function showsDescriptors(device: UsbDevice): Promise<boolean> {
  try {
    if (device.configurations.length > 0) return true;
    await device.open();
    await device.close();
    return device.configurations.length > 0;
  } catch {
    return false;
  }
}
