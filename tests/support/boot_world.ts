/**
 * A bus in memory with phones that take a boot image, leave, and come back as gadgets.
 *
 * @module
 */

import { toJson } from "../../src/boot/run/events.ts";
import type { BootEvent } from "../../src/boot/run/events.ts";
import type { BootOptions, BootWorld } from "../../src/boot/run/options.ts";
import { runBoot } from "../../src/boot/run/run.ts";
import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../../src/phone/fastboot_device.ts";
import {
  connectFastboot,
  type FastbootWatch,
} from "../../src/phone/fastboot_usb.ts";
import type { UsbModel } from "../../src/phone/usb_device.ts";
import type { ServedExport } from "../../src/serve/events.ts";
import { sleep } from "../../src/serve/link.ts";
import { UsbDeviceSet } from "../../src/usb/device_set.ts";
import type { UsbDevice } from "../../src/usb/shape.ts";
import { madeFiles, madeProfile } from "./boot_image.ts";
import { fastbootSpec } from "./fastboot_device.ts";
import { SmooGadget } from "./smoo_gadget.ts";
import { patternReader } from "./smoo_serving.ts";
import { FakeUsbDevice } from "./usb_fake.ts";

/** Times of the program are that much shorter here. */
export const FASTER = 20;

/** What a phone does when it is told to boot. */
export type AfterBoot =
  /** Comes back as the gadget that it should be. */
  | "gadget"
  /** The gadget has another serial number. */
  | "stranger"
  /** Is gone for good. */
  | "nothing"
  /** Is in its bootloader again. */
  | "bootloader"
  /** Does not leave the bus. */
  | "stay";

export interface BootingPhoneOptions extends FastbootDeviceOptions {
  readonly serialNumber?: string | undefined;
  readonly port?: string;
  readonly afterBoot?: AfterBoot;
  /** What stage0 logs. */
  readonly log?: string;
}

/** A phone that is plugged in at once. */
export class BootingPhone {
  readonly gadget: SmooGadget;
  /** What it was told to start. */
  image: Uint8Array | undefined;
  /** Commands, in order, each time in the bootloader anew. */
  commands: string[] = [];
  /** In its bootloader, now or the last time. */
  bootloader!: FakeUsbDevice;
  readonly #bus: FakeWorld;
  readonly #options: BootingPhoneOptions;

  constructor(bus: FakeWorld, options: BootingPhoneOptions) {
    this.#bus = bus;
    this.#options = options;
    const { log } = options;
    this.gadget = new SmooGadget(
      log === undefined
        ? {}
        : { log: { bytes: new TextEncoder().encode(log), keep: 65536 } },
    );
    this.enterBootloader();
  }

  /** Is in its bootloader, anew. */
  enterBootloader(): void {
    this.commands = [];
    const model = bootloaderModel(this.#options, {
      onCommand: (command) => this.commands.push(command),
      onUnplug: () => this.unplug(),
      onLeave: (image) => {
        this.image = image;
        this.#start();
      },
    });
    this.bootloader = new FakeUsbDevice(model);
    this.#bus.plug(this.bootloader, this.#options.port);
  }

  /** Comes back as a gadget. */
  enterGadget(serialNumber = this.#options.serialNumber): void {
    const device = this.gadget.plug({
      triple: [0xff, 0x42, 0x03],
      ...serialNumber === undefined ? {} : { serialNumber },
    });
    this.#bus.plug(device, this.#options.port);
  }

  /** The cable is pulled. */
  unplug(): void {
    this.#bus.unplug(this.bootloader);
    this.bootloader.unplug();
    if (this.gadget.device !== undefined) {
      this.#bus.unplug(this.gadget.device);
      this.gadget.unplug();
    }
  }

  /** Nothing of it is open. */
  get closed(): boolean {
    return !this.bootloader.opened && this.gadget.device?.opened !== true;
  }

  async #start(): Promise<void> {
    const { afterBoot = "gadget" } = this.#options;
    if (afterBoot === "stay") return;
    await pause(5); // its answer is out
    this.unplug();
    await pause(5);
    if (afterBoot === "gadget") this.enterGadget();
    if (afterBoot === "stranger") this.enterGadget("another");
    if (afterBoot === "bootloader") this.enterBootloader();
  }
}

/** A bootloader on a USB device, which says what is done to it. */
export function bootloaderModel(
  options: BootingPhoneOptions,
  watch: FastbootWatch,
): UsbModel {
  const { serialNumber } = options;
  const spec = fastbootSpec();
  const { [3]: _, ...strings } = spec.strings;
  const model = connectFastboot(
    {
      ...spec,
      strings: serialNumber === undefined
        ? strings
        : { ...strings, 3: serialNumber },
    },
    new FastbootDevice({ packetSize: 512, ...options }),
    watch,
  );
  model.configuration = 1;
  return model;
}

/** A bus and a clock. */
export class FakeWorld extends UsbDeviceSet {
  readonly #ports = new WeakMap<UsbDevice, string>();

  override plug(device: UsbDevice, port?: string): void {
    if (port !== undefined) this.#ports.set(device, port);
    super.plug(device);
  }

  get world(): BootWorld {
    return {
      ...FAST,
      usb: this,
      portOf: (device) => this.#ports.get(device),
    };
  }
}

/** A clock that goes faster. */
export const FAST = {
  now: (): number => performance.now() * FASTER,
  sleep: (ms: number, signal: AbortSignal): Promise<void> =>
    sleep(ms / FASTER, signal),
};

/** What {@linkcode startBoot} boots. */
export const IMAGE_BYTES = 1 << 20;

/** Boots, and keeps the events. */
export function startBoot(
  bus: { readonly world: BootWorld },
  options: Partial<BootOptions> = {},
  exports: readonly ServedExport[] = [
    { reader: patternReader(IMAGE_BYTES), blockSize: 4096 },
  ],
) {
  const cancel = new AbortController();
  const events: BootEvent[] = [];
  const waiting = new Set<() => void>();
  const stir = () => {
    for (const wake of [...waiting]) wake();
  };
  const stream = runBoot(
    {
      image: { files: madeFiles(), exports },
      profiles: [madeProfile()],
      plan: { cmdline: { mimicFastboot: true } },
      ...options,
    },
    bus.world,
    { signal: cancel.signal },
  );
  let over = false;
  const done = (async () => {
    for await (const event of stream) {
      events.push(event);
      stir();
    }
  })().finally(() => {
    over = true;
    stir();
  });
  done.catch(() => {});
  return {
    events,
    done,
    cancel,
    /** Waits for an event that is right; rejects when it cannot come any more. */
    async seen<T extends BootEvent["type"]>(
      type: T,
      is: (event: BootEvent & { type: T }) => boolean = () => true,
    ): Promise<BootEvent & { type: T }> {
      for (;;) {
        const found = events.find((event): event is BootEvent & { type: T } =>
          event.type === type && is(event as BootEvent & { type: T })
        );
        if (found !== undefined) return found;
        if (over) {
          throw new Error(
            `No ${type} in ${JSON.stringify(events.map(toJson))}`,
          );
        }
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
    },
    async stop(): Promise<void> {
      cancel.abort("stopped");
      await done.catch((error) => {
        if (error !== "stopped") throw error;
      });
    },
  };
}

/** Types of events in their order, repeated ones once; those of one phone when it is named. */
export function typesOf(
  events: readonly BootEvent[],
  phone?: string,
): string[] {
  return events
    .filter((event) =>
      phone === undefined || "phone" in event && event.phone === phone
    )
    .map(({ type }) => type)
    .filter((type, i, all) => type !== all[i - 1]);
}

/** Waits, in real time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
