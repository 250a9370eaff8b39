/**
 * Descriptors of a device, as they lie on the wire.
 *
 * @see USB 2.0, section 9.6
 * @module
 */

import { struct, u16, u8 } from "../bytes/struct.ts";
import type { FieldType, Struct } from "../bytes/struct.ts";
import { UsbError } from "./errors.ts";
import type {
  UsbAlternateInterface,
  UsbConfiguration,
  UsbEndpoint,
  UsbInterface,
} from "./shape.ts";

/** Types of descriptors (USB 2.0, table 9-5). */
export const DT_DEVICE = 1;
/** A configuration with its interfaces and endpoints. */
export const DT_CONFIGURATION = 2;
/** Text in UTF-16. */
export const DT_STRING = 3;
/** An alternate setting of an interface. */
export const DT_INTERFACE = 4;
/** An endpoint. */
export const DT_ENDPOINT = 5;

type U8 = FieldType<number>;
type U16 = FieldType<number>;

/** Device descriptor, 18 bytes. */
export const DeviceDescriptor: Struct<{
  length: U8;
  type: U8;
  usbVersion: U16;
  deviceClass: U8;
  deviceSubclass: U8;
  deviceProtocol: U8;
  maxPacketSize0: U8;
  vendorId: U16;
  productId: U16;
  deviceVersion: U16;
  manufacturer: U8;
  product: U8;
  serialNumber: U8;
  configurationCount: U8;
}> = struct("USB device descriptor", {
  length: u8,
  type: u8,
  usbVersion: u16,
  deviceClass: u8,
  deviceSubclass: u8,
  deviceProtocol: u8,
  maxPacketSize0: u8,
  vendorId: u16,
  productId: u16,
  deviceVersion: u16,
  /** Index of a string descriptor; 0 for none. */
  manufacturer: u8,
  product: u8,
  serialNumber: u8,
  configurationCount: u8,
});

/** Head of a configuration, 9 bytes. */
export const ConfigurationDescriptor: Struct<{
  length: U8;
  type: U8;
  totalLength: U16;
  interfaceCount: U8;
  configurationValue: U8;
  name: U8;
  attributes: U8;
  maxPower: U8;
}> = struct("USB configuration descriptor", {
  length: u8,
  type: u8,
  /** Bytes of the configuration with all that belongs to it. */
  totalLength: u16,
  interfaceCount: u8,
  configurationValue: u8,
  name: u8,
  attributes: u8,
  maxPower: u8,
});

/** An alternate setting of an interface, 9 bytes. */
export const InterfaceDescriptor: Struct<{
  length: U8;
  type: U8;
  interfaceNumber: U8;
  alternateSetting: U8;
  endpointCount: U8;
  interfaceClass: U8;
  interfaceSubclass: U8;
  interfaceProtocol: U8;
  name: U8;
}> = struct("USB interface descriptor", {
  length: u8,
  type: u8,
  interfaceNumber: u8,
  alternateSetting: u8,
  endpointCount: u8,
  interfaceClass: u8,
  interfaceSubclass: u8,
  interfaceProtocol: u8,
  name: u8,
});

/** An endpoint, 7 bytes, more for audio. */
export const EndpointDescriptor: Struct<{
  length: U8;
  type: U8;
  address: U8;
  attributes: U8;
  maxPacketSize: U16;
  interval: U8;
}> = struct("USB endpoint descriptor", {
  length: u8,
  type: u8,
  /** Bit 7: IN. */
  address: u8,
  /** Bits 0 and 1: control, isochronous, bulk, interrupt. */
  attributes: u8,
  /** Bits 0 to 10: bytes. */
  maxPacketSize: u16,
  /** Frames at full speed; an exponent of 2, from 1, of microframes above it. */
  interval: u8,
});

/** An endpoint with what only a host controller needs. */
export interface ParsedEndpoint extends UsbEndpoint {
  /** bInterval as it stands. */
  readonly interval: number;
}

/** An alternate setting with the index of its name. */
export interface ParsedAlternate extends UsbAlternateInterface {
  /** String descriptor, 0 for none. */
  readonly nameIndex: number;
  readonly endpoints: readonly ParsedEndpoint[];
}

/** An interface that nobody has claimed. */
export interface ParsedInterface extends UsbInterface {
  readonly alternates: readonly ParsedAlternate[];
}

/** A configuration as it was parsed. */
export interface ParsedConfiguration extends UsbConfiguration {
  readonly interfaces: readonly ParsedInterface[];
}

const ENDPOINT_TYPES = ["control", "isochronous", "bulk", "interrupt"] as const;

/**
 * Parses a whole configuration. Descriptors of other types are passed over, and so is what Linux
 * passes over: endpoints of type control or number 0, and what is there twice.
 *
 * @throws {UsbError} `usb.bad-descriptor`
 */
