/**
 * Which interface of a USB device is a bootloader's.
 *
 * @module
 */

import { findInterface, type FoundInterface } from "../usb/find.ts";
import type { UsbDevice } from "../usb/shape.ts";

/** The interface of fastboot of a device. */
export type FastbootInterface = FoundInterface<"bulk-in" | "bulk-out">;

/**
 * Finds the interface of fastboot by its descriptors, in any configuration and alternate setting:
 * class ff/42/03, one bulk endpoint each way and nothing else. A gadget of ours that mimics fastboot
 * has interrupt endpoints, too.
 *
 * @returns Nothing when there is none.
 */
export function findFastbootInterface(
  device: Pick<UsbDevice, "configuration" | "configurations">,
): FastbootInterface | undefined {
  const configurations = device.configurations.map((configuration) => ({
    configurationValue: configuration.configurationValue,
    interfaces: configuration.interfaces.map((one) => ({
      interfaceNumber: one.interfaceNumber,
      claimed: one.claimed,
      alternates: one.alternates.filter(({ endpoints }) =>
        endpoints.length === 2
      ),
    })),
  }));
  return findInterface(
    { configuration: device.configuration, configurations },
    {
      triples: [[0xff, 0x42, 0x03]],
      endpoints: ["bulk-in", "bulk-out"],
    },
  );
}
