/**
 * Devices to test with.
 *
 * @module
 */

import type {
  AlternateSpec,
  DeviceSpec,
} from "../../src/phone/usb_descriptors.ts";

const strings = { 1: "smoo", 2: "smoo gädget", 3: "0001", 4: "smoo" };

/** Packets of a smoo gadget, by speed: interrupt and bulk. */
const PACKETS = { 2: [64, 64], 3: [1024, 512], 5: [1024, 1024] } as const;

/** A functional descriptor of CDC, as real devices have them: to be passed over. */
const classDescriptor = Uint8Array.of(5, 0x24, 0, 0x10, 0x01);

/** A smoo interface with endpoint numbers that nobody would guess. */
function smoo(speed: 2 | 3 | 5): AlternateSpec {
  const [interrupt, bulk] = PACKETS[speed];
  return {
    triple: [0xff, 0x53, 0x4d],
    name: 4,
    classDescriptor,
    endpoints: [
      { address: 0x81, type: "interrupt", packetSize: interrupt, interval: 1 },
      { address: 0x02, type: "interrupt", packetSize: interrupt, interval: 4 },
      { address: 0x86, type: "bulk", packetSize: bulk },
      { address: 0x07, type: "bulk", packetSize: bulk },
    ],
  };
}

/** At full (2), high (3) or super speed (5). */
export function smooDevice(speed: 2 | 3 | 5 = 3): DeviceSpec {
  return {
    vendorId: 0x18d1,
    productId: 0xd00d,
    speed,
    strings,
    configurations: { 1: [[smoo(speed)]] },
  };
}

/**
 * Two configurations; in the second, serial lines come first and smoo is in alternate setting 1 of
 * interface 2.
 */
export function oddDevice(): DeviceSpec {
  const line: AlternateSpec = {
    triple: [0x0a, 0, 0],
    classDescriptor,
    endpoints: [
      { address: 0x83, type: "bulk", packetSize: 512 },
      { address: 0x03, type: "bulk", packetSize: 512 },
    ],
  };
  const control: AlternateSpec = {
    triple: [2, 2, 1],
    endpoints: [
      { address: 0x8f, type: "interrupt", packetSize: 16, interval: 9 },
    ],
  };
  const empty: AlternateSpec = { triple: [0xff, 0x53, 0x4d], endpoints: [] };
  return {
    vendorId: 0xdead,
    productId: 0xbeef,
    speed: 3,
    strings: {},
    configurations: {
      1: [[{ ...line, triple: [0xff, 0x42, 0x03] }]],
      2: [[control], [line], [empty, smoo(3)]],
    },
  };
}
