/**
 * Finding a phone again after it was told to boot.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import { findFastbootInterface } from "../../fastboot/usb_interface.ts";
import { ServeError } from "../../serve/errors.ts";
import { findSmooInterface } from "../../serve/smoo_interface.ts";
import type { SmooSource } from "../../serve/smoo_source.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { BusWatch } from "./bus_watch.ts";
import { phoneText, type RunContext, serialOf } from "./context.ts";
import { describePhone } from "./context.ts";
import type { PhoneData } from "./events.ts";

/** What a phone will call itself, and what it is known not to be. */
export interface ExpectedGadget {
  readonly device: PhoneData;
  /** On the bus before the phone booted: others. The phone itself is not among them. */
  readonly before: ReadonlySet<UsbDevice>;
  /** What the phone was so far: the bootloader that was told to boot, or the gadget. */
  readonly previous: UsbDevice;
  /** It was a gadget before: it runs already. */
  readonly running: boolean;
}

/** All phones of a run that may come back, and the gadgets they came back as. */
export class ExpectedGadgets {
  readonly #expected = new Set<ExpectedGadget>();
  readonly #owners = new WeakMap<UsbDevice, ExpectedGadget>();

  /** A phone may come back from now on. */
  add(gadget: ExpectedGadget): void {
    this.#expected.add(gadget);
  }

  /** It may not any more. */
  delete(gadget: ExpectedGadget): void {
    this.#expected.delete(gadget);
  }

  /** `device` is this one from now on. */
  own(device: UsbDevice, gadget: ExpectedGadget): void {
    this.#owners.set(device, gadget);
  }

  /** It is another phone of this run. */
  isOther(device: UsbDevice, port: string | undefined, gadget: ExpectedGadget) {
    const owner = this.#owners.get(device);
    if (owner !== undefined) return owner !== gadget;
    if (port === undefined || port === gadget.device.port) return false;
    return [...this.#expected].some((one) =>
      one !== gadget && one.device.port === port
    );
  }
}

/** What a {@linkcode gadgetSource} tells besides. */
export interface GadgetSightings {
  /** The phone is in a bootloader, again. */
  readonly onBootloader: (device: UsbDevice) => void;
  /** A gadget is there that is not the phone. */
  readonly onStranger: (text: string) => void;
}

/**
 * Finds the gadget that a phone came back as: by its serial number and ids, and by its port where
 * several could be meant. It may be open already when it is given.
 *
 * The ports of phones that come back faster are not the same, so ports only tell those apart that
 * nothing else does. Devices that cannot show their descriptors before they are opened, as over
 * USB/IP, are opened to see, one at a time, and only those with the right ids.
 */
export function gadgetSource(
  context: Pick<RunContext, "portOf">,
  bus: BusWatch,
  gadgets: ExpectedGadgets,
  gadget: ExpectedGadget,
  sightings: GadgetSightings,
  stop: AbortSignal,
): SmooSource {
  const { device: wanted, before, previous } = gadget;
  const { portOf } = context;

  const mayBe = (device: UsbDevice) =>
    [wanted, previous].some(({ vendorId, productId }) =>
      device.vendorId === vendorId && device.productId === productId
    ) && !before.has(device) &&
    !gadgets.isOther(device, portOf(device), gadget);

  const hasSerial = (device: UsbDevice) =>
    wanted.serialNumber === undefined ||
    serialOf(device) === wanted.serialNumber;

  const look = async (signal: AbortSignal): Promise<UsbDevice | undefined> => {
    const found: UsbDevice[] = [];
    for (const device of await bus.devices(signal)) {
      // somebody has it open: another phone of ours, while it is being looked at
      if (!mayBe(device) || device.opened) continue;
      if (!await showsDescriptors(device, device === previous)) continue;
      if (hasSerial(device) && findSmooInterface(device)) {
        found.push(device);
        continue;
      }
      await device.close().catch(() => {});
      if (findSmooInterface(device)) {
        sightings.onStranger(phoneText(describePhone(device, portOf)));
      } else if (
        // without a serial number it could be any phone
        wanted.serialNumber !== undefined && hasSerial(device) &&
        findFastbootInterface(device) && device !== previous
      ) {
        sightings.onBootloader(device);
      }
    }
    const here = found.filter((device) =>
      wanted.port !== undefined && portOf(device) === wanted.port
    );
    const likely = found.length === 1 ? found[0] : here[0];
    // who stopped waiting for us will not close it
    const chosen = signal.aborted ? undefined : likely;
    for (const device of found) {
      if (device !== chosen) await device.close().catch(() => {});
    }
    signal.throwIfAborted();
    if (chosen !== undefined) gadgets.own(chosen, gadget);
    else if (found.length > 1) throw ambiguous(found, wanted, portOf);
    return chosen;
  };

  return {
    find: ({ signal = stop }: ReadOptions) =>
      bus.alone(() => look(signal), signal),
    watch: (wake) => bus.onChange(wake),
  };
}

/** Opens a device that says nothing of itself, or may say something new. It stays open. */
async function showsDescriptors(
  device: UsbDevice,
  again: boolean,
): Promise<boolean> {
  if (device.configurations.length > 0 && !again) return true;
  try {
    await device.open();
    return device.configurations.length > 0;
  } catch {
    return false;
  }
}

function ambiguous(
  found: readonly UsbDevice[],
  wanted: PhoneData,
  portOf: RunContext["portOf"],
): ServeError {
  const list = found.map((device) => phoneText(describePhone(device, portOf)));
  return new ServeError(
    "smoo.ambiguous",
    `Cannot tell which gadget is ${phoneText(wanted)}: found ${
      list.join(", ")
    }, expected one; unplug the others`,
    { facts: { found: found.length } },
  );
}
