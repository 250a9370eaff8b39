import assert from "node:assert/strict";
import { test } from "node:test";
import {
  UDEV_RELOAD_COMMAND,
  UDEV_RULES_FILE,
  udevRule,
  udevRules,
} from "./udev.ts";

test("udevRules() has one rule for each pair of ids, in their order, and names all phones of it", () => {
  const text = udevRules([
    { vendorId: 0x18d1, productId: 0xd00d, name: "OnePlus 6" },
    { vendorId: 0x18d1, productId: 0x4ee0, name: "Pixel 3a" },
    { vendorId: 0x18d1, productId: 0xd00d, name: "OnePlus 6T" },
    { vendorId: 0x5, productId: 0x6, name: "Two\nlines" },
  ]);
  assert.deepEqual(text.split("\n"), [
    `# Phones that fastboop boots. Save as ${UDEV_RULES_FILE}, then:`,
    `# ${UDEV_RELOAD_COMMAND}`,
    "",
    "# Two lines",
    udevRule({ vendorId: 0x5, productId: 0x6 }),
    "",
    "# Pixel 3a",
    udevRule({ vendorId: 0x18d1, productId: 0x4ee0 }),
    "",
    "# OnePlus 6, OnePlus 6T",
    udevRule({ vendorId: 0x18d1, productId: 0xd00d }),
    "",
  ]);
});

test("udevRule() writes ids as udev compares them: four digits, lower case", () => {
  assert.match(
    udevRule({ vendorId: 0xabc, productId: 0x1 }),
    /^SUBSYSTEM=="usb", ENV\{DEVTYPE\}=="usb_device", ATTR\{idVendor\}=="0abc", ATTR\{idProduct\}=="0001", /,
  );
});
