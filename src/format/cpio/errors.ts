import { FormatError } from "../../errors.ts";

/** Where bytes lie, for messages: in the file, or in what a compressed part of it unpacks to. */
export interface Place {
  /** What the bytes are called: `"extra.cpio"`. */
  readonly name: string;
  /** `gzip part at byte 512`; absent for the file itself. */
  readonly part?: string;
}

/** `byte 8 of "a.cpio"`, or `byte 8 of what the gzip part at byte 512 of "a.cpio" unpacks to`. */
export function at(place: Place, offset: number): string {
  return place.part === undefined
    ? `byte ${offset} of "${place.name}"`
    : `byte ${offset} of what the ${place.part} of "${place.name}" unpacks to`;
}

/** An error of the archive itself. */
export function fault(
  what: string,
  place: Place,
  offset: number,
  text: string,
  facts: Readonly<Record<string, string | number>> = {},
  cause?: unknown,
): FormatError {
  return new FormatError(
    `cpio.${what}`,
    `Cannot read cpio archive at ${at(place, offset)}: ${text}`,
    {
      facts: { name: place.name, part: place.part, offset, ...facts },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
