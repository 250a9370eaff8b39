/**
 * Builds the single executable: `deno task build --binary`.
 *
 * @module
 */

import { bunBinary } from "./lib/bun.ts";
import { frozen, run } from "./lib/run.ts";

/** Where {@linkcode buildBinary} puts it, from the root of the repository. */
export const BINARY = "dist/fastboop";

/**
 * Compiles the command line program and Bun into one file for this machine.
 *
 * @returns What was made, in words.
 * @throws {Error} when Bun cannot build it, with what it said.
 */
export async function buildBinary(path: string = BINARY): Promise<string> {
  // Bun lies among the npm packages, which nothing else has laid down in a fresh clone
  const install = await run([
    Deno.execPath(),
    "install",
    "--quiet",
    ...frozen(),
  ]);
  if (install.code !== 0) {
    throw new Error(`Cannot build "${path}":\n${install.output}`);
  }
  const argv = [
    ...[bunBinary(), "build", "--compile"],
    // compiled ahead: the program starts in a third of the time
    ...["--bytecode", "--format=esm"],
    ...["cli.ts", "--outfile", path],
  ];
  const { code, output } = await run(argv);
  if (code !== 0) throw new Error(`Cannot build "${path}":\n${output}`);
  return `${path}: executable of ${(await Deno.stat(path)).size} bytes`;
}
