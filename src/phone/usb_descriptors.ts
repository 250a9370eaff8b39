/**
 * Descriptors of a device, made of what it is to be like.
 *
 * @see USB 2.0, section 9.6
 * @module
 */

import {
  ConfigurationDescriptor,
  DeviceDescriptor,
  DT_CONFIGURATION,
  DT_DEVICE,
  DT_ENDPOINT,
  DT_INTERFACE,
  DT_STRING,
  EndpointDescriptor,
  InterfaceDescriptor,
} from "../usb/descriptors.ts";

/** An endpoint of an alternate setting. */
export interface EndpointSpec {
  /** Bit 7: IN. */
  readonly address: number;
  readonly type: "bulk" | "interrupt" | "isochronous" | "control";
  /** wMaxPacketSize in bytes. */
  readonly packetSize: number;
  /** bInterval; 0 when absent. */
  readonly interval?: number;
}

/** One of the settings an interface can be in. */
export interface AlternateSpec {
  /** Class, subclass and protocol. */
  readonly triple: readonly [number, number, number];
  /** Index of a string. */
  readonly name?: number;
  readonly endpoints: readonly EndpointSpec[];
  /** A descriptor of a class behind that of the interface, as real devices have them. */
  readonly classDescriptor?: Uint8Array;
}

/** What a device is like. */
export interface DeviceSpec {
  readonly vendorId: number;
  readonly productId: number;
  /** `enum usb_device_speed`: 2 full, 3 high, 5 super. */
  readonly speed: number;
  /** By index; 1 manufacturer, 2 product, 3 serial. */
  readonly strings: Readonly<Record<number, string>>;
  /** By configuration value; interfaces by number; alternates by setting. */
  readonly configurations: Readonly<
    Record<number, readonly (readonly AlternateSpec[])[]>
  >;
}

const TYPES = { control: 0, isochronous: 1, bulk: 2, interrupt: 3 };
/** SuperSpeed endpoint companion (USB 3.2, section 9.6.7): no bursts, no streams. */
const COMPANION = Uint8Array.of(6, 0x30, 0, 0, 0, 0);
const US_ENGLISH = 0x0409;

/** All descriptors of a device, by wValue of GET_DESCRIPTOR. */
export function descriptorsOf(spec: DeviceSpec): Map<number, Uint8Array> {
  const descriptors = new Map([[DT_DEVICE << 8, deviceBytes(spec)]]);
  Object.entries(spec.configurations).forEach(([value, interfaces], index) =>
    descriptors.set(
      DT_CONFIGURATION << 8 | index,
      configurationBytes(Number(value), interfaces, spec.speed),
    )
  );
  descriptors.set(
    DT_STRING << 8,
    Uint8Array.of(4, DT_STRING, US_ENGLISH & 0xff, US_ENGLISH >> 8),
  );
  for (const [index, text] of Object.entries(spec.strings)) {
    descriptors.set(DT_STRING << 8 | Number(index), stringBytes(text));
  }
  return descriptors;
}

function deviceBytes(spec: DeviceSpec): Uint8Array {
  const index = (one: number) => spec.strings[one] === undefined ? 0 : one;
  const isSuper = spec.speed >= 5;
  return DeviceDescriptor.encode({
    length: DeviceDescriptor.size,
    type: DT_DEVICE,
    usbVersion: isSuper ? 0x0300 : 0x0200,
    deviceClass: 0,
    deviceSubclass: 0,
    deviceProtocol: 0,
    // an exponent of 2 at SuperSpeed
    maxPacketSize0: isSuper ? 9 : 64,
    vendorId: spec.vendorId,
    productId: spec.productId,
    deviceVersion: 0x0100,
    manufacturer: index(1),
    product: index(2),
    serialNumber: index(3),
    configurationCount: Object.keys(spec.configurations).length,
  });
}

function configurationBytes(
  configurationValue: number,
  interfaces: readonly (readonly AlternateSpec[])[],
  speed: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  interfaces.forEach((alternates, interfaceNumber) =>
    alternates.forEach((alternate, alternateSetting) => {
      const { triple, name = 0, endpoints, classDescriptor } = alternate;
      parts.push(InterfaceDescriptor.encode({
        length: InterfaceDescriptor.size,
        type: DT_INTERFACE,
        interfaceNumber,
        alternateSetting,
        endpointCount: endpoints.length,
        interfaceClass: triple[0],
        interfaceSubclass: triple[1],
        interfaceProtocol: triple[2],
        name,
      }));
      if (classDescriptor) parts.push(classDescriptor);
      for (const { address, type, packetSize, interval = 0 } of endpoints) {
        parts.push(EndpointDescriptor.encode({
          length: EndpointDescriptor.size,
          type: DT_ENDPOINT,
          address,
          attributes: TYPES[type],
          maxPacketSize: packetSize,
          interval,
        }));
        if (speed >= 5) parts.push(COMPANION);
      }
    })
  );
  const head = ConfigurationDescriptor.encode({
    length: ConfigurationDescriptor.size,
    type: DT_CONFIGURATION,
    totalLength: parts.reduce(
      (size, part) => size + part.length,
      ConfigurationDescriptor.size,
    ),
    interfaceCount: interfaces.length,
    configurationValue,
    name: 0,
    attributes: 0x80, // powered by the bus
    maxPower: 250,
  });
  return Uint8Array.from([head, ...parts].flatMap((part) => [...part]));
}

function stringBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  bytes.set([bytes.length, DT_STRING]);
  for (let i = 0; i < text.length; i++) {
    view.setUint16(2 + 2 * i, text.charCodeAt(i), true);
  }
  return bytes;
}
