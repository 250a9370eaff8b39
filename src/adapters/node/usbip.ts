/**
 * USB/IP servers over TCP.
 *
 * @module
 */

import { UsbIpBus, type UsbIpBusOptions } from "../../usb/usbip/bus.ts";
import { parseUsbIpUrl } from "../../usb/usbip/url.ts";
import { connectTcp } from "./tcp.ts";

/**
 * The devices of `usbip://host[:port][/busid]`, for `usbipd` as for anything else that speaks it.
 * Nothing is connected yet.
 *
 * @throws {TypeError} when `url` is none
 */
export function usbIpBus(
  url: string,
  options: Omit<UsbIpBusOptions, "connect" | "busid"> = {},
): UsbIpBus {
  const { host, port, busid } = parseUsbIpUrl(url);
  return new UsbIpBus({
    ...options,
    busid,
    connect: (signal) => connectTcp(host, port, signal ? { signal } : {}),
  });
}
