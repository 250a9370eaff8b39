/**
 * Makes real images for tests and benchmarks: `deno task fixtures [NAME…]`.
 *
 * @module
 */

import { RECIPES } from "./fixtures/all.ts";
import { COMMITTED_RECIPE, publishCommitted } from "./fixtures/committed.ts";
import { Maker, prune } from "./fixtures/make.ts";
import { fixturesFolder } from "./fixtures/recipe.ts";
import { killAll } from "./fixtures/run.ts";

const USAGE =
  `usage: deno task fixtures [NAME…]   make these, or all; what is made already is left alone
       deno task fixtures --list    print every name
       deno task fixtures --prune   remove what today's recipes do not make (not while another makes)

For each name the last line on stdout is the path of what was made; all else goes to stderr.
Fixtures lie in .fixtures of the repository, or where FASTBOOP_FIXTURES says.`;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) =>
    arg.startsWith("-") && !["--list", "--prune", "--help"].includes(arg)
  );
  if (unknown !== undefined) {
    console.error(`Cannot use option "${unknown}": it is not known\n${USAGE}`);
    return 2;
  }
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  if (args.includes("--list")) {
    const width = Math.max(...[...RECIPES].map(({ name }) => name.length));
    for (const { name, description } of RECIPES) {
      console.log(`${name.padEnd(width)}\t${description}`);
    }
    return 0;
  }
  if (args.includes("--prune")) {
    for (const path of await prune(RECIPES, false)) {
      console.error(`Removed ${path}`);
    }
    return 0;
  }

  const names = args.length > 0 ? args : [...RECIPES].map(({ name }) => name);
  for (const name of names) RECIPES.get(name);
  const maker = new Maker(RECIPES);
  // The first failure ends the script, and with it what else is under way.
  const paths = await Promise.all(names.map((name) => maker.make(name)));
  for (const [index, name] of names.entries()) {
    const path = paths[index]!;
    const published = name === COMMITTED_RECIPE.name && args.includes(name);
    console.log(published ? await publishCommitted(path) : path);
  }
  const outdated = await prune(RECIPES, true);
  if (outdated.length > 0) {
    console.error(
      `${outdated.length} outdated in ${fixturesFolder()}; remove them by: deno task fixtures --prune`,
    );
  }
  return 0;
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.addSignalListener(signal, () => {
    killAll();
    Deno.exit(code);
  });
}
try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  killAll();
  console.error(error instanceof Error ? error.message : String(error));
  Deno.exit(1);
}
