/**
 * Builds what is generated and committed. `deno task build`
 *
 *     --check   build again and fail when the committed result differs
 *     --binary  build the single executable, dist/fastboop, instead
 *     --stamp   fail when the committed result is older than its sources; needs no compiler
 *
 * @module
 */
import { buildBinary } from "./build_binary.ts";
import { findStaleProfiles, writeProfiles } from "./build_profiles.ts";
import { checkStamp, compareWasm, writeWasm } from "./build_wasm.ts";

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) =>
    !["--binary", "--check", "--stamp"].includes(arg)
  );
  if (unknown !== undefined) {
    console.error(
      `Cannot build: unknown option "${unknown}", expected --binary, --check or --stamp`,
    );
    return 2;
  }
  if (args.includes("--binary")) {
    console.log(await buildBinary());
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
    if (await compareWasm()) return 0;
    console.error(
      "Cannot use src/wasm/core_bytes.ts: a new build differs from it; run deno task build",
    );
    return 1;
  }
  // first: these need no compiler
  for (const line of await writeProfiles()) console.log(line);
  console.log(await writeWasm());
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
