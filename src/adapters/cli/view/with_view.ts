/**
 * A view for as long as a command runs.
 *
 * @module
 */

import type { ViewOptions } from "../command.ts";
import type { Output } from "../output.ts";
import { jsonView, liveView, plainView, type View } from "./views.ts";

/** What a command that tells events works with. */
export interface Viewed {
  /** Fits where it is shown. */
  readonly view: View;
  /** Ends the command: interrupted, nobody reads the events any more, or by {@linkcode Viewed.stop}. */
  readonly signal: AbortSignal;
  /** Ends it from within. */
  readonly stop: (reason: unknown) => void;
  /** When it began, by `performance.now()`. */
  readonly began: number;
}

/**
 * Runs a command with a view, which is closed behind it, and which tells of an interrupt as soon as
 * it is heard.
 *
 * @param signal Of the interrupt.
 */
export async function withView<T>(
  options: ViewOptions,
  output: Output,
  signal: AbortSignal,
  work: (viewed: Viewed) => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const over = new AbortController();
  const stop = (reason: unknown) => over.abort(reason);
  const view = makeView(options, output, stop);
  const interrupted = () =>
    view.note(
      "Interrupted: finishing what must not be cut off; Ctrl-C again leaves at once",
      "warning",
    );
  signal.addEventListener("abort", interrupted, { once: true });
  try {
    const either = AbortSignal.any([signal, over.signal]);
    return await work({ view, signal: either, stop, began });
  } finally {
    signal.removeEventListener("abort", interrupted);
    view.close();
  }
}

/** @param broken Told when nobody reads the events any more. */
function makeView(
  options: ViewOptions,
  { progress, result }: Output,
  broken: (error: unknown) => void,
): View {
  const errors = (text: string) => progress.write(text);
  if (options.json) {
    const encoder = new TextEncoder();
    return jsonView(
      (text) => void result(encoder.encode(text)).catch(broken),
      errors,
    );
  }
  if (!progress.live) return plainView(options, errors);
  return liveView(options, progress, () => performance.now());
}
