/**
 * The types of the browser's WebUSB fit our shape, as they are. Judged when types are checked.
 *
 * @module
 */

/// <reference types="@types/w3c-web-usb" />

import type { Usb, UsbDevice } from "../../src/usb/shape.ts";

/** What a web page hands to the core. */
export function fromBrowser(usb: USB, device: USBDevice): [Usb, UsbDevice] {
  return [usb, device];
}
