import { type ErrorCode, FormatError } from "../../errors.ts";

/**
 * An error about a FAT file system, in the project's form.
 *
 * @param name What people call the image.
 * @param what What could not be read: `boot sector`, `directory at byte 1024`.
 * @param found What was found and expected, with the byte where it stands.
 */
export function fatError(
  code: ErrorCode,
  name: string,
  what: string,
  found: string,
  facts: Record<string, string | number> = {},
): FormatError {
  const todo = TODO[code] ?? "the image is damaged";
  return new FormatError(
    code,
    `Cannot read ${what} of FAT "${name}": ${found}; ${todo}`,
    { facts },
  );
}

const TODO: Readonly<Record<string, string>> = {
  "fat.bad-magic": "the file holds something else",
  "fat.truncated": "the image is cut short",
  "fat.unsupported-feature": "use an image with FAT12, FAT16 or FAT32",
};
