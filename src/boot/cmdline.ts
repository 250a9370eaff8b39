/**
 * Words of a kernel command line.
 *
 * @module
 */

import { type ErrorFacts, FormatError } from "../errors.ts";
import { maxBootCmdline } from "../format/bootimg/params.ts";
import type { Machine } from "./stage0_binary.ts";

/** One word, as the kernel takes it apart. */
export interface CmdlineWord {
  /** As it stands, quotes included. */
  readonly text: string;
  /** What stands before the first `=`, without quotes. */
  readonly name: string;
  /** What follows it, without the quotes around it; absent where there is no `=`. */
  readonly value?: string;
}

/** COMMAND_LINE_SIZE of arch/arm64/include/uapi/asm/setup.h and arch/x86/include/asm/setup.h. */
const COMMAND_LINE_SIZE: Readonly<Record<Machine, number>> = {
  aarch64: 2048,
  x86_64: 2048,
};

function refuse(what: string, text: string, facts: ErrorFacts): FormatError {
  return new FormatError(
    `cmdline.${what}`,
    `Cannot use kernel command line: ${text}`,
    { facts },
  );
}

/**
 * Takes a command line apart as the kernel does: words end at spaces outside of double quotes, which
 * cannot be escaped, and quotes around a value or a whole word are not part of it.
 *
 * @throws {FormatError} `cmdline.bad-character` for control characters, line ends among them;
 * `cmdline.open-quote`, where the kernel would take all that follows as one word
 * @see Linux, lib/cmdline.c, next_arg()
 *
 * @example
 * ```ts
 * import { parseCmdline } from "./cmdline.ts";
 *
 * const [word] = parseCmdline('dyndbg="file drivers/usb/* +p"');
 * console.assert(word?.name === "dyndbg" && word.value === "file drivers/usb/* +p");
 * ```
 */
export function parseCmdline(text: string): CmdlineWord[] {
  checkCharacters(text);
  const words: CmdlineWord[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === " ") continue;
    const start = at;
    let quote = -1;
    for (; at < text.length && (text[at] !== " " || quote >= 0); at++) {
      if (text[at] === '"') quote = quote < 0 ? at : -1;
    }
    if (quote >= 0) {
      throw refuse(
        "open-quote",
        `the quote at character ${quote} of ${
          JSON.stringify(text)
        } has no other, expected two; add one`,
        { index: quote },
      );
    }
    words.push(takeApart(text.slice(start, at)));
  }
  return words;
}

function takeApart(text: string): CmdlineWord {
  const whole = text.startsWith('"');
  const inner = whole ? text.slice(1) : text;
  const unquoteEnd = (part: string) =>
    part.endsWith('"') ? part.slice(0, -1) : part;
  // A word may begin with "=": the kernel looks for one behind its first character.
  const equals = inner.indexOf("=", 1);
  if (equals < 0) return { text, name: whole ? unquoteEnd(inner) : inner };
  const name = inner.slice(0, equals);
  const value = inner.slice(equals + 1);
  if (value.startsWith('"')) {
    return { text, name, value: unquoteEnd(value.slice(1)) };
  }
  return { text, name, value: whole ? unquoteEnd(value) : value };
}

function checkCharacters(text: string): void {
  // deno-lint-ignore no-control-regex
  const found = /[\x00-\x1f\x7f]/.exec(text);
  if (found === null) return;
  throw refuse(
    "bad-character",
    `character ${found.index} of ${JSON.stringify(text)} is 0x${
      found[0].charCodeAt(0).toString(16).padStart(2, "0")
    }, expected no control characters or line ends; use spaces`,
    { index: found.index },
  );
}

/** What bounds the length of a command line. */
export interface CmdlineLimits {
  /** Of the boot image; absent where there is none. */
  readonly headerVersion?: number;
  /** Whose kernel reads it. */
  readonly machine: Machine;
}

/**
 * Refuses a command line that does not fit.
 *
 * Versions 0 to 2 of the boot image's header hold 1534 bytes, 3 and 4 hold 1535, kernels 2047. What
 * bootloaders add is not known here.
 *
 * @throws {FormatError} `cmdline.too-long`, `cmdline.bad-character`
 */
export function checkCmdline(text: string, limits: CmdlineLimits): void {
  checkCharacters(text);
  const size = new TextEncoder().encode(text).length;
  const { headerVersion, machine } = limits;
  const bounds: [limit: number, by: string][] = [
    [COMMAND_LINE_SIZE[machine] - 1, `the kernel on ${machine}`],
  ];
  if (headerVersion !== undefined) {
    bounds.push([
      maxBootCmdline(headerVersion),
      `boot image header version ${headerVersion}`,
    ]);
  }
  for (const [limit, by] of bounds.sort(([a], [b]) => a - b)) {
    if (size <= limit) continue;
    throw refuse(
      "too-long",
      `it has ${size} bytes, expected at most ${limit} for ${by}; take out ${
        size - limit
      } bytes`,
      { size, limit },
    );
  }
}
