/**
 * Fuzzes the parsers of stage0 with libFuzzer.
 *
 * @module
 */

import { join } from "node:path";
import { SEEDS } from "../../tests/fuzz/stage0_seeds.ts";
import { run } from "./run.ts";
import { buildStage0Programs } from "./stage0_programs.ts";

const CACHE = ".cache/fuzz/stage0";

/**
 * Runs every fuzzer for its share of the time, from the seeds and what earlier runs found; prints
 * what each did. An input that makes one fail is kept in `.cache/fuzz/stage0`.
 *
 * @param seconds For all of them together.
 * @returns How many failed.
 */
export async function fuzzStage0(seconds: number): Promise<number> {
  await Deno.mkdir(CACHE, { recursive: true });
  const programs = await buildStage0Programs(
    new RegExp(`^(${Object.keys(SEEDS).join("|")})\\.c$`),
    await Deno.realPath(CACHE),
    "fuzz",
  );
  const each = Math.max(1, Math.round(seconds / programs.size));
  let failed = 0;
  for (const [name, program] of programs) {
    const corpus = join(CACHE, `${name}.corpus`);
    await Deno.mkdir(corpus, { recursive: true });
    for (const [at, seed] of SEEDS[name]!.entries()) {
      const bytes = typeof seed === "string"
        ? new TextEncoder().encode(seed)
        : seed;
      await Deno.writeFile(join(corpus, `seed-${at}`), bytes);
    }
    const { code, output } = await run([
      ...[program, `-max_total_time=${each}`, "-max_len=4096"],
      ...[`-artifact_prefix=${CACHE}/${name}-`, corpus],
    ]);
    const [, runs = "0"] = /Done (\d+) runs/.exec(output) ?? [];
    console.log(`${name.padEnd(20)} ${runs} inputs, exit code ${code}`);
    if (code === 0 && Number(runs) > 0) continue;
    console.error(output);
    failed++;
  }
  return failed;
}
