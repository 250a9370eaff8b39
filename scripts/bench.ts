/**
 * Measures ours beside the program a user would use instead. `deno task bench [OPTION…] [NAME…]`
 *
 *     --json    one object a line: name, value, unit, peer, peerValue, ratio, bar, pass
 *     --quick   little input, one round: only shows that everything runs
 *     --list    print the names
 *
 * Both run on the same input in turns, and medians of at least three rounds are compared. `ratio` is
 * how good ours is compared with theirs, more is better. The exit code is 0 unless something is broken:
 * timings decide nothing, they depend on the machine.
 *
 * @module
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BenchCase, BenchContext } from "./lib/bench_case.ts";
import { ensurePackages } from "./lib/packages.ts";
import { endWithUs, run } from "./lib/run.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ROUNDS = 5;

interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string | null;
  readonly peerValue: number | null;
  readonly ratio: number | null;
  readonly bar: number | null;
  readonly pass: boolean | null;
}

async function loadCases(): Promise<BenchCase[]> {
  const files = readdirSync(join(ROOT, "bench"))
    .filter((name) => name.endsWith(".ts")).sort();
  const lists = await Promise.all(files.map(async (name) => {
    const module = await import(
      pathToFileURL(join(ROOT, "bench", name)).href
    ) as { cases?: readonly BenchCase[] };
    return module.cases ?? [];
  }));
  return lists.flat();
}

const fixtures = new Map<string, Promise<string>>();

async function makeFixture(name: string): Promise<string> {
  const { code, output } = await run([
    process.execPath,
    "run",
    "-A",
    join(ROOT, "scripts/fixtures.ts"),
    name,
  ]);
  // Messages go to the same place; the path is the last line that names a file there is.
  const path = output.trimEnd().split("\n").reverse()
    .find((line) => existsSync(line.trim()))?.trim();
  if (code !== 0 || path === undefined) {
    throw new Error(`Cannot make fixture "${name}":\n${output}`);
  }
  return path;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function measure(
  bench: BenchCase,
  context: BenchContext,
): Promise<Row> {
  const prepared = await bench.prepare(context);
  const ours: number[] = [], theirs: number[] = [];
  for (let round = 0; round < (context.quick ? 1 : ROUNDS); round++) {
    ours.push(await prepared.ours());
    if (prepared.theirs !== undefined) theirs.push(await prepared.theirs());
  }
  const value = median(ours);
  const peerValue = theirs.length > 0 ? median(theirs) : null;
  const more = bench.better === "more";
  const ratio = peerValue === null
    ? null
    : more
    ? value / peerValue
    : peerValue / value;
  const bar = bench.bar ?? null;
  const pass = bar === null
    ? null
    : ratio !== null
    ? ratio >= bar
    : more
    ? value >= bar
    : value <= bar;
  const peer = bench.peer ?? null;
  return {
    name: bench.name,
    value,
    unit: bench.unit,
    peer,
    peerValue,
    ratio,
    bar,
    pass,
  };
}

function show(row: Row, better: BenchCase["better"]): string {
  const number = (value: number | null) =>
    value === null
      ? "-"
      : value >= 1000
      ? Math.round(value).toString()
      : value.toPrecision(3);
  const bar = row.bar === null
    ? "-"
    : row.ratio === null
    ? `${better === "more" ? "≥" : "≤"} ${number(row.bar)}`
    : `≥ ${row.bar}`;
  return [
    row.name.padEnd(24),
    `${number(row.value)} ${row.unit}`.padStart(16),
    number(row.peerValue).padStart(10),
    (row.ratio === null ? "-" : row.ratio.toFixed(2)).padStart(7),
    bar.padStart(9),
    (row.pass === null ? "" : row.pass ? "yes" : "NO").padStart(5),
    row.peer ?? "",
  ].join("  ").trimEnd();
}

async function main(args: readonly string[]): Promise<number> {
  const flags = new Set(args.filter((arg) => arg.startsWith("--")));
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = [...flags].find((flag) =>
    !["--json", "--quick", "--list"].includes(flag)
  );
  const all = await loadCases();
  const cases = all.filter(({ name }) =>
    names.length === 0 || names.some((wanted) => name.startsWith(wanted))
  );
  if (unknown !== undefined || cases.length === 0) {
    console.error(
      `Cannot run ${basename(import.meta.filename ?? "bench")}: ${
        unknown ?? names.join(" ")
      } is unknown, expected --json, --quick, --list or names of: ${
        all.map(({ name }) => name).join(" ")
      }`,
    );
    return 2;
  }
  if (flags.has("--list")) {
    for (const { name } of cases) console.log(name);
    return 0;
  }

  endWithUs();
  ensurePackages([...new Set(cases.flatMap((bench) => bench.packages ?? []))]);
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(memory, "fastboop-bench-"));
  const context: BenchContext = {
    quick: flags.has("--quick"),
    folder,
    fixture(name) {
      const making = fixtures.get(name) ?? makeFixture(name);
      fixtures.set(name, making);
      return making;
    },
  };
  let broken = 0;
  try {
    if (!flags.has("--json")) {
      const head = ["ours", "theirs", "ratio", "bar", "pass"];
      const widths = [16, 10, 7, 9, 5];
      console.log([
        "name".padEnd(24),
        ...head.map((text, at) => text.padStart(widths[at]!)),
        "peer",
      ].join("  "));
    }
    for (const bench of cases) {
      try {
        const row = await measure(bench, context);
        console.log(
          flags.has("--json") ? JSON.stringify(row) : show(row, bench.better),
        );
      } catch (error) {
        broken++;
        console.error(`Cannot measure ${bench.name}:`, error);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return broken === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
