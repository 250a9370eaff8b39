/**
 * GUIDs as partition tables store them: the first three groups little-endian.
 *
 * @module
 */

import type { FieldType } from "../../bytes/struct.ts";

const GROUPS = [[3, 2, 1, 0], [5, 4], [7, 6], [8, 9], [10, 11, 12, 13, 14, 15]];

/** Reads 16 bytes as `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`, lower-case. */
export function guidText(bytes: Uint8Array): string {
  const digits = (at: number) => bytes[at]!.toString(16).padStart(2, "0");
  return GROUPS.map((group) => group.map(digits).join("")).join("-");
}

/**
 * Brings a GUID as people write it into the form of {@linkcode guidText}: any case, dashes left out or
 * not, in braces or not.
 *
 * @returns `undefined` when `text` is no GUID.
 */
export function parseGuid(text: string): string | undefined {
  const digits = text.trim().replace(/^\{(.*)\}$/, "$1").replaceAll("-", "")
    .toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(digits)) return undefined;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A GUID in a declared layout. */
export const guid: FieldType<string> = {
  size: 16,
  get: (view, at) =>
    guidText(new Uint8Array(view.buffer, view.byteOffset + at)),
  set: (view, at, value, name) => {
    const parsed = parseGuid(value);
    if (parsed === undefined) {
      throw new RangeError(
        `Cannot write ${name}: found ${JSON.stringify(value)}, expected a GUID`,
      );
    }
    const digits = parsed.replaceAll("-", "");
    for (const [i, to] of GROUPS.flat().entries()) {
      view.setUint8(at + to, parseInt(digits.slice(2 * i, 2 * i + 2), 16));
    }
  },
};
