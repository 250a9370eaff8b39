/**
 * How an operation of a reader went, as a phone is told.
 *
 * @module
 */

import { EINVAL, EIO, EOPNOTSUPP } from "./judge.ts";

/** How an operation went. */
export interface Outcome {
  /** 0, or an errno of Linux. */
  readonly status: number;
  /** Bytes that are sent or were stored. */
  readonly bytes: number;
  /** Why it failed. */
  readonly cause?: unknown;
}

const DONE: Outcome = { status: 0, bytes: 0 };

/** Waits for `work`; nothing to wait for means that the store cannot do it. */
export async function attempt(
  work: Promise<void> | undefined,
): Promise<Outcome> {
  if (work === undefined) return { status: EOPNOTSUPP, bytes: 0 };
  try {
    await work;
    return DONE;
  } catch (cause) {
    return failure(cause);
  }
}

/** What was asked was wrong, or what is kept is. */
export function failure(cause: unknown): Outcome {
  const status = cause instanceof RangeError ? EINVAL : EIO;
  return { status, bytes: 0, cause };
}
