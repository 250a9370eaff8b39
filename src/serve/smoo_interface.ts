/**
 * Which interface of a device speaks smoo.
 *
 * @module
 */

import type {
  UsbAlternateInterface,
  UsbDevice,
  UsbEndpoint,
} from "../usb/shape.ts";

/** Class, subclass and protocol: that of smoo, and that of fastboot, which a gadget may mimic. */
const TRIPLES = [[0xff, 0x53, 0x4d], [0xff, 0x42, 0x03]] as const;

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
  for (const { configurationValue, interfaces } of device.configurations) {
    for (const { interfaceNumber, alternates } of interfaces) {
      for (const alternate of alternates) {
        const endpoints = smooEndpoints(alternate);
        if (endpoints === undefined) continue;
        return {
          configurationValue,
          interfaceNumber,
          alternateSetting: alternate.alternateSetting,
          mimicsFastboot: alternate.interfaceSubclass === TRIPLES[1][1],
          endpoints,
        };
      }
    }
  }
  return undefined;
}

function smooEndpoints(
  alternate: UsbAlternateInterface,
): SmooInterface["endpoints"] | undefined {
  const triple = [
    alternate.interfaceClass,
    alternate.interfaceSubclass,
    alternate.interfaceProtocol,
  ];
  if (!TRIPLES.some((known) => known.every((id, i) => id === triple[i]))) {
    return undefined;
  }
  const find = (type: UsbEndpoint["type"], direction: "in" | "out") =>
    alternate.endpoints.find((one) =>
      one.type === type && one.direction === direction
    );
  const interruptIn = find("interrupt", "in");
  const interruptOut = find("interrupt", "out");
  const bulkIn = find("bulk", "in");
  const bulkOut = find("bulk", "out");
  if (!interruptIn || !interruptOut || !bulkIn || !bulkOut) return undefined;
  return { interruptIn, interruptOut, bulkIn, bulkOut };
}
