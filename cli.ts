/**
 * The command line program: argv → command → run → exit code. To import it is to run it.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers";
import { parseCommand, UsageError } from "./src/adapters/cli/args.ts";
import { printable } from "./src/adapters/cli/listing.ts";
import { AlreadyTold, type Output } from "./src/adapters/cli/output.ts";
import { ReadError } from "./src/errors.ts";
import manifest from "./deno.json" with { type: "json" };

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** By the signals that ask a program to end: 128 and the number of the signal. */
const EXIT_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const { stdin, stdout, stderr, env } = process;
const canDraw = stderr.isTTY === true && env["TERM"] !== "dumb";

const output: Output = {
  terminal: stdout.isTTY === true,
  version: manifest.version,
  warn: tell,
  result: (bytes) =>
    new Promise<void>((resolve, reject) => {
      stdout.write(
        bytes,
        // Node writes to a pipe at once and calls back before any event: a turn lets Ctrl-C in
        (error) => error ? reject(error) : setImmediate(resolve),
      );
    }).catch((error) => {
      throw unwritten(error);
    }),
  progress: {
    write: (text) => void stderr.write(text),
    live: canDraw,
    // https://no-color.org
    colours: canDraw && !env["NO_COLOR"],
    get columns() {
      return stderr.columns || 80;
    },
  },
  ask: stdin.isTTY === true && stderr.isTTY === true ? ask : undefined,
};

/** Names of files and words of servers are anyone's: none may drive the terminal. */
function tell(message: string): void {
  const lines = message.split("\n").map(printable);
  stderr.write(`fastboop: ${lines.join("\n")}\n`);
}

/** Of what systems say only that there is no room, and not where. */
function unwritten(error: Error): Error {
  if ("code" in error && error.code === "EPIPE") return error;
  return new ReadError(
    "file.write-failed",
    `Cannot write to standard output: ${error.message}`,
    { cause: error },
  );
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: stdin, output: stderr });
  // else Ctrl-C would only end the line
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}

/** Whether SIGHUP is to be ignored, as `nohup` has it: a listener would undo that. Linux alone tells. */
function outlivesTerminal(): boolean {
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    const [, ignored] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status) ?? [];
    return ignored !== undefined && (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  let exitCode = 0;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    if (signal === "SIGHUP" && outlivesTerminal()) continue;
    process.on(signal, () => {
      exitCode ||= EXIT_SIGNALS[signal];
      // the second time he means it; of a closed terminal both kernel and shell tell
      if (interrupt.signal.aborted && signal !== "SIGHUP") {
        process.exit(exitCode);
      }
      interrupt.abort(new Error("Interrupted"));
    });
  }
  try {
    const command = parseCommand(args, { columns: stdout.columns });
    // loaded last: who only wants to know what to type should not wait
    if (command.kind === "help" || command.kind === "version") {
      const text = command.kind === "help"
        ? command.text
        : `fastboop ${output.version}\n`;
      await output.result(new TextEncoder().encode(text));
      return 0;
    }
    const { runCommand } = await import("./src/adapters/cli/commands.ts");
    await runCommand(command, output, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return exitCode;
    // the reader of our output has seen enough, as in `… | head`
    if (error instanceof Error && "code" in error && error.code === "EPIPE") {
      return 0;
    }
    if (error instanceof AlreadyTold) return EXIT_FAILED;
    tell(error instanceof Error ? error.message : String(error));
    if (!(error instanceof UsageError)) return EXIT_FAILED;
    const topic = error.topic === undefined ? "" : ` ${error.topic}`;
    stderr.write(`See "fastboop help${topic}"\n`);
    return EXIT_USAGE;
  }
}

// without a listener the runtimes report a closed pipe a second time, as a crash
stdout.on("error", () => {});
// of a terminal that was closed
stderr.on("error", () => {});
process.exitCode = await main(process.argv.slice(2));
