import { type ErrorFacts, FormatError } from "../../errors.ts";

/** A boot image that cannot be made. */
export function refuse(
  what: string,
  text: string,
  facts: ErrorFacts = {},
): FormatError {
  return new FormatError(
    `bootimg.${what}`,
    `Cannot make boot image: ${text}`,
    { facts },
  );
}

/** A boot image that cannot be read. */
export function unreadable(
  what: string,
  text: string,
  facts: ErrorFacts = {},
): FormatError {
  return new FormatError(
    `bootimg.${what}`,
    `Cannot read boot image: ${text}`,
    { facts },
  );
}

/** `0x00008000` */
export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
