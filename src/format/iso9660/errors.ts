import { type ErrorCode, FormatError } from "../../errors.ts";

/**
 * An error about an ISO 9660 image, in the project's form.
 *
 * @param name What people call the image.
 * @param what What could not be read: `directory at byte 40960`.
 * @param found What was found and expected, with the byte where it stands.
 */
export function isoError(
  code: ErrorCode,
  name: string,
  what: string,
  found: string,
  facts: Record<string, string | number> = {},
): FormatError {
  const todo = TODO[code] ?? "the image is damaged";
  return new FormatError(
    code,
    `Cannot read ${what} of ISO 9660 "${name}": ${found}; ${todo}`,
    { facts },
  );
}

const TODO: Readonly<Record<string, string>> = {
  "iso.bad-magic": "the file holds something else",
  "iso.truncated": "the image is cut short, download it again",
  "iso.unsupported-feature": "make the image without it, or update fastboop",
};
