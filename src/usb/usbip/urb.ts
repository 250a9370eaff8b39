/**
 * Transfers as host controllers know them.
 *
 * @module
 */

import type { ParsedEndpoint } from "../descriptors.ts";
import type { UsbDirection } from "../shape.ts";
import { USB_SPEED_HIGH } from "./options.ts";

/** A transfer as it is handed to the host controller. */
export interface Urb {
  /** 0 to 15. */
  readonly endpoint: number;
  readonly direction: UsbDirection;
  /** IN: bytes wanted at most. OUT: those of `data`. */
  readonly length: number;
  /** OUT only; must not change until the URB is done. */
  readonly data?: Uint8Array | undefined;
  /** IN only: where what comes in is put, of `length` bytes; a buffer is made without it. */
  readonly into?: Uint8Array<ArrayBuffer> | undefined;
  /** The 8 bytes of a control transfer. */
  readonly setup?: Uint8Array | undefined;
  /** Frames or microframes between two polls of an interrupt endpoint, at least 1; 0 for others. */
  readonly interval: number;
}

/** How an URB ended. */
export interface UrbResult {
  /** 0, or a negative errno of Linux: -32 stall, -75 babble. */
  readonly status: number;
  /** Bytes that went through. */
  readonly actualLength: number;
  /** What came in, `actualLength` bytes; empty for OUT. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The interval of an endpoint as Linux hands it to a controller. bInterval is an exponent above full speed, frames below. */
export function intervalOf(
  { type, interval }: ParsedEndpoint,
  speed: number,
): number {
  if (type === "bulk") return 0;
  if (speed < USB_SPEED_HIGH) return Math.max(interval, 1);
  return 1 << Math.min(Math.max(interval, 1), 16) - 1;
}
