/**
 * A host that boots a virtual phone as it would a real one: over its bus, with nothing else known.
 *
 * @module
 */

import { openFile } from "../../src/adapters/node/file.ts";
import { usbIpBus } from "../../src/adapters/node/usbip.ts";
import {
  type PhoneOptions,
  type RunningPhone,
  startPhone,
} from "../../src/adapters/node/virtual_phone.ts";
import { planBoot } from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { FastbootClient } from "../../src/fastboot/client.ts";
import { openFastbootUsb } from "../../src/fastboot/usb_transport.ts";
import { openImage } from "../../src/image/open_image.ts";
import type { PhoneEvent } from "../../src/phone/virtual_phone.ts";
import type { UsbDevice } from "../../src/usb/shape.ts";
import type { UsbIpBus } from "../../src/usb/usbip/bus.ts";

const POLL_MS = 50;

/** The boot image for a virtual phone: what `fastboop boot -o` writes. */
export async function planFor(
  image: string,
  profile: string,
  deviceSerial: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const found = BUILTIN_PROFILES.find(({ id }) => id === profile);
  if (found === undefined) throw new RangeError(`No profile "${profile}"`);
  const file = await openFile(image);
  try {
    const options = { cmdline: { deviceSerial } };
    const { files } = await openImage(file);
    return (await planBoot(files, found, options)).bytes;
  } finally {
    await file.close();
  }
}

/** A phone with all that happened to it. */
export class WatchedPhone {
  readonly events: PhoneEvent[] = [];
  /** The guest's console. */
  console = "";
  #phone: RunningPhone | undefined;

  static async start(options: PhoneOptions = {}): Promise<WatchedPhone> {
    const watched = new WatchedPhone();
    watched.#phone = await startPhone({
      replugMs: 50,
      ...options,
      onEvent: (event) => void watched.events.push(event),
      onConsole: (text) => void (watched.console += text),
    });
    return watched;
  }

  get running(): RunningPhone {
    return this.#phone!;
  }

  bus(): UsbIpBus {
    return usbIpBus(this.running.usbIpUrl, { pollMs: POLL_MS });
  }

  /** Waits for something to happen, or to have happened. */
  async until<Type extends PhoneEvent["type"]>(
    type: Type,
    timeoutMs = 60_000,
    fits: (event: Extract<PhoneEvent, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<PhoneEvent, { type: Type }>> {
    const is = (event: PhoneEvent): event is Extract<
      PhoneEvent,
      { type: Type }
    > => event.type === type && fits(event as never);
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.events.find(is);
      if (found !== undefined) return found;
      if (Date.now() > deadline) {
        throw new Error(
          `"${type}" did not happen in ${timeoutMs} ms; its console:\n${
            this.console.slice(-2000)
          }`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    await this.#phone!.stop();
  }
}

/** The one device of a bus, as soon as it is there. */
export async function findDevice(bus: UsbIpBus): Promise<UsbDevice> {
  for (let tries = 0;; tries++) {
    const [device] = await bus.getDevices();
    if (device !== undefined) return device;
    if (tries > 400) throw new Error("No device came");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Talks to the bootloader; the connection ends properly. */
export async function withFastboot<T>(
  bus: UsbIpBus,
  talk: (client: FastbootClient) => Promise<T>,
  timeoutMs = 30_000,
): Promise<T> {
  const transport = await openFastbootUsb(await findDevice(bus));
  const client = new FastbootClient(transport, { timeoutMs });
  try {
    return await talk(client);
  } finally {
    await client.close({ settleMs: 500 });
  }
}
