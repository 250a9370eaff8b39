/**
 * Builds what is generated and committed. `deno task build`
 *
 *     --check   build again and fail when the committed result differs
 *     --binary  build the single executable, dist/fastboop, instead
 *     --stage0  build only the programs that run on phones
 *     --stamp   fail when the committed result is older than its sources; needs no compiler
 *
 * @module
 */
import { buildBinary } from "./build_binary.ts";
import { findStaleProfiles, writeProfiles } from "./build_profiles.ts";
import {
  compareStage0,
  findStalePrograms,
  writeStage0,
} from "./build_stage0.ts";
import { checkStamp, compareWasm, writeWasm } from "./build_wasm.ts";

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) =>
    !["--binary", "--check", "--stage0", "--stamp"].includes(arg)
  );
  if (unknown !== undefined) {
    console.error(
      `Cannot build: unknown option "${unknown}", expected --binary, --check, --stage0 or --stamp`,
    );
    return 2;
  }
  if (args.includes("--binary")) {
    console.log(await buildBinary());
    return 0;
  }
  if (args.includes("--stage0")) {
    for (const line of await writeStage0()) console.log(line);
    return 0;
  }
  if (args.length > 0) {
    const stale = await findStaleProfiles();
    if (stale.length > 0) {
      console.error(
        `Cannot use ${
          stale.join(" and ")
        }: devpros/ or its schema is newer; run deno task build`,
      );
      return 1;
    }
    const programs = await findStalePrograms();
    if (programs.length > 0) {
      console.error(
        `Cannot use ${
          programs.join(" and ")
        }: stage0/ or its build is newer; run deno task build`,
      );
      return 1;
    }
  }
  if (args.includes("--stamp")) {
    const stamp = await checkStamp();
    if (stamp.fresh) return 0;
    console.error(
      `Cannot use src/wasm/core_bytes.ts: source hash is ${
        stamp.found ?? "missing"
      }, expected ${stamp.expected}; run deno task build`,
    );
    return 1;
  }
  if (args.includes("--check")) {
    const differ = await compareStage0();
    if (!await compareWasm()) differ.push("src/wasm/core_bytes.ts");
    if (differ.length === 0) return 0;
    console.error(
      `Cannot use ${
        differ.join(" and ")
      }: a new build differs; run deno task build`,
    );
    return 1;
  }
  // first: these need no compiler
  for (const line of await writeProfiles()) console.log(line);
  for (const line of await writeStage0()) console.log(line);
  console.log(await writeWasm());
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
