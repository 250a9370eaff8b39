/**
 * `fastboop detect`: which phones are there?
 *
 * @module
 */

import { BusWatch } from "../../boot/run/bus_watch.ts";
import { idsText, runContext } from "../../boot/run/context.ts";
import { findPhones } from "../../boot/run/find.ts";
import { openUsb } from "../node/usb.ts";
import { chosenProfiles } from "./boot_source.ts";
import type { DetectCommand } from "./command.ts";
import { printable } from "./listing.ts";
import { type Output, resultText } from "./output.ts";
import { eventLine } from "./view/event_text.ts";

/** A phone and a profile that it fits. */
interface Detected {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | undefined;
  readonly port: string | undefined;
  /** Id of the profile. */
  readonly profile: string;
  /** Its name for people. */
  readonly name: string;
}

/**
 * Prints a line for each phone in its bootloader and each profile that it fits.
 *
 * @throws {BootError} `boot.no-phone`
 */
export async function runDetect(
  command: DetectCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const profiles = await chosenProfiles(command.profile, output, signal);
  const { usb, portOf } = await openUsb(command.usb);
  const context = runContext(
    {
      profiles,
      phones: { all: true },
      waitMs: command.waitMs ?? 0,
    },
    { usb, portOf },
    signal,
    (event) => {
      if (event.type !== "waiting" && event.type !== "passed-over") return;
      const line = eventLine(event);
      if (line !== undefined) output.warn(line.text);
    },
  );
  const bus = new BusWatch(context);
  try {
    const { phones, unusable } = await findPhones(context, bus);
    await Promise.all(
      phones.map((one) => one.running || one.client.close()),
    );
    for (const { phone, error } of unusable) {
      output.warn(printable(`${phone}: ${error.message}`));
    }
    const found = phones.flatMap(({ device, profiles }): Detected[] =>
      profiles.map(({ id, display_name = id }) => ({
        ...device,
        profile: id,
        name: display_name,
      }))
    );
    const format = command.json ? JSON.stringify : formatDetected;
    await resultText(output, found.map((one) => `${format(one)}\n`).join(""));
    if (phones.length > 0) return;
    throw new Error("Cannot use any of the phones that are there");
  } finally {
    await bus.stop();
  }
}

/** `18d1:d00d profile=oneplus-fajita name="OnePlus 6T" serial="0123" port=1-2` */
export function formatDetected(found: Detected): string {
  const { profile, name, serialNumber, port } = found;
  return printable([
    idsText(found),
    `profile=${profile}`,
    `name="${name}"`,
    ...serialNumber === undefined ? [] : [`serial="${serialNumber}"`],
    ...port === undefined ? [] : [`port=${port}`],
  ].join(" "));
}
