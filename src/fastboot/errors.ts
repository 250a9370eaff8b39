/**
 * What can go wrong with a bootloader.
 *
 * @module
 */

import { CodedError } from "../errors.ts";

/**
 * A bootloader did not do what it had to, or would not.
 *
 * - `fastboot.failed`: it answered FAIL. Facts: `command`, `message` with its own words.
 * - `fastboot.bad-reply`: its answer is none. Facts: `command`, `found`.
 * - `fastboot.data-length`: it announced another length than was asked for, or the image had another
 *   one than was said. Facts: `found`, `expected` in bytes.
 * - `fastboot.too-large`: the image is larger than the bootloader takes. Facts: `size`, `limit`.
 * - `fastboot.command-too-long`: nothing was sent. Facts: `command`, `length`, `limit`.
 * - `fastboot.timeout`: no sign of life in the time allowed. Facts: `command`, `timeoutMs`.
 * - `fastboot.lost`: the connection failed before the answer came; `cause` says how. Facts: `command`.
 *   Some bootloaders start the image before their answer to `boot` is out.
 * - `fastboot.out-of-step`: an earlier answer was none, so later ones could be taken for the wrong
 *   commands. Connect anew.
 * - `fastboot.closed`: the connection was closed here.
 * - `fastboot.bad-handshake`: what listens there does not speak fastboot over TCP. Facts: `found`.
 */
export class FastbootError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "FastbootError";
}
