/**
 * A virtual phone whose machine is a model: from its bootloader to its gadget without an emulator.
 *
 * @module
 */

import type { BootEvent } from "../../src/boot/run/events.ts";
import type { BootOptions, BootWorld } from "../../src/boot/run/options.ts";
import type { DeviceProfile } from "../../src/device/profile.ts";
import { parseFault } from "../../src/phone/fault_text.ts";
import {
  type RunningMachine,
  VirtualPhone,
  type VirtualPhoneOptions,
} from "../../src/phone/virtual_phone.ts";
import { serveUrbs } from "../../src/phone/usbip_urbs.ts";
import { UsbIpBus } from "../../src/usb/usbip/bus.ts";
import type { ByteStream } from "../../src/usb/usbip/stream.ts";
import { madeProfile } from "./boot_image.ts";
import { gadgetModel } from "./boot_remote.ts";
import { FAST, startBoot } from "./boot_world.ts";
import { SmooGadget } from "./smoo_gadget.ts";
import { streamPair } from "./usb_streams.ts";

const PRODUCT = "made";
const SERIAL = "0123";
/** For phones that are there, also on a machine that has a lot to do; the program's clock goes faster. */
const PATIENT: Partial<BootOptions> = {
  waitMs: 1_200_000,
  gadgetMs: 1_200_000,
};
/** For phones that never come. */
export const BRIEF: Partial<BootOptions> = { waitMs: 6000 };
/** For bootloaders that say nothing; in real time. */
export const SILENT: Partial<BootOptions> = {
  bootloader: { timeoutMs: 500, settleMs: 150 },
};

/** The profile of the phone, which a variable has to confirm. */
export function faultProfile(): DeviceProfile {
  return {
    ...madeProfile(),
    probe: [{ "fastboot.getvar": "product", equals: PRODUCT }],
  };
}

/** A virtual phone with faults as users write them. */
export class FaultPhone {
  readonly gadget: SmooGadget = new SmooGadget();
  readonly #phone: VirtualPhone;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(
    faults: readonly string[] = [],
    options: Partial<VirtualPhoneOptions> = {},
  ) {
    this.#phone = new VirtualPhone({
      machine: "aarch64",
      identity: {
        vendorId: 0x18d1,
        productId: 0xd00d,
        manufacturer: "fastboop",
        product: PRODUCT,
        serialNumber: SERIAL,
      },
      memoryMiB: 512,
      replugMs: 20,
      faults: faults.map(parseFault),
      start: () => Promise.resolve(this.#machine()),
      ...options,
    });
    this.#done = this.#phone.run(this.#stop.signal);
  }

  /** What a program that starts now sees. */
  get world(): BootWorld {
    const bus = new UsbIpBus({
      connect: () => {
        const [client, other] = streamPair();
        this.#phone.serveUsbIp(other);
        return Promise.resolve(client);
      },
      pollMs: 10,
    });
    return {
      ...FAST,
      usb: bus,
      portOf: (device) => bus.describe(device)?.busid,
    };
  }

  /** The phone is taken away. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("The test is over"));
    await this.#done;
  }

  #machine(): RunningMachine {
    let end!: () => void;
    const exited = new Promise<number>((resolve) => end = () => resolve(0));
    const { gadget } = this;
    let stream: ByteStream | undefined;
    return {
      exited,
      pid: 0,
      plugIn: ({ signal }) => {
        signal.throwIfAborted();
        const [host, guest] = streamPair();
        stream = guest;
        serveUrbs(gadgetModel(gadget, SERIAL), guest)
          .then(() => gadget.unplug());
        return Promise.resolve({ stream: host, devid: 0, speed: 3 });
      },
      stop: () => {
        stream?.close();
        end();
        return Promise.resolve();
      },
    };
  }
}

/** How `fastboop boot` ended. */
export interface BootEnd {
  /** The codes of what failed; none when the phone was booted and served. */
  readonly codes: readonly string[];
  readonly events: readonly BootEvent[];
}

/** What `fastboop boot --wait …` does with a phone, until it is served or all is over. */
export async function bootUntilServed(
  { world }: { readonly world: BootWorld },
  options: Partial<BootOptions> = {},
): Promise<BootEnd> {
  const boot = startBoot({ world }, {
    profiles: [faultProfile()],
    ...PATIENT,
    ...options,
  });
  await boot.seen("connected").then(() => boot.stop(), () => boot.done);
  const { events } = boot;
  const codes = events.flatMap((event) =>
    event.type === "failed" ? [event.code] : []
  );
  return { codes, events };
}
