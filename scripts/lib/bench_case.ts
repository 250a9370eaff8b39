/**
 * What a file in `bench/` exports: `export const cases: readonly BenchCase[]`.
 *
 * @module
 */

/** Which way is better. */
export type Better = "more" | "less";

/** One number worth watching, with the number of the program a user would use instead. */
export interface BenchCase {
  /** Words with dashes; `deno task bench NAME` runs the cases whose names begin so. */
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  /** What it is compared with, as typed; absent when the value stands alone. */
  readonly peer?: string;
  /**
   * With a peer: the least ratio, ours to theirs, of how good they are (2 is twice as good). Without:
   * the value that must be reached. Absent: only shown.
   */
  readonly bar?: number;
  /** Debian packages with the programs compared with. */
  readonly packages?: readonly string[];
  /** Gets the input ready. */
  prepare(context: BenchContext): Promise<PreparedBench>;
}

/** What the runner offers a case. */
export interface BenchContext {
  /** Little input and one round: does it still run? */
  readonly quick: boolean;
  /** A folder in memory, removed at the end. */
  readonly folder: string;
  /** Makes a fixture and gives its path. */
  fixture(name: string): Promise<string>;
}

/** A case that is ready: each call measures once, in the unit of the case. */
export interface PreparedBench {
  ours(): Promise<number>;
  theirs?(): Promise<number>;
}
