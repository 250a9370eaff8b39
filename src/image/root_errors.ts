/**
 * What can be said when no root, or more than one, is found.
 *
 * @module
 */

import type { BlockReader } from "../block/reader.ts";
import { FormatError } from "../errors.ts";

/** Several parts are meant; `choices` in words, each begun by what chooses it. */
export function ambiguous(
  what: string,
  choices: readonly string[],
): FormatError {
  return new FormatError(
    "image.ambiguous-root",
    `Cannot tell which root of "${what}" is meant: found ${
      choices.join(", ")
    }, expected one; choose by --root, as in --root '${
      choices[0]!.split(" ")[0]
    }'`,
    { facts: { image: what, choices: choices.join("\n") } },
  );
}

/** Nothing is named as was asked for. */
export function noSuchRoot(
  { name }: BlockReader,
  root: string,
  seen: readonly string[],
): FormatError {
  return new FormatError(
    "image.no-such-root",
    `Cannot find root "${root}" in "${name}": ${
      seen.length === 0
        ? "there is nothing to choose from; leave --root out"
        : `found ${seen.join(", ")}`
    }`,
    { facts: { image: name, root, choices: seen.join("\n") } },
  );
}

/** What was found is no root. */
export function noRoot(
  { name }: BlockReader,
  found: readonly string[],
): FormatError {
  return new FormatError(
    "image.no-root",
    `Cannot find a root file system in "${name}": found ${
      found.join(", ") || "no file system"
    }, expected one with an init or an os-release; name one by --root to take it all the same`,
    { facts: { image: name, choices: found.join("\n") } },
  );
}

/** No mark of a format. */
export function unknownFormat(
  { name, size }: BlockReader,
  seen: number,
): FormatError {
  return new FormatError(
    "image.unknown-format",
    `Cannot open "${name}": ${
      size === 0 ? "it is empty" : `no known format in its first ${seen} bytes`
    }, expected an image or an archive of one; check that the download is complete`,
    { facts: { size } },
  );
}

/** It goes on and on. */
export function tooDeep(
  { name }: BlockReader,
  limit: number,
): FormatError {
  return new FormatError(
    "image.too-deep",
    `Cannot open "${name}": found more than ${limit} layers inside one another`,
    { facts: { limit } },
  );
}
