/**
 * Where the blocks of a file lie.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";

/** Blocks of a file that lie side by side. */
export interface Run {
  /** First block, counted in the file. */
  readonly first: number;
  count: number;
  /** First block, counted in the image; 0 where nothing is stored and zeros are read. */
  readonly start: number;
}

/** Collects the runs of a range of blocks, in order; what is passed over is a hole. */
export class RunList {
  readonly runs: Run[] = [];
  #next: number;

  /** @param first First block of the range. */
  constructor(first: number) {
    this.#next = first;
  }

  /** Adds blocks that follow those added before. */
  add(first: number, count: number, start: number): void {
    if (first > this.#next) this.#push(this.#next, first - this.#next, 0);
    this.#push(first, count, start);
  }

  /** Ends the range before block `end`. */
  finish(end: number): Run[] {
    if (end > this.#next) this.#push(this.#next, end - this.#next, 0);
    return this.runs;
  }

  #push(first: number, count: number, start: number): void {
    const last = this.runs.at(-1);
    const goesOn = last !== undefined &&
      (last.start === 0 ? start === 0 : start === last.start + last.count);
    if (goesOn) last.count += count;
    else this.runs.push({ first, count, start });
    this.#next = first + count;
  }
}

/** Finds where the blocks from `first` up to `end` of a file lie: all of them, in order. */
export type FindRuns = (
  first: number,
  end: number,
  options?: ReadOptions,
) => Promise<Run[]>;
