/**
 * What the pool's parts know of workers.
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import { CoreError } from "./errors.ts";
import type { DescribedError } from "./jobs.ts";

/** The part of a web worker that the pool uses; an adapter makes it. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: Transferable[]): void;
  terminate(): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
}

/** Makes the error that a worker described. */
export function revive(error: DescribedError): Error {
  const { type, code, message, facts } = error;
  if (code !== undefined) {
    const Kind = type === "CoreError" ? CoreError : FormatError;
    return new Kind(code, message, facts === undefined ? {} : { facts });
  }
  return type === "RangeError"
    ? new RangeError(message)
    : type === "TypeError"
    ? new TypeError(message)
    : new Error(message);
}
