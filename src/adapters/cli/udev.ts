import { udevRules } from "../../usb/udev.ts";
import { chosenProfiles } from "./boot_source.ts";
import { type Output, resultText } from "./output.ts";

/** Prints the rules for all profiles. */
export async function runUdev(
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const profiles = await chosenProfiles(undefined, output, signal);
  const devices = profiles.flatMap(({ id, display_name = id, match }) =>
    match.map(({ fastboot: { vid, pid } }) => ({
      vendorId: vid,
      productId: pid,
      name: display_name,
    }))
  );
  await resultText(output, udevRules(devices));
}
