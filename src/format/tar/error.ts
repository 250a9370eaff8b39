import type { BlockReader } from "../../block/reader.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";

/** An error of the archive, in the project's form. */
export function tarError(
  image: BlockReader,
  code: ErrorCode,
  found: string,
  facts: Record<string, number | string> = {},
): FormatError {
  return new FormatError(
    code,
    `Cannot read tar archive "${image.name}": ${found}`,
    { facts: { name: image.name, ...facts } },
  );
}
