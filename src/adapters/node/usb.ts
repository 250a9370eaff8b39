/**
 * Where phones are plugged in: this machine, or another one over the network.
 *
 * @module
 */

import type { Usb, UsbDevice } from "../../usb/shape.ts";
import { loadNativeUsb } from "./usb_native.ts";
import { NativeUsbBus } from "./usb_native_bus.ts";
import { NativeUsbDevice } from "./usb_native_device.ts";
import { usbIpBus } from "./usbip.ts";

/** What {@linkcode openUsb} can be told. */
export interface OpenUsbOptions {
  /** As `UsbIpBusOptions` has it: a server that was there cannot be asked. It is asked again. */
  readonly onProblem?: ((error: unknown) => void) | undefined;
  /** Between two looks at a list while somebody listens; 1000 for servers, 2000 for this machine. */
  readonly pollMs?: number | undefined;
}

/** What is plugged in, and where. */
export interface OpenedUsb {
  /** The devices. */
  readonly usb: Usb;
  /** Bus and port of a device, as `--port` takes it; nothing when it is not one of these. */
  portOf(device: UsbDevice): string | undefined;
}

/**
 * Gives the devices that `spec` is about: `auto` for those of this machine, by the package `usb`, or
 * `usbip://host[:port][/busid]`. A server is not asked for anything yet.
 *
 * @throws {TypeError} when `spec` is neither
 * @throws {UsbError} `usb.unavailable` where this machine has no USB, or the package `usb` does not
 * know it
 *
 * @example
 * ```ts
 * import { openUsb } from "./usb.ts";
 *
 * const { usb, portOf } = await openUsb("usbip://lab.example");
 * async function list() {
 *   for (const device of await usb.getDevices()) console.log(portOf(device));
 * }
 * console.assert(list.length === 0);
 * ```
 */
export async function openUsb(
  spec = "auto",
  options: OpenUsbOptions = {},
): Promise<OpenedUsb> {
  if (spec === "auto") {
    return {
      usb: new NativeUsbBus(await loadNativeUsb(), options.pollMs),
      portOf: (device) =>
        device instanceof NativeUsbDevice ? device.port : undefined,
    };
  }
  if (!spec.startsWith("usbip:")) {
    throw new TypeError(
      `Cannot use "${spec}" as USB: expected auto, or usbip://host, usbip://host:port or usbip://host:port/busid`,
    );
  }
  const usb = usbIpBus(spec, options);
  return { usb, portOf: (device) => usb.describe(device)?.busid };
}
