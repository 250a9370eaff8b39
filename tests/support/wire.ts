/**
 * Judges encoders and decoders by bytes written as hexadecimal digits.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ErrorCode, isCoded } from "../../src/errors.ts";

/** Bytes of digits, spaces left out. */
export function bytes(hex: string): Uint8Array {
  const digits = hex.replaceAll(" ", "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** `hex` with other bytes from `at` on. */
export function changed(
  hex: string,
  at: number,
  ...values: number[]
): Uint8Array {
  const all = bytes(hex);
  all.set(values, at);
  return all;
}

/** It throws an error with this code and such a message. */
export function refuses(
  work: () => unknown,
  code: ErrorCode,
  text: RegExp,
): void {
  assert.throws(work, (error) => {
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });
}

/** Every length but the right one is refused, from none to one byte more. */
export function refusesOtherLengths(
  decode: (bytes: Uint8Array) => unknown,
  hex: string,
  code: ErrorCode,
): void {
  const all = bytes(hex + "00");
  for (let length = 0; length <= all.length; length++) {
    if (length === all.length - 1) continue;
    refuses(
      () => decode(all.subarray(0, length)),
      code,
      new RegExp(`found ${length} bytes, expected \\d+$`),
    );
  }
}
