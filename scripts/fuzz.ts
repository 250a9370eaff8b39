/**
 * Feeds damaged images to the readers: `deno task fuzz [TARGET] [--seconds N] [--first RUN] [--runs N]`.
 * TARGET is erofs, by default, or formats: archives, boot images, kernels, device trees; or stage0: the
 * parsers of the program on the phone, by libFuzzer, of which only `--seconds` is taken.
 *
 * Every input has a number, and the same number gives the same input. Prints how many inputs were
 * accepted, so that a run that never gets past the magic numbers shows. Exit code 1 when an input made
 * the reader fail without a code, or take longer than 20 seconds; the input is kept in `.cache/fuzz`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { fuzzStage0 } from "./lib/fuzz_stage0.ts";
import { TARGETS } from "../tests/fuzz/targets.ts";

const HANG_MS = 20_000;
const BATCH = 50;

interface Message {
  readonly run: number;
  readonly name: string;
  readonly state: "begun" | "ended" | "failed";
  readonly opened?: boolean;
  readonly read?: boolean;
  readonly text?: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    first: { type: "string", default: "1" },
    runs: { type: "string", default: "1000000000" },
  },
});
const [target = "erofs"] = positionals;
if (target === "stage0") {
  Deno.exit(await fuzzStage0(Number(values.seconds)) > 0 ? 1 : 0);
}
if (TARGETS[target] === undefined) {
  console.error(
    `Cannot fuzz "${target}", expected one of ${
      [...Object.keys(TARGETS), "stage0"].join(", ")
    }`,
  );
  Deno.exit(2);
}
const { makeInput } = TARGETS[target];
const seconds = Number(values.seconds);
const first = Number(values.first);
const runs = Number(values.runs);

const counts = { inputs: 0, opened: 0, read: 0, failed: 0 };
const accepted = new Map<string, number>();
const end = performance.now() + seconds * 1000;

let worker = startWorker();
for (
  let run = first;
  run < first + runs && performance.now() < end;
  run += BATCH
) {
  await runBatch(run, Math.min(BATCH, first + runs - run));
}
worker.terminate();

for (const [name, count] of [...accepted].sort()) {
  console.log(`${name.padEnd(20)} ${count} opened`);
}
console.log(
  `${counts.inputs} inputs, ${counts.opened} accepted, ${counts.read} read to the ` +
    `end, ${counts.failed} failures`,
);
Deno.exit(counts.failed > 0 || counts.inputs === 0 ? 1 : 0);

function startWorker(): Worker {
  return new Worker(new URL("../tests/fuzz/worker.ts", import.meta.url), {
    type: "module",
  });
}

/** Runs inputs `from` and on; goes on behind one that hangs. */
async function runBatch(from: number, count: number): Promise<void> {
  let current = from;
  const last = from + count - 1;
  while (current <= last) {
    const hung = await new Promise<boolean>((resolve) => {
      const hang = () => resolve(true);
      let timer = setTimeout(hang, HANG_MS);
      worker.onmessage = ({ data }: MessageEvent<Message>) => {
        clearTimeout(timer);
        timer = setTimeout(hang, HANG_MS);
        if (data.state === "begun") {
          current = data.run;
          return;
        }
        tally(data);
        if (data.run === last) {
          clearTimeout(timer);
          resolve(false);
        }
      };
      worker.postMessage({ target, first: current, count: last - current + 1 });
    });
    if (!hung) return;
    await fail(current, `took longer than ${HANG_MS} ms`);
    worker.terminate();
    worker = startWorker();
    current++;
  }
}

function tally({ run, name, state, opened, read, text }: Message): void {
  counts.inputs++;
  if (opened) accepted.set(name, (accepted.get(name) ?? 0) + 1);
  if (opened) counts.opened++;
  if (read) counts.read++;
  if (state === "failed") void fail(run, text ?? "");
}

async function fail(run: number, text: string): Promise<void> {
  counts.failed++;
  await Deno.mkdir(".cache/fuzz", { recursive: true });
  const { name, bytes } = await makeInput(run);
  const path = `.cache/fuzz/${target}-${run}.img`;
  await Deno.writeFile(path, bytes);
  console.error(`input ${run} (from ${name}, kept as ${path}): ${text}`);
}
