/**
 * Asking a bootloader which phone it is in.
 *
 * @module
 */

import {
  fittingProfiles,
  matchProbe,
  type ProbeAnswers,
  probeVariables,
} from "../../device/match.ts";
import type { DeviceProfile, ProbeStep } from "../../device/profile.ts";
import { isCoded } from "../../errors.ts";
import { FastbootClient } from "../../fastboot/client.ts";
import { findFastbootInterface } from "../../fastboot/usb_interface.ts";
import { openFastbootUsb } from "../../fastboot/usb_transport.ts";
import { findSmooInterface } from "../../serve/smoo_interface.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { RunContext } from "./context.ts";
import { describePhone } from "./context.ts";
import type { PhoneNames } from "./names.ts";
import type { FoundPhone } from "./options.ts";

/** A phone whose bootloader is connected. Who has it closes it. */
export interface BootablePhone extends FoundPhone {
  /** As it is on the bus now. */
  readonly usbDevice: UsbDevice;
  readonly client: FastbootClient;
}

/** What a look at a device gave. */
export type Examined =
  /** It can be booted. */
  | BootablePhone
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
  context: RunContext,
  names: PhoneNames,
  isThere: () => Promise<boolean>,
  mayBe: (device: UsbDevice) => boolean,
): Promise<Examined> {
  const { signal, emit } = context;
  const profiles = profilesOf(device, context.options.profiles);
  if (device.configurations.length > 0 && !findFastbootInterface(device)) {
    tellOfGadget(device, context, names, mayBe);
    return "other";
  }
  let phone: string | undefined;
  let client: FastbootClient | undefined;
  let keep = false;
  try {
    const transport = await openFastbootUsb(device, { signal });
    client = new FastbootClient(transport, {
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
    const answers = await ask(client, profiles, signal);
    const fitting = fittingProfiles(profiles, answers);
    if (fitting.length > 0) {
      keep = true;
      return {
        phone,
        device: found,
        profiles: fitting,
        usbDevice: device,
        client,
      };
    }
    emit({
      type: "passed-over",
      phone,
      reason: "no-profile",
      details: profiles.map((profile) => whyNot(profile, answers)),
    });
    return "other";
  } catch (error) {
    signal.throwIfAborted();
    if (isCoded(error, "usb.no-interface")) {
      tellOfGadget(device, context, names, mayBe);
      return "other";
    }
    if (await isThere()) throw error;
    if (phone !== undefined) {
      const details = ["It left the bus"];
      emit({ type: "passed-over", phone, reason: "not-answering", details });
    }
    return "gone";
  } finally {
    if (!keep) await client?.close();
  }
}

/** All answers: what a bootloader has no answer to is not in the map. */
async function ask(
  client: FastbootClient,
  profiles: readonly DeviceProfile[],
  signal: AbortSignal,
): Promise<ProbeAnswers> {
  const answers = new Map<string, string>();
  for (const variable of probeVariables(profiles)) {
    try {
      answers.set(variable, await client.getvar(variable, { signal }));
    } catch (error) {
      if (!isCoded(error, "fastboot.failed")) throw error;
    }
  }
  return answers;
}

/** In words: `oneplus-fajita: product is "sargo", expected "sdm845"`. */
function whyNot(profile: DeviceProfile, answers: ProbeAnswers): string {
  const match = matchProbe(profile, answers);
  if (match.fits) return `${profile.id}: fits`;
  const { step, answer } = match;
  const found = answer === undefined ? "missing" : `"${answer}"`;
  return `${profile.id}: ${step["fastboot.getvar"]} is ${found}, expected ${
    wanted(step)
  }`;
}

function wanted(step: ProbeStep): string {
  if ("equals" in step) return `"${step.equals}"`;
  if ("starts_with" in step) return `"${step.starts_with}" at its start`;
  if ("not_equals" in step) return `anything but "${step.not_equals}"`;
  return "exists" in step ? "any value" : "none";
}

/** A phone that runs from an image already looks like its bootloader. */
function tellOfGadget(
  device: UsbDevice,
  { emit, portOf }: RunContext,
  names: PhoneNames,
  mayBe: (device: UsbDevice) => boolean,
): void {
  if (findSmooInterface(device) === undefined || !mayBe(device)) return;
  const phone = names.of(device);
  emit({ type: "found", phone, device: describePhone(device, portOf) });
  const details = [
    "It runs from an image already; restart it in fastboot mode",
  ];
  emit({ type: "passed-over", phone, reason: "already-booted", details });
}
