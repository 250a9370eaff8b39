/**
 * The emulated bootloader on a modelled USB device.
 *
 * @module
 */

import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../../src/phone/fastboot_device.ts";
import { FakeUsbDevice } from "./usb_fake.ts";
import type {
  AlternateSpec,
  DeviceSpec,
} from "../../src/phone/usb_descriptors.ts";
import { UsbModel } from "../../src/phone/usb_device.ts";

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
  /** One packet after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ spec = fastbootSpec(), ...options }: FakePhoneOptions = {}) {
    const { packetSize } = spec.configurations[1]![0]![0]!.endpoints[0]!;
    this.device = new FastbootDevice({ packetSize, ...options });
    this.model = new UsbModel(spec);
    this.model.configuration = 1;
    this.usb = new FakeUsbDevice(this.model);
    const out = this.model.pipes.get(0x01)!;
    out.onOut = (bytes) => {
      const result = this.#turn.then(() => this.#take(bytes));
      this.#turn = result;
      return result;
    };
  }

  async #take(bytes: Uint8Array): Promise<void | "stall"> {
    const input = this.model.pipes.get(0x81)!;
    if (this.device.expected > 0) this.transfers.push(bytes.length);
    else this.commands.push(new TextDecoder().decode(bytes));
    for await (const action of this.device.receive(bytes)) {
      switch (action.kind) {
        case "reply":
          input.send(action.packet);
          break;
        case "stall":
          if (action.direction === "out") return "stall";
          input.halted = true;
          break;
        case "wait":
          await new Promise((resolve) => setTimeout(resolve, action.ms));
          break;
        case "unplug":
          this.usb.unplug();
          return;
        case "leave":
          this.left = { image: action.image };
      }
    }
  }
}
