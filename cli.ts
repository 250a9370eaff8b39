/**
 * The command line program: argv → command → run → exit code. To import it is to run it.
 *
 * @module
 */

import process from "node:process";
import { setImmediate } from "node:timers";
import { parseCommand, UsageError } from "./src/adapters/cli/args.ts";
import { type Output, runCommand } from "./src/adapters/cli/commands.ts";
import manifest from "./deno.json" with { type: "json" };

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const output: Output = {
  terminal: process.stdout.isTTY === true,
  version: manifest.version,
  warn: (message) => void process.stderr.write(`fastboop: ${message}\n`),
  result: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(
        bytes,
        // Node writes to a pipe at once and calls back before any event: a turn lets Ctrl-C in
        (error) => error ? reject(error) : setImmediate(resolve),
      );
    }),
};

async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort(new Error("Interrupted")));
  try {
    await runCommand(parseCommand(args), output, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT_INTERRUPTED;
    // the reader of our output has seen enough, as in `… | head`
    if (error instanceof Error && "code" in error && error.code === "EPIPE") {
      return 0;
    }
    process.stderr.write(
      `fastboop: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    if (!(error instanceof UsageError)) return EXIT_FAILED;
    const topic = error.topic === undefined ? "" : ` ${error.topic}`;
    process.stderr.write(`See "fastboop help${topic}"\n`);
    return EXIT_USAGE;
  }
}

// without a listener the runtimes report a closed pipe a second time, as a crash
process.stdout.on("error", () => {});
process.exitCode = await main(process.argv.slice(2));
