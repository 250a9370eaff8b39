/**
 * What the system says of a failure.
 *
 * @module
 */

/** `ENOSPC` and the like; empty when the error is not of the system. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  const code = String(error.code);
  return /^E[A-Z0-9]+$/.test(code) ? code : "";
}
