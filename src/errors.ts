/**
 * Errors that name what went wrong by a stable code.
 *
 * A caller's mistake is a `TypeError` or `RangeError`. What the world did is one of the classes
 * here: `code` is stable and is what frontends choose their help by, `facts` holds the values that
 * the message mentions, `cause` the error below. A cancelled operation rejects with its
 * `signal.reason` as it came: cancelled is not failed.
 *
 * @module
 */

/** `area.what`, for example `gpt.crc-mismatch`. Never changes its meaning once released. */
export type ErrorCode = `${string}.${string}`;

/** The values that a message mentions, for programs: numbers of bytes, names, found and expected. */
export type ErrorFacts = Readonly<
  Record<string, string | number | bigint | boolean | undefined>
>;

/** What every coded error can be given besides its code and message. */
export interface CodedErrorOptions {
  /** The values in the message. */
  readonly facts?: ErrorFacts;
  /** The error below. */
  readonly cause?: unknown;
}

/** Base of all coded errors. Use {@linkcode isCoded} rather than `instanceof` across realms. */
export abstract class CodedError extends Error {
  /** Stable: choose help by it. */
  readonly code: ErrorCode;
  /** The values in the message, for programs. */
  readonly facts: ErrorFacts;

  /** Makes the error; its message says what could not be done, what was found and expected. */
  constructor(
    code: ErrorCode,
    message: string,
    options: CodedErrorOptions = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

/** Bytes could not be fetched from where they are kept: a file, a server, a browser's `File`. */
export class ReadError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "ReadError";
}

/** Bytes were fetched but are not what the format demands, or use a feature we do not read. */
export class FormatError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "FormatError";
}

/** One thing that is wrong in a file of settings, and where. */
export interface ProfileProblem {
  /** Stable, as of an error. */
  readonly code: ErrorCode;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** The key, as in `match[0].fastboot.vid`; empty for the whole file. */
  readonly path: string;
  /** What was found and expected, in words, with the nearest valid key when there is one. */
  readonly reason: string;
  /** What was found. */
  readonly found?: string;
  /** What would be right. */
  readonly expected?: string;
  /** The valid key or value that looks most like what was found. */
  readonly nearest?: string;
}

/** What {@linkcode ProfileError} can be given. */
export interface ProfileErrorOptions extends CodedErrorOptions {
  /** All that is wrong, in the order of the file. */
  readonly problems?: readonly ProfileProblem[];
}

/** A device profile, or another file that a person writes for us, cannot be used as it is. */
export class ProfileError extends CodedError {
  /** Name of the class, as in the stack. */
  override readonly name = "ProfileError";
  /** All that is wrong in the file, in its order; empty when it is not about one file. */
  readonly problems: readonly ProfileProblem[];

  /** Makes the error; the first problem is the one that the message tells. */
  constructor(
    code: ErrorCode,
    message: string,
    options: ProfileErrorOptions = {},
  ) {
    super(code, message, options);
    this.problems = options.problems ?? [];
  }
}

/**
 * Tells whether `error` is one of our coded errors and, when codes are given, carries one of them.
 *
 * @example
 * ```ts
 * import { FormatError, isCoded } from "./errors.ts";
 *
 * const error: unknown = new FormatError("erofs.bad-magic", "Cannot open …");
 * if (isCoded(error, "erofs.bad-magic")) console.log(error.facts);
 * ```
 */
export function isCoded(
  error: unknown,
  ...codes: ErrorCode[]
): error is CodedError {
  if (!(error instanceof Error) || !("code" in error) || !("facts" in error)) {
    return false;
  }
  return codes.length === 0 || codes.includes(error.code as ErrorCode);
}