export function parseConfiguration(bytes: Uint8Array): ParsedConfiguration {
  expectDescriptor(bytes, 0, DT_CONFIGURATION, ConfigurationDescriptor);
  const head = ConfigurationDescriptor.read(bytes);
  if (head.totalLength !== bytes.length) {
    throw bad(
      0,
      `${bytes.length} bytes are there, expected ${head.totalLength}`,
    );
  }
  const interfaces: (ParsedInterface & { alternates: ParsedAlternate[] })[] =
    [];
  let endpoints: ParsedEndpoint[] | undefined;
  for (let at = head.length; at < bytes.length; at += bytes[at]!) {
    const left = bytes.length - at;
    if (left < 2 || bytes[at]! < 2 || bytes[at]! > left) {
      throw bad(at, `its length is ${bytes[at]}, expected 2 to ${left}`);
    }
    const type = bytes[at + 1];
    if (type === DT_INTERFACE) {
      expectDescriptor(bytes, at, type, InterfaceDescriptor);
      const found = InterfaceDescriptor.read(bytes, at);
      endpoints = [];
      addAlternate(interfaces, found, endpoints);
    } else if (type === DT_ENDPOINT) {
      expectDescriptor(bytes, at, type, EndpointDescriptor);
      if (endpoints === undefined) throw bad(at, "it belongs to no interface");
      addEndpoint(endpoints, EndpointDescriptor.read(bytes, at));
    }
  }
  return { configurationValue: head.configurationValue, interfaces };
}

function addAlternate(
  interfaces: (ParsedInterface & { alternates: ParsedAlternate[] })[],
  found: ReturnType<typeof InterfaceDescriptor.read>,
  endpoints: ParsedEndpoint[],
): void {
  const { interfaceNumber, alternateSetting } = found;
  let owner = interfaces.find((one) => one.interfaceNumber === interfaceNumber);
  if (owner === undefined) {
    interfaces.push(
      owner = { interfaceNumber, alternates: [], claimed: false },
    );
  }
  const { alternates } = owner;
  if (alternates.some((one) => one.alternateSetting === alternateSetting)) {
    return;
  }
  alternates.push({
    alternateSetting,
    interfaceClass: found.interfaceClass,
    interfaceSubclass: found.interfaceSubclass,
    interfaceProtocol: found.interfaceProtocol,
    nameIndex: found.name,
    endpoints,
  });
}

function addEndpoint(
  endpoints: ParsedEndpoint[],
  found: ReturnType<typeof EndpointDescriptor.read>,
): void {
  const endpointNumber = found.address & 15;
  const direction = found.address & 0x80 ? "in" : "out";
  const type = ENDPOINT_TYPES[found.attributes & 3]!;
  if (type === "control" || endpointNumber === 0) return;
  const twice = endpoints.some((one) =>
    one.endpointNumber === endpointNumber && one.direction === direction
  );
  if (twice) return;
  endpoints.push({
    endpointNumber,
    direction,
    type,
    packetSize: found.maxPacketSize & 0x7ff,
    interval: found.interval,
  });
}

/**
 * Takes the text out of a string descriptor.
 *
 * @throws {UsbError} `usb.bad-descriptor`
 */
export function parseString(bytes: Uint8Array): string {
  const length = bytes[0] ?? 0;
  if (length < 2 || length > bytes.length || bytes[1] !== DT_STRING) {
    throw bad(0, "it is no string");
  }
  return new TextDecoder("utf-16le").decode(bytes.subarray(2, length & ~1));
}

/**
 * Takes the first language out of string descriptor 0.
 *
 * @returns LANGID, or undefined when the device names none.
 */
export function parseLanguage(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4 || bytes[0]! < 4 || bytes[1] !== DT_STRING) {
    return undefined;
  }
  return bytes[2]! | bytes[3]! << 8;
}

/**
 * Demands that a descriptor of `type` lies whole at byte `at`.
 *
 * @throws {UsbError} `usb.bad-descriptor`
 */
export function expectDescriptor(
  bytes: Uint8Array,
  at: number,
  type: number,
  layout: { readonly name: string; readonly size: number },
): void {
  const left = bytes.length - at;
  const length = bytes[at] ?? 0;
  if (left < layout.size || length < layout.size || length > left) {
    throw bad(
      at,
      `its length is ${length} with ${left} bytes left, expected ${layout.size} of a ${layout.name}`,
    );
  }
  if (bytes[at + 1] !== type) {
    throw bad(at, `its type is ${bytes[at + 1]}, expected ${type}`);
  }
}

function bad(offset: number, found: string): UsbError {
  return new UsbError(
    "usb.bad-descriptor",
    `Cannot read the USB descriptor at byte ${offset}: ${found}; the device may be damaged, or have left while it was asked`,
    { facts: { offset } },
  );
}
