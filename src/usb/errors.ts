/**
 * What can go wrong on a bus.
 *
 * @module
 */

import { CodedError } from "../errors.ts";

/**
 * A device, or the way to it, did not do what it had to.
 *
 * - `usb.disconnected`: the device or the connection to it is gone. Facts: `errno` where one is known.
 * - `usb.closed`: the device was closed here, or its interface released, with the transfer under way.
 * - `usb.transfer-failed`: a transfer failed as a whole. Facts: `errno`, `endpoint`.
 * - `usb.request-failed`: the device refused a standard request. Facts: `request`, `value`, `index`.
 * - `usb.timeout`: no answer in the time allowed; the connection was closed, since a late answer
 *   would be taken for that of the next request.
 * - `usb.bad-descriptor`: a descriptor is cut short or contradicts itself. Facts: `offset`.
 * - `usb.bad-reply`: the USB/IP server broke the protocol; the connection was closed.
 * - `usb.unreachable`: no connection to the server could be made.
 * - `usb.unavailable`: this machine has no USB, or none that can be used. Facts: `reason`.
 * - `usb.access-denied`: we may not use the device. Facts: `step`, `device`, `rule` and `file` of udev.
 * - `usb.busy`: another program has the device or its interface. Facts: `step`, `device`.
 * - `usb.open-failed`: the device could not be opened or set up. Facts: `step`, `device`.
 * - `usb.no-interface`: the device has not the interface that is looked for. Facts: `device`.
 * - `usb.stalled`: the device halted an endpoint; the halt was cleared. Facts: `direction`.
 * - `usb.import-refused`: the server would not hand out the device. Facts: `busid`, `status`.
 */
export class UsbError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "UsbError";
}
