/**
 * Builds what is generated and committed. `deno task build`
 *
 *     --check   build again and fail when the committed result differs
 *     --stamp   fail when the committed result is older than its sources; needs no compiler
 *
 * @module
 */
import { checkStamp, compareWasm, writeWasm } from "./build_wasm.ts";

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== "--check" && arg !== "--stamp");
  if (unknown !== undefined) {
    console.error(
      `Cannot build: unknown option "${unknown}", expected --check or --stamp`,
    );
    return 2;
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
  console.log(await writeWasm());
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
