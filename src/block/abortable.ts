/**
 * Leaving a wait whose work cannot be stopped.
 *
 * @module
 */

/**
 * Waits for `work`, or rejects with `signal.reason` as soon as `signal` says so.
 *
 * The work itself goes on and its outcome is dropped; it must not touch what the caller owns.
 */
export function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) {
      work.catch(() => {});
      return leave();
    }
    signal.addEventListener("abort", leave, { once: true });
    work.then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", leave)
    );
  });
}
