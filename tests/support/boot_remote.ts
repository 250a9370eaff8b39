/**
 * Phones behind a USB/IP server in memory, each at its place, in its bootloader or as its gadget.
 *
 * @module
 */

import type { BootWorld } from "../../src/boot/run/options.ts";
import { UsbModel } from "../../src/phone/usb_device.ts";
import { UsbIpBus } from "../../src/usb/usbip/bus.ts";
import {
  type BootingPhoneOptions,
  bootloaderModel,
  FAST,
  pause,
} from "./boot_world.ts";
import { SmooGadget } from "./smoo_gadget.ts";
import { smooDevice } from "./usb_devices.ts";
import { UsbIpServer } from "./usb_ip_bus.ts";
import { streamPair } from "./usb_streams.ts";

/** A server, and the bus that a client sees. */
export class RemoteWorld {
  readonly server: UsbIpServer = new UsbIpServer();
  readonly bus: UsbIpBus;

  constructor() {
    this.bus = new UsbIpBus({
      connect: () => {
        const [client, other] = streamPair();
        this.server.serve(other);
        return Promise.resolve(client);
      },
      pollMs: 10,
    });
  }

  get world(): BootWorld {
    return {
      ...FAST,
      usb: this.bus,
      portOf: (device) => this.bus.describe(device)?.busid,
    };
  }
}

/** A phone at a place of the server. */
export class RemotePhone {
  readonly gadget: SmooGadget = new SmooGadget();
  image: Uint8Array | undefined;
  readonly #world: RemoteWorld;
  readonly #busid: string;
  readonly #options: BootingPhoneOptions;

  constructor(
    world: RemoteWorld,
    busid: string,
    options: BootingPhoneOptions = {},
  ) {
    this.#world = world;
    this.#busid = busid;
    this.#options = options;
    this.enterBootloader();
  }

  enterBootloader(): void {
    const model = bootloaderModel(this.#options, {
      onUnplug: () => this.unplug(),
      onLeave: async (image) => {
        this.image = image;
        await pause(5); // its answer is out
        this.unplug();
        await pause(20);
        this.enterGadget();
      },
    });
    this.#world.server.plug(this.#busid, model);
  }

  unplug(): void {
    this.#world.server.unplug(this.#busid);
    this.gadget.unplug();
  }

  /** Comes back as a gadget. */
  enterGadget(): void {
    const { serialNumber } = this.#options;
    const model = gadgetModel(this.gadget, serialNumber);
    this.#world.server.plug(this.#busid, model);
  }
}

/** A gadget on a USB device that looks like a bootloader; packets go from one model to the other. */
export function gadgetModel(
  gadget: SmooGadget,
  serialNumber: string | undefined,
): UsbModel {
  const spec = smooDevice();
  const { [3]: _, ...strings } = spec.strings;
  const alternate = spec.configurations[1]![0]![0]!;
  const model = new UsbModel({
    ...spec,
    strings: serialNumber === undefined
      ? strings
      : { ...strings, 3: serialNumber },
    configurations: { 1: [[{ ...alternate, triple: [0xff, 0x42, 0x03] }]] },
  });
  const { pipes } = gadget.plug();
  model.onControl = async ({ requestType, ...setup }, data) => {
    const type = {
      requestType: (requestType & 0x60) === 0x20 ? "class" : "vendor",
      recipient: "interface",
      ...setup,
    } as const;
    if ((requestType & 0x80) !== 0) {
      return await gadget.controlIn(type, setup.length) ?? "stall";
    }
    return gadget.controlOut(type, data) ? new Uint8Array(0) : "stall";
  };
  model.pipes.get(0x02)!.onOut = (bytes) => pipes.interruptOut.write(bytes);
  model.pipes.get(0x07)!.onOut = (bytes) => pipes.bulkOut.write(bytes);
  const forward = async () => {
    for (;;) {
      const { bytes } = await pipes.interruptIn.read(1024);
      model.pipes.get(0x81)!.send(bytes);
    }
  };
  forward().catch(() => {});
  return model;
}
