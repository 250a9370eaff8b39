import { FormatError } from "../../errors.ts";
import type { BlockReader } from "../../block/reader.ts";
import type { CompressedFormat } from "./reader.ts";

/** The error for an image that does not begin as its format must. */
export function badMagic(
  image: BlockReader,
  format: CompressedFormat,
  head: Uint8Array,
  expected: string,
): FormatError {
  const found = [...head.subarray(0, expected.length / 2)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return new FormatError(
    `${format}.bad-magic`,
    `Cannot open ${format} file "${image.name}": magic at byte 0 is "${found}", expected "${expected}"`,
    { facts: { found, expected } },
  );
}
