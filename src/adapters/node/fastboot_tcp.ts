/**
 * Bootloaders over TCP.
 *
 * @module
 */

import {
  FASTBOOT_TCP_PORT,
  openFastbootTcp,
} from "../../fastboot/tcp_transport.ts";
import type { FastbootTransport } from "../../fastboot/transport.ts";
import { connectTcp } from "./tcp.ts";

/**
 * Connects to the bootloader at `tcp:host[:port]`, as `fastboot -s` writes it; IPv6 addresses in
 * brackets.
 *
 * @throws {TypeError} when `address` is none
 * @throws {UsbError} `usb.unreachable`
 * @throws {FastbootError} `fastboot.bad-handshake`, `fastboot.timeout`, `fastboot.lost`
 */
export async function connectFastbootTcp(
  address: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<FastbootTransport> {
  const parts = /^tcp:(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(address);
  const port = Number(parts?.[3] ?? FASTBOOT_TCP_PORT);
  if (!parts || port < 1 || port > 65535) {
    throw new TypeError(
      `Cannot use "${address}": expected tcp:host or tcp:host:port`,
    );
  }
  const stream = await connectTcp((parts[1] ?? parts[2])!, port, options);
  return await openFastbootTcp(stream, address, options);
}
