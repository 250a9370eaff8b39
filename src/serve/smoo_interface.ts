/**
 * Which interface of a device speaks smoo.
 *
 * @module
 */

import { findInterface } from "../usb/find.ts";
import type { UsbDevice, UsbEndpoint } from "../usb/shape.ts";

/** Class, subclass and protocol of smoo. */
const SMOO = [0xff, 0x53, 0x4d] as const;
/** Those of fastboot, which a gadget may mimic. */
const FASTBOOT = [0xff, 0x42, 0x03] as const;

/** The interface of smoo of a device. */
export interface SmooInterface {
  /** bConfigurationValue. */
  readonly configurationValue: number;
  /** bInterfaceNumber. */
  readonly interfaceNumber: number;
  /** bAlternateSetting. */
  readonly alternateSetting: number;
  /** The gadget looks like a bootloader: class ff/42/03. */
  readonly mimicsFastboot: boolean;
  /** By type and direction: their numbers differ with the controller of the phone. */
  readonly endpoints: {
    /** Requests. */
    readonly interruptIn: UsbEndpoint;
    /** Responses. */
    readonly interruptOut: UsbEndpoint;
    /** Payloads of Writes. */
    readonly bulkIn: UsbEndpoint;
    /** Payloads of Reads. */
    readonly bulkOut: UsbEndpoint;
  };
}

/**
 * Finds the interface of smoo by its descriptors, in any configuration and alternate setting.
 *
 * A real bootloader has no interrupt endpoints: they tell a gadget that mimics one from it.
 *
 * @returns Nothing when there is none.
 */
export function findSmooInterface(
  device: UsbDevice,
): SmooInterface | undefined {
  const found = findInterface(device, {
    triples: [SMOO, FASTBOOT],
    endpoints: ["interrupt-in", "interrupt-out", "bulk-in", "bulk-out"],
  });
  if (found === undefined) return undefined;
  const { configuration, alternate, endpoints } = found;
  return {
    configurationValue: configuration.configurationValue,
    interfaceNumber: found.interface.interfaceNumber,
    alternateSetting: alternate.alternateSetting,
    mimicsFastboot: alternate.interfaceSubclass === FASTBOOT[1],
    endpoints: {
      interruptIn: endpoints["interrupt-in"],
      interruptOut: endpoints["interrupt-out"],
      bulkIn: endpoints["bulk-in"],
      bulkOut: endpoints["bulk-out"],
    },
  };
}
