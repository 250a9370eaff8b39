/**
 * Addresses of USB/IP servers as users write them.
 *
 * @module
 */

import { USBIP_PORT } from "./messages.ts";

/** A server, and one of its devices. */
export interface UsbIpAddress {
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of one device; all when absent. */
  readonly busid?: string;
}

/**
 * Parses `usbip://host[:port][/busid]`.
 *
 * @throws {TypeError} when it is none
 *
 * @example
 * ```ts
 * import { parseUsbIpUrl } from "./url.ts";
 *
 * const { host, port, busid } = parseUsbIpUrl("usbip://lab.example/1-1.2");
 * console.assert(host === "lab.example" && port === 3240 && busid === "1-1.2");
 * ```
 */
export function parseUsbIpUrl(text: string): UsbIpAddress {
  const parts =
    /^usbip:\/\/(?:\[([^\]]+)\]|([^/:[\]]+))(?::(\d+))?(?:\/([^/]*))?$/
      .exec(text);
  const port = parts?.[3] === undefined ? USBIP_PORT : Number(parts[3]);
  if (!parts || port < 1 || port > 65535) {
    throw new TypeError(
      `Cannot use "${text}": expected usbip://host, usbip://host:port or usbip://host:port/busid`,
    );
  }
  const host = (parts[1] ?? parts[2])!;
  return parts[4] ? { host, port, busid: parts[4] } : { host, port };
}
