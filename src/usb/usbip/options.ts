/**
 * What USB/IP devices and their transfers can be given.
 *
 * @module
 */

import type { UsbError } from "../errors.ts";
import type { ByteStream } from "./stream.ts";

/** The speeds of `enum usb_device_speed` (`linux/usb/ch9.h`). */
export const USB_SPEED_HIGH = 3;

/** What a device can be given. */
export interface UsbIpDeviceOptions {
  /** busnum << 16 | devnum; `usbip-host` demands it, `usbip-vudc` ignores it. */
  readonly devid?: number | undefined;
  /** 1 low, 2 full, 3 high (the default), 5 super, 6 super plus. */
  readonly speed?: number | undefined;
  /** Larger transfers are split; bytes, a multiple of 1024; default 1 MiB. */
  readonly maxUrbBytes?: number | undefined;
  /** For the answer to each standard request; default 5000, as in Linux. */
  readonly timeoutMs?: number | undefined;
}

/** What a transfer can be given beyond WebUSB. */
export interface UsbIpTransferOptions {
  /**
   * Takes the transfer back and rejects at once with `signal.reason`; what came in for it is lost.
   * For a control transfer this closes the connection.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The device sends exactly this length and nothing shorter: a large IN may be asked for in several
   * URBs at once.
   */
  readonly exact?: boolean | undefined;
}

/** A way to the device: a stream in the phase of URBs. */
export interface UsbIpWay {
  readonly stream: ByteStream;
  readonly options: UsbIpDeviceOptions;
  /** Told why the connection is over, once, when the device was opened over it. */
  readonly onEnd?: ((error: UsbError) => void) | undefined;
}

/** What is known before a device was opened. */
export interface UsbIpIdentity {
  readonly vendorId: number;
  readonly productId: number;
}
