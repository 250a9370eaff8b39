/**
 * Where commands write, and whom they may ask.
 *
 * @module
 */

/** Where a command writes. */
export interface Output {
  /** Writes results; resolves when more may be written. */
  result(bytes: Uint8Array): Promise<void>;
  /** Tells the user something besides, in one line. */
  warn(message: string): void;
  /** Results go to a terminal, which control characters in names would confuse. */
  readonly terminal: boolean;
  /** Of the program. */
  readonly version: string;
  /** What is told while the work goes on: standard error. */
  readonly progress: Progress;
  /** Asks the user for a line; absent when nobody is there to answer. */
  readonly ask?:
    | ((question: string, signal: AbortSignal) => Promise<string>)
    | undefined;
}

/** What is told while the work goes on. */
export interface Progress {
  /** Shows text at once. */
  write(text: string): void;
  /** A terminal that understands control sequences. */
  readonly live: boolean;
  /** Colours are wanted. */
  readonly colours: boolean;
  /** How wide the terminal is now. */
  readonly columns: number;
}

/** Writes text as a result. */
export async function resultText(output: Output, text: string): Promise<void> {
  await output.result(new TextEncoder().encode(text));
}

/** The user was told why already: nothing more is to be said, but the exit code. */
export class AlreadyTold extends Error {
  /** Name of the class, as in the stack. */
  override readonly name = "AlreadyTold";
}
