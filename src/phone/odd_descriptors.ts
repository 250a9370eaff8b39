/**
 * Devices that describe themselves wrongly, on request.
 *
 * @see USB 2.0, section 9.6
 * @module
 */

import {
  DT_CONFIGURATION,
  DT_DEVICE,
  DT_ENDPOINT,
  DT_INTERFACE,
  DT_STRING,
} from "../usb/descriptors.ts";

/** Descriptors by wValue of GET_DESCRIPTOR; one that is not there is refused. */
type Descriptors = Map<number, Uint8Array>;

const DEVICE = DT_DEVICE << 8, CONFIGURATION = DT_CONFIGURATION << 8;
/** Where fields are, in bytes. */
const DEVICE_CONFIGURATIONS_AT = 17;
const CONFIGURATION_TOTAL_AT = 2, CONFIGURATION_SIZE = 9;
const INTERFACE_SUBCLASS_AT = 6;
const ENDPOINT_ADDRESS_AT = 2, ENDPOINT_PACKET_AT = 4;

/** What is odd, by name. */
const KINDS = {
  /** The device descriptor ends early. */
  "device-cut": (all) => all.set(DEVICE, all.get(DEVICE)!.slice(0, 8)),
  /** It announces more configurations than there are. */
  "configurations-255": (all) =>
    change(all, DEVICE, (bytes) => bytes[DEVICE_CONFIGURATIONS_AT] = 255),
  /** Its only configuration cannot be had. */
  "configuration-refused": (all) => all.delete(CONFIGURATION),
  /** The configuration ends within its last endpoint. */
  "configuration-cut": (all) =>
    all.set(CONFIGURATION, all.get(CONFIGURATION)!.slice(0, -3)),
  /** It states to be as large as it can be. */
  "configuration-65535": (all) =>
    change(all, CONFIGURATION, (bytes) => {
      bytes.fill(0xff, CONFIGURATION_TOTAL_AT, CONFIGURATION_TOTAL_AT + 2);
    }),
  /** A descriptor in it has no length: who goes on by it never ends. */
  "length-0": (all) =>
    change(all, CONFIGURATION, (bytes) => bytes[CONFIGURATION_SIZE] = 0),
  /** The interface is of another class. */
  "other-class": (all) =>
    each(all, DT_INTERFACE, (bytes, at) => {
      bytes[at + INTERFACE_SUBCLASS_AT] = 0x43;
    }),
  /** The interface has two endpoints of the same direction. */
  "both-in": (all) =>
    each(all, DT_ENDPOINT, (bytes, at) => {
      bytes[at + ENDPOINT_ADDRESS_AT]! |= 0x80;
    }),
  /** Endpoints take packets of no bytes. */
  "packets-of-0": (all) =>
    each(all, DT_ENDPOINT, (bytes, at) => {
      bytes.fill(0, at + ENDPOINT_PACKET_AT, at + ENDPOINT_PACKET_AT + 2);
    }),
  /** No text can be had, so neither names nor serial number. */
  "no-text": (all) => {
    for (const value of [...all.keys()]) {
      if (value >> 8 === DT_STRING) all.delete(value);
    }
  },
  /** All text is cut within a character. */
  "text-cut": (all) => {
    for (const [value, bytes] of all) {
      if (value >> 8 === DT_STRING) all.set(value, bytes.slice(0, -1));
    }
  },
} satisfies Readonly<Record<string, (all: Descriptors) => unknown>>;

/** Something odd, by name. */
export type OddDescriptors = keyof typeof KINDS;

/** All that there is. */
export const ODD_DESCRIPTORS: readonly OddDescriptors[] = Object.keys(
  KINDS,
) as OddDescriptors[];

/** Whether there is something odd of this name. */
export function isOddDescriptors(name: string): name is OddDescriptors {
  return Object.hasOwn(KINDS, name);
}

/** Makes what a device says of itself odd. */
export function makeOdd(descriptors: Descriptors, kind: OddDescriptors): void {
  KINDS[kind](descriptors);
}

function change(
  all: Descriptors,
  value: number,
  edit: (bytes: Uint8Array) => void,
): void {
  const bytes = all.get(value)!.slice();
  edit(bytes);
  all.set(value, bytes);
}

/** Edits each descriptor of a type in the configuration. */
function each(
  all: Descriptors,
  type: number,
  edit: (bytes: Uint8Array, at: number) => void,
): void {
  change(all, CONFIGURATION, (bytes) => {
    for (let at = 0; at < bytes.length; at += bytes[at]!) {
      if (bytes[at + 1] === type) edit(bytes, at);
    }
  });
}
