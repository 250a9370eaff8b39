/**
 * Runs the command line program as a user does, on the runtime that runs the tests.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The program's source. */
export const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** How one run ended. */
export interface CliResult {
  readonly code: number | null;
  /** Standard output. */
  readonly out: Uint8Array;
  /** The same as text. */
  readonly text: string;
  /** Standard error. */
  readonly errors: string;
}

/** The program as this runtime starts it. */
export function cliArgv(): string[] {
  if ("Deno" in globalThis) {
    return [process.execPath, "run", "--allow-all", "--no-check", CLI];
  }
  if ("Bun" in globalThis) return [process.execPath, "run", CLI];
  return [process.execPath, "--import", "tsx", CLI];
}

/** Runs it to its end. `env` is added to that of the tests. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const [program, ...before] = cliArgv();
  const child = spawn(program!, [...before, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  const out: Uint8Array[] = [];
  const errors: Uint8Array[] = [];
  child.stdout.on("data", (bytes: Uint8Array) => out.push(bytes));
  child.stderr.on("data", (bytes: Uint8Array) => errors.push(bytes));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const bytes = join(out);
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      resolve({
        code,
        out: bytes,
        text: decode(bytes),
        errors: decode(join(errors)),
      });
    });
  });
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    parts.reduce((size, part) => size + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
