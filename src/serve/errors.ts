/**
 * Errors of serving itself, as opposed to those of the messages and of what is served.
 *
 * @module
 */

import { CodedError } from "../errors.ts";

/**
 * The session with the gadget is over; a new one begins with a new transport.
 *
 * - `smoo.lost`: a transfer failed, or the gadget did not answer any more. Facts: `pipe`.
 * - `smoo.short-transfer`: a transfer moved fewer bytes than it had to, so the rest of the stream
 *   cannot be told apart. Facts: `pipe`, `found`, `expected`.
 * - `smoo.unknown-payload`: a Write came whose payload has no known or no possible length, or which
 *   came twice. Facts: `requestId`, `exportId`, `blockCount`.
 * - `smoo.no-interface`: the device has no interface of smoo. Facts: `device`.
 * - `smoo.open-failed`: the device could not be opened, or its interface not claimed. Facts: `step`,
 *   `device`.
 * - `smoo.ambiguous`: several gadgets could be meant. Facts: `found`.
 * - `smoo.stray-messages`: many messages in a row had not the length of a Request.
 */
export class ServeError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "ServeError";
}
