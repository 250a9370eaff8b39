/**
 * The command line program while it runs: what it says, and signals to it.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { cliArgv } from "./run_cli.ts";

const POLL_MS = 20;

/** One run of the program. */
export class CliProcess {
  /** Standard output so far. */
  text = "";
  /** Standard error so far. */
  errors = "";
  /** Settles with the exit code when it has ended; 128 and the signal when one ended it. */
  readonly ended: Promise<number>;
  readonly pid: number;
  readonly #child: ChildProcess;
  #over = false;

  /** @param before What is put before the program, such as a terminal for it. */
  constructor(
    args: readonly string[],
    before: (argv: readonly string[]) => readonly string[] = (argv) => argv,
  ) {
    const [program, ...rest] = before([...cliArgv(), ...args]);
    const child = spawn(program!, rest, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.#child = child;
    this.pid = child.pid!;
    const decode = (push: (text: string) => void) => {
      const decoder = new TextDecoder();
      return (bytes: Uint8Array) =>
        push(decoder.decode(bytes, { stream: true }));
    };
    child.stdout!.on("data", decode((text) => this.text += text));
    child.stderr!.on("data", decode((text) => this.errors += text));
    child.stdin!.on("error", () => {}); // it has ended
    this.ended = new Promise((resolve) =>
      child.once("close", (code, signal) => {
        this.#over = true;
        resolve(code ?? 128 + constants.signals[signal!]);
      })
    );
  }

  /** Lines of JSON on standard output. */
  get lines(): { readonly type: string; readonly [key: string]: unknown }[] {
    return this.text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  }

  /** Waits until `look` gives something; rejects when the program ends before. */
  async until<T>(
    what: string,
    look: () => T | undefined | false,
    timeoutMs = 120_000,
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const last = this.#over;
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (last || Date.now() > deadline) {
        throw new Error(
          `${what} did not happen${
            last ? " before it ended" : ""
          }; it said:\n${this.text}\n${this.errors}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Waits for a line of JSON. */
  // deno-lint-ignore no-explicit-any
  told(type: string, is: (line: any) => boolean = () => true): Promise<any> {
    return this.until(
      `"${type}"`,
      () => this.lines.find((line) => line.type === type && is(line)),
    );
  }

  /** Waits for text on standard error, or on a terminal. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(
      String(pattern),
      () => pattern.exec(this.errors) ?? pattern.exec(this.text) ?? undefined,
    );
  }

  /** Types something. */
  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Sends a signal; the method of the child would forget the exit code on Deno. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    process.kill(this.pid, name);
  }

  /** Ends it, if it has not ended. */
  async stop(): Promise<void> {
    if (!this.#over) this.#child.kill("SIGKILL");
    await this.ended;
  }
}
