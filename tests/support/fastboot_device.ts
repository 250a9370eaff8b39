/**
 * The emulated bootloader on a modelled USB device.
 *
 * @module
 */

import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../../src/phone/fastboot_device.ts";
import {
  connectFastboot,
  type FastbootWatch,
} from "../../src/phone/fastboot_usb.ts";
import { FakeUsbDevice } from "./usb_fake.ts";
import type {
  AlternateSpec,
  DeviceSpec,
} from "../../src/phone/usb_descriptors.ts";
import type { UsbModel } from "../../src/phone/usb_device.ts";

/** A phone in fastboot mode. */
export function fastbootSpec(
  packetSize = 512,
  speed: 2 | 3 | 5 = 3,
): DeviceSpec {
  const fastboot: AlternateSpec = {
    triple: [0xff, 0x42, 0x03],
    name: 4,
    endpoints: [
      { address: 0x81, type: "bulk", packetSize },
      { address: 0x01, type: "bulk", packetSize },
    ],
  };
  return {
    vendorId: 0x18d1,
    productId: 0xd00d,
    speed,
    strings: { 1: "Google", 2: "Android", 3: "0123456789", 4: "fastboot" },
    configurations: { 1: [[fastboot]] },
  };
}

export interface FakePhoneOptions extends FastbootDeviceOptions {
  readonly spec?: DeviceSpec;
  readonly sleep?: FastbootWatch["sleep"];
}

/** Everything that a host does to a phone over USB, and what the phone saw. */
export class FakePhone {
  readonly usb: FakeUsbDevice;
  readonly model: UsbModel;
  readonly device: FastbootDevice;
  /** Commands, in order. */
  readonly commands: string[] = [];
  /** Lengths of the transfers of data, in order. */
  readonly transfers: number[] = [];
  /** What was started. */
  left: { readonly image: Uint8Array | undefined } | undefined;

  constructor(
    { spec = fastbootSpec(), sleep, ...options }: FakePhoneOptions = {},
  ) {
    const { packetSize } = spec.configurations[1]![0]![0]!.endpoints[0]!;
    this.device = new FastbootDevice({ packetSize, ...options });
    this.model = connectFastboot(spec, this.device, {
      onCommand: (command) => this.commands.push(command),
      onData: (length) => this.transfers.push(length),
      onUnplug: () => this.usb.unplug(),
      onLeave: (image) => this.left = { image },
      sleep,
    });
    this.model.configuration = 1;
    this.usb = new FakeUsbDevice(this.model);
  }
}
