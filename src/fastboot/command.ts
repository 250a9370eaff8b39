/**
 * The commands that there are. What is not here cannot be said: nothing is ever written to a phone.
 *
 * @module
 */

import { FastbootError } from "./errors.ts";

/** All that a bootloader can be told. None of these changes what is stored in the phone. */
export type FastbootCommand =
  /** Asks for a variable. */
  | { readonly name: "getvar"; readonly variable: string }
  /** Announces that many bytes for the phone's memory. */
  | { readonly name: "download"; readonly length: number }
  /** Starts what was downloaded. */
  | { readonly name: "boot" }
  /** Starts what is installed. */
  | { readonly name: "continue" }
  /** Restarts the phone. */
  | { readonly name: "reboot" };

/** The bytes of a command. Only {@linkcode encodeCommand} makes them. */
export type CommandBytes = Uint8Array<ArrayBuffer> & {
  /** Exists for the types alone. */
  readonly encodedCommand: true;
};

/**
 * Bytes of a command that every bootloader takes: the limit of the protocol until 2023. Later ones
 * may take 4096, and no variable tells which.
 */
export const COMMAND_BYTES = 64;
/** Bytes that any bootloader takes, and that an image can have: the length has 32 bits. */
export const MAX_DOWNLOAD_BYTES = 0xffff_ffff;

/**
 * The text of a command as the bootloader reads it.
 *
 * @throws {TypeError} when `command` is none of {@linkcode FastbootCommand}, or a variable has
 *   characters other than printable ones of ASCII.
 * @throws {RangeError} when the length is none.
 */
export function commandText(command: FastbootCommand): string {
  switch (command.name) {
    case "getvar": {
      const { variable } = command;
      if (!/^[\x20-\x7e]+$/.test(variable)) {
        throw new TypeError(
          `Cannot ask for variable ${
            JSON.stringify(variable)
          }: expected printable ASCII`,
        );
      }
      return `getvar:${variable}`;
    }
    case "download": {
      const { length } = command;
      if (
        !Number.isInteger(length) || length < 1 || length > MAX_DOWNLOAD_BYTES
      ) {
        throw new RangeError(
          `Cannot download ${length} bytes: expected 1 to ${MAX_DOWNLOAD_BYTES}`,
        );
      }
      return `download:${length.toString(16).padStart(8, "0")}`;
    }
    case "boot":
    case "continue":
    case "reboot":
      return command.name;
    default: {
      const { name } = command satisfies never as { name: unknown };
      throw new TypeError(
        `Cannot send ${
          JSON.stringify(name)
        } to a phone: expected getvar, download, boot, continue or reboot`,
      );
    }
  }
}

/**
 * Encodes a command, without a byte behind it.
 *
 * @param limit Bytes that the bootloader takes.
 * @throws {FastbootError} `fastboot.command-too-long`
 * @throws {TypeError | RangeError} as {@linkcode commandText}
 */
export function encodeCommand(
  command: FastbootCommand,
  limit = COMMAND_BYTES,
): CommandBytes {
  const text = commandText(command);
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > limit) {
    throw new FastbootError(
      "fastboot.command-too-long",
      `Cannot send "${text}" to a bootloader: it has ${bytes.length} bytes, expected at most ${limit}`,
      { facts: { command: text, length: bytes.length, limit } },
    );
  }
  return bytes as CommandBytes;
}
