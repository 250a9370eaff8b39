/**
 * Asking a bootloader which phone it is in.
 *
 * @module
 */

import { describeMiss, Prober } from "../../device/probe.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { isCoded } from "../../errors.ts";
import { FastbootClient } from "../../fastboot/client.ts";
import { findFastbootInterface } from "../../fastboot/usb_interface.ts";
import { openFastbootUsb } from "../../fastboot/usb_transport.ts";
import { findSmooInterface } from "../../serve/smoo_interface.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { RunContext } from "./context.ts";
import { describePhone } from "./context.ts";
import type { PhoneNames } from "./names.ts";
import type { FindOptions, FoundPhone } from "./options.ts";

/** A phone whose bootloader is connected. Who has it closes it. */
export interface BootablePhone extends FoundPhone {
  readonly running: false;
  /** As it is on the bus now. */
  readonly usbDevice: UsbDevice;
  readonly client: FastbootClient;
}

/** A phone that runs from an image already. Nothing of it is open. */
export interface RunningPhone extends FoundPhone {
  readonly running: true;
  /** As it is on the bus now. */
  readonly usbDevice: UsbDevice;
}

/** What a look at a device gave. */
export type Examined =
  /** It can be booted. */
  | BootablePhone
  /** It can be served again, and is to be. */
  | RunningPhone
  /** It is none that we boot; it need not be looked at again. */
  | "other"
  /** It is gone. */
  | "gone";

/** Profiles of phones whose bootloader has the ids of `device`. */
export function profilesOf(
  { vendorId, productId }: UsbDevice,
  profiles: readonly DeviceProfile[],
): DeviceProfile[] {
  return profiles.filter(({ match }) =>
    match.some(({ fastboot }) =>
      fastboot.vid === vendorId && fastboot.pid === productId
    )
  );
}

/**
 * Opens a device, and asks its bootloader what the probes of `profiles` ask for. Nothing but
 * `getvar` is said.
 *
 * @param isThere Whether the device is plugged in still.
 * @param mayBe Whether a device is meant that could show its serial number only now.
 * @throws {UsbError} `usb.access-denied`, `usb.busy`, `usb.open-failed`
 * @throws {FastbootError} `fastboot.timeout`, `fastboot.lost`, `fastboot.bad-reply`
 */
export async function examine(
  device: UsbDevice,
  context: RunContext<FindOptions>,
  names: PhoneNames,
  isThere: () => Promise<boolean>,
  mayBe: (device: UsbDevice) => boolean,
): Promise<Examined> {
  const { signal, emit, options: { bootloader = {} } } = context;
  const profiles = profilesOf(device, context.options.profiles);
  if (device.configurations.length > 0 && !findFastbootInterface(device)) {
    return judgeGadget(device, context, names, mayBe);
  }
  let phone: string | undefined;
  let client: FastbootClient | undefined;
  let keep = false;
  try {
    const transport = await openFastbootUsb(device, {
      ...bootloader,
      signal,
    });
    client = new FastbootClient(transport, {
      timeoutMs: bootloader.timeoutMs,
      onMessage: ({ text }) => {
        if (phone !== undefined) {
          emit({ type: "bootloader-message", phone, text });
        }
      },
    });
    if (!mayBe(device)) return "other";
    const found = describePhone(device, context.portOf);
    phone = names.of(device);
    emit({ type: "found", phone, device: found });
    const ids = profiles.map(({ id }) => id);
    emit({ type: "probing", phone, profiles: ids });
    const { matches, misses } = await new Prober(client)
      .probe(profiles, { signal });
    if (matches.length > 0) {
      keep = true;
      return {
        phone,
        device: found,
        profiles: matches,
        running: false,
        usbDevice: device,
        client,
      };
    }
    emit({
      type: "passed-over",
      phone,
      reason: "no-profile",
      details: misses.map((miss) =>
        `${miss.profile.id}: ${describeMiss(miss)}`
      ),
    });
    return "other";
  } catch (error) {
    signal.throwIfAborted();
    if (isCoded(error, "usb.no-interface")) {
      return judgeGadget(device, context, names, mayBe);
    }
    if (await isThere()) throw error;
    if (phone !== undefined) {
      const details = ["It left the bus"];
      emit({ type: "passed-over", phone, reason: "not-answering", details });
    }
    return "gone";
  } finally {
    if (!keep) await client?.close(bootloader);
  }
}

/** A phone that runs from an image already looks like its bootloader. */
function judgeGadget(
  usbDevice: UsbDevice,
  { emit, portOf, options }: RunContext<FindOptions>,
  names: PhoneNames,
  mayBe: (device: UsbDevice) => boolean,
): Examined {
  if (findSmooInterface(usbDevice) === undefined || !mayBe(usbDevice)) {
    return "other";
  }
  const phone = names.of(usbDevice);
  const device = describePhone(usbDevice, portOf);
  emit({ type: "found", phone, device });
  if (options.resume) {
    return { phone, device, profiles: [], running: true, usbDevice };
  }
  const details = [
    "It runs from an image already; restart it in fastboot mode, or resume serving it",
  ];
  emit({ type: "passed-over", phone, reason: "already-booted", details });
  return "other";
}
