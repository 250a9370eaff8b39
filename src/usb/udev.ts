/**
 * Who may use a USB device on Linux.
 *
 * @module
 */

/** The ids of a device. */
export interface UsbIds {
  /** idVendor. */
  readonly vendorId: number;
  /** idProduct. */
  readonly productId: number;
}

/**
 * Where rules belong. `uaccess` is acted on by 73-seat-late.rules, so the name has to sort before it.
 */
export const UDEV_RULES_FILE = "/etc/udev/rules.d/70-fastboop.rules";

/** What makes rules work without a restart; devices that are plugged in get them, too. */
export const UDEV_RELOAD_COMMAND =
  "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb";

/**
 * The rule that lets whoever sits at the machine use a device, and members of `plugdev`, who may be
 * logged in from elsewhere.
 *
 * @example
 * ```ts
 * import { udevRule } from "./udev.ts";
 *
 * console.log(udevRule({ vendorId: 0x18d1, productId: 0xd00d }));
 * ```
 */
export function udevRule({ vendorId, productId }: UsbIds): string {
  const hex = (id: number) => id.toString(16).padStart(4, "0");
  return `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="${
    hex(vendorId)
  }", ATTR{idProduct}=="${
    hex(productId)
  }", MODE="0660", GROUP="plugdev", TAG+="uaccess"`;
}

/**
 * A whole file of rules, each device once, in the order of their ids, with what to do with it.
 *
 * The gadget on a phone that was booted has the ids of its bootloader, so a rule is for both.
 *
 * @param devices `name` is the phone's, for people.
 */
export function udevRules(
  devices: Iterable<UsbIds & { readonly name: string }>,
): string {
  const byRule = new Map<string, Set<string>>();
  for (const device of devices) {
    const rule = udevRule(device);
    // a name is not ours: one with a line break would be a rule
    const name = device.name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
    byRule.set(rule, (byRule.get(rule) ?? new Set()).add(name));
  }
  const rules = [...byRule].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([rule, names]) => `# ${[...names].join(", ")}\n${rule}\n`);
  return [
    `# Phones that fastboop boots. Save as ${UDEV_RULES_FILE}, then:\n`,
    `# ${UDEV_RELOAD_COMMAND}\n`,
    ...rules.map((rule) => `\n${rule}`),
  ].join("");
}
