/**
 * How far work is that goes through a whole file before anything else can happen.
 *
 * @module
 */

import type { SpoolProgress } from "../../block/store.ts";
import { printable } from "./listing.ts";
import type { Output } from "./output.ts";

/** Milliseconds between two lines where lines cannot be painted over. */
const LINE_MS = 5000;
/** Work that is done within this is not worth a word. */
const QUIET_MS = 500;
const CLEAR = "\r\x1b[K";

/** Shows work on files as one line that changes, or as a line now and then. */
export class SpoolView {
  readonly #output: Output;
  readonly #began = performance.now();
  #shown = -Infinity;
  #open = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** A line for people. */
  note(text: string): void {
    this.clear();
    this.#output.warn(text);
  }

  /** Work goes on. */
  progress({ name, done, size }: SpoolProgress): void {
    const now = performance.now();
    if (now - this.#began < QUIET_MS) return;
    const { progress } = this.#output;
    if (!progress.live && now - this.#shown < LINE_MS) return;
    this.#shown = now;
    const parts = [
      `Reading ${printable(name)}: ${mebibytes(done)}`,
      ...(size ? [`of ${mebibytes(size)}, ${percent(done, size)}`] : []),
    ];
    const line = parts.join(" ");
    if (!progress.live) return progress.write(`${line}\n`);
    this.#open = true;
    progress.write(
      `${CLEAR}${line.slice(0, Math.max(20, progress.columns - 1))}`,
    );
  }

  /** Takes the line away, for others to write. */
  clear(): void {
    if (this.#open) this.#output.progress.write(CLEAR);
    this.#open = false;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function percent(done: number, size: number): string {
  return `${Math.floor(done / size * 100)} %`;
}
