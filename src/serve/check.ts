/**
 * Refusals that all messages of smoo share.
 *
 * @module
 */

import type { ErrorCode } from "../errors.ts";
import { FormatError } from "../errors.ts";

/** A number of 32 bits as messages show it. */
export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

/** Refuses bytes that are not as many as they must be. */
export function checkLength(
  code: ErrorCode,
  name: string,
  bytes: Uint8Array,
  expected: number,
): void {
  if (bytes.length === expected) return;
  throw new FormatError(
    code,
    `Cannot read ${name}: found ${bytes.length} bytes, expected ${expected}`,
    { facts: { found: bytes.length, expected } },
  );
}

/** Refuses a field that must hold a certain number. */
export function checkField(
  code: ErrorCode,
  name: string,
  field: string,
  found: number,
  expected: number,
): void {
  if (found === expected) return;
  throw new FormatError(
    code,
    `Cannot read ${name}: ${field} is ${hex(found)}, expected ${hex(expected)}`,
    { facts: { field, found, expected } },
  );
}
