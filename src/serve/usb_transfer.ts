/**
 * Results of WebUSB's transfers, and the lengths to ask for.
 *
 * @module
 */

import type {
  UsbEndpoint,
  UsbInTransferResult,
  UsbOutTransferResult,
} from "../usb/shape.ts";

/** A transfer ended without having failed: the device stalled it, or sent more than was asked for. */
export class TransferEnd extends Error {
  /** As WebUSB calls it. */
  readonly status: "stall" | "babble";

  /** Makes the error. */
  constructor(status: "stall" | "babble") {
    super(`Transfer ended with "${status}", expected "ok"`);
    this.status = status;
  }
}

/** What came in, when nothing is wrong with it. */
export function received({ status, data }: UsbInTransferResult): Uint8Array {
  if (status === "stall" || status === "babble") throw new TransferEnd(status);
  if (data === undefined || data === null) return new Uint8Array();
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** How much went out, when nothing is wrong with it. */
export function written(result: UsbOutTransferResult): number {
  const { status, bytesWritten } = result;
  if (status === "stall" || status === "babble") throw new TransferEnd(status);
  return bytesWritten;
}

/** Bytes of a packet: wMaxPacketSize without its bits for more packets in a microframe. */
export function packetSizeOf({ packetSize }: UsbEndpoint): number {
  return packetSize & 0x7ff || 64;
}

/**
 * Bytes to ask an IN endpoint for when `length` are wanted: as many when those are whole packets,
 * since no empty packet follows them, else up to the end of the last packet, which is short.
 */
export function lengthToAsk(length: number, packetSize: number): number {
  return Math.ceil(length / packetSize) * packetSize;
}
