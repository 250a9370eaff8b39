/**
 * Rules that let users of a Linux machine talk to phones without being root.
 *
 * @module
 */

/** Ids of a USB device, 16 bits each. */
export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
}

/** Where rules of an administrator go. They must come before 73-seat-late.rules, which acts on `uaccess`. */
export const UDEV_RULES_PATH = "/etc/udev/rules.d/70-fastboop.rules";

/** What makes new rules count for phones that are plugged in. */
export const UDEV_RELOAD =
  "udevadm control --reload && udevadm trigger --subsystem-match=usb";

/**
 * The rule for one device: whoever sits at the machine may use it, and the group `plugdev`, for
 * machines where nobody sits. Without end of line.
 *
 * The gadget on a phone that was booted has the ids of its bootloader, so the rule is for both.
 *
 * @example
 * ```ts
 * import { udevRule } from "./udev.ts";
 *
 * const rule = udevRule({ vendorId: 0x18d1, productId: 0xd00d });
 * console.assert(rule.includes('ATTR{idVendor}=="18d1", ATTR{idProduct}=="d00d"'));
 * ```
 */
export function udevRule({ vendorId, productId }: UsbIds): string {
  return `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="${
    hex(vendorId)
  }", ATTR{idProduct}=="${
    hex(productId)
  }", TAG+="uaccess", GROUP="plugdev", MODE="0660"`;
}

/**
 * A whole file of rules, each device once, in the order of their ids, with what to do with it.
 *
 * @param devices `names` are of the phones, for people.
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
    `# Phones that fastboop boots. Save as ${UDEV_RULES_PATH}, then, as root:\n`,
    `# ${UDEV_RELOAD}\n`,
    ...rules.map((rule) => `\n${rule}`),
  ].join("");
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
