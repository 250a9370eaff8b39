/**
 * Errors as plain data.
 *
 * @module
 */

import { type ErrorFacts, isCoded } from "../../errors.ts";

/** An error, for events. */
export interface ErrorData {
  /** Stable; `error.unexpected` for errors that have no code. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** The values that the message mentions. */
  readonly facts: ErrorFacts;
  /** The error below. */
  readonly cause?: ErrorData | undefined;
}

/** Causes of causes; longer chains end there. */
const MAX_DEPTH = 8;

/** What is known of an error, whatever was thrown. */
export function errorData(error: unknown, depth = MAX_DEPTH): ErrorData {
  const cause = error instanceof Error && error.cause !== undefined && depth > 1
    ? { cause: errorData(error.cause, depth - 1) }
    : {};
  if (isCoded(error)) {
    return {
      code: error.code,
      message: error.message,
      facts: error.facts,
      ...cause,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "error.unexpected", message, facts: {}, ...cause };
}
