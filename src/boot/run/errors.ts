/**
 * What can go wrong on the way of a phone from its bootloader to a served gadget.
 *
 * @module
 */

import { CodedError } from "../../errors.ts";

/**
 * A phone could not be booted though nothing below failed.
 *
 * - `boot.no-phone`: none was there in the time allowed. Facts: `seen`, phones that fit no profile;
 *   `missing`, serial numbers and ports of those that did not come.
 * - `boot.several-phones`: one was meant and several are there. Facts: `phones`, their names.
 * - `boot.ambiguous-profile`: several profiles fit. Facts: `profiles`, their ids.
 * - `boot.not-leaving`: the bootloader took the boot image, and stayed. Facts: `timeoutMs`.
 * - `boot.no-gadget`: the phone did not come back. Facts: `timeoutMs`, `seen`: gadgets that are not it.
 *   `cause` is why one that may be it could not be used.
 * - `boot.back-in-bootloader`: the phone restarted instead of starting the boot image.
 */
export class BootError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "BootError";
}
