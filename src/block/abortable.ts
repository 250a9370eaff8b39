/**
 * Leaving a wait whose work cannot be stopped.
 *
 * @module
 */

// One listener for each signal however many wait: Node warns of more than 10 on one signal.
const leavers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `leave` when `signal` is aborted later on.
 *
 * @param leave Must not throw.
 * @returns Call it when the wait is over.
 */
export function onAbort(signal: AbortSignal, leave: () => void): () => void {
  let all = leavers.get(signal);
  if (all === undefined) {
    const those = all = new Set();
    leavers.set(signal, those);
    signal.addEventListener("abort", () => {
      for (const leave of those) leave();
      those.clear();
    }, { once: true });
  }
  const those = all;
  those.add(leave);
  return () => those.delete(leave);
}

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
    if (signal.aborted) {
      work.catch(() => {});
      return reject(signal.reason);
    }
    const forget = onAbort(signal, () => reject(signal.reason));
    work.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error) => {
        forget();
        reject(error);
      },
    );
  });
}
