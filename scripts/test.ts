/**
 * Sets up what the tests need and runs them. `deno task test [OPTION…] [PART_OF_PATH…]`
 *
 *     --only RUNNER    deno, bun, node or artefacts; may be given several times
 *     --no-fixtures    do not make the images that the tests of artefacts read
 *     --verbose        show all output, not only that of runners with failures
 *
 * The core tests run on Deno, Bun and Node, the tests of real images on Deno. The last line is
 * `N passed, N failed`, with `, N skipped` when there are any.
 *
 * @module
 */

import { bunBinary } from "./lib/bun.ts";
import { ensurePackages } from "./lib/packages.ts";
import { endWithUs, existing, filesBelow, frozen, run } from "./lib/run.ts";
import {
  type Counts,
  parseBun,
  parseDeno,
  parseTap,
  plain,
} from "./lib/counts.ts";

const RUNNERS = ["deno", "bun", "node", "artefacts"] as const;
type Runner = typeof RUNNERS[number];

interface Options {
  readonly only: ReadonlySet<Runner>;
  readonly fixtures: boolean;
  readonly verbose: boolean;
  readonly filters: readonly string[];
}

interface Plan {
  readonly name: string;
  readonly argv: readonly string[];
  readonly files: readonly string[];
  readonly timeoutMs: number;
  readonly parse: (output: string) => Counts | undefined;
}

const deno = Deno.execPath();
const MINUTE = 60_000;

function parseArguments(argv: readonly string[]): Options {
  const only = new Set<Runner>();
  const filters: string[] = [];
  let fixtures = true;
  let verbose = false;
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === "--no-fixtures") fixtures = false;
    else if (arg === "--verbose") verbose = true;
    else if (arg === "--only") {
      const name = argv[++i];
      const runner = RUNNERS.find((runner) => runner === name);
      if (runner === undefined) {
        fail(`--only takes ${RUNNERS.join(", ")}, found ${name ?? "nothing"}`);
      }
      only.add(runner);
    } else if (arg.startsWith("-")) fail(`unknown option ${arg}`);
    else filters.push(arg);
  }
  if (only.size === 0) { for (const runner of RUNNERS) only.add(runner); }
  return { only, fixtures, verbose, filters };
}

function fail(reason: string): never {
  console.error(`Cannot run tests: ${reason}`);
  Deno.exit(2);
}

function plans({ only, filters }: Options): Plan[] {
  const wanted = (path: string) =>
    filters.length === 0 || filters.some((filter) => path.includes(filter));
  const tests = (...folders: string[]) =>
    folders.flatMap((folder) => filesBelow(folder, "_test.ts")).filter(wanted);
  const core = [
    ...tests("src", "tests/conformance", "tests/runtimes"),
    ...existing("cli_test.ts").filter(wanted),
  ];
  const list: (Plan & { runner: Runner })[] = [
    {
      runner: "deno",
      name: "deno",
      files: [...core, ...tests("scripts", "bench", "tests/scripts")],
      argv: [deno, "test", "--allow-all", "--no-check", ...frozen()],
      timeoutMs: 20 * MINUTE,
      parse: parseDeno,
    },
    {
      runner: "bun",
      name: "bun",
      files: core.map((path) => `./${path}`),
      argv: [bunBinary(), "test", "--timeout=120000"],
      timeoutMs: 20 * MINUTE,
      parse: parseBun,
    },
    {
      runner: "node",
      name: "node",
      files: core,
      argv: [
        "node",
        "--import",
        "tsx",
        "--test",
        "--test-reporter=tap",
      ],
      timeoutMs: 20 * MINUTE,
      parse: parseTap,
    },
    {
      runner: "artefacts",
      name: "artefacts (deno)",
      files: tests("tests/artefacts"),
      argv: [deno, "test", "--allow-all", "--no-check", ...frozen()],
      timeoutMs: 60 * MINUTE,
      parse: parseDeno,
    },
  ];
  return list.filter(({ runner, files }) =>
    // A filter that leaves a runner nothing to do leaves it out; without one that is a failure.
    only.has(runner) && (files.length > 0 || filters.length === 0)
  );
}

/** Debian packages with the programs that judge ours. */
const PACKAGES = [
  "abootimg",
  "android-sdk-libsparse-utils",
  "apache2-bin",
  "bzip2",
  "casync",
  "chromium",
  "clang-19",
  "cpio",
  "curl",
  "device-tree-compiler",
  "dosfstools",
  "e2fsprogs",
  "fastboot",
  "fdisk",
  "file",
  "gdisk",
  "kmod",
  "libarchive-tools",
  "libclang-rt-19-dev",
  "lld-19",
  "lz4",
  "mkbootimg",
  "mtools",
  "python3",
  "qemu-system-arm",
  "qemu-system-x86",
  "squashfs-tools",
  "squashfs-tools-ng",
  "unzip",
  "usbip",
  "xorriso",
  "xz-utils",
  "zip",
  "zstd",
];

/**
 * What must be there before any test: programs, dependencies, and images for the tests of artefacts.
 */
async function setUp({ only, fixtures }: Options): Promise<Counts> {
  const failed = { passed: 0, failed: 1, skipped: 0 };
  try {
    ensurePackages(PACKAGES);
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    return failed;
  }
  // A run of Deno alone would not lay down what only Bun and Node import.
  const steps: [name: string, argv: string[]][] = [
    ["dependencies", [deno, "install", "--quiet", ...frozen()]],
  ];
  if (fixtures && only.has("artefacts")) {
    steps.push(["fixtures", [deno, "run", "-A", "scripts/fixtures.ts"]]);
  }
  for (const [name, argv] of steps) {
    console.log(`Setting up ${name}`);
    const live = name === "fixtures";
    const { code, output } = await run(argv, { live, timeoutMs: 60 * MINUTE });
    if (code === 0) continue;
    console.log(`FAILED  ${name}\n${live ? "" : output.trimEnd()}\n`);
    return failed;
  }
  return { passed: 0, failed: 0, skipped: 0 };
}

/** What failed, over all runners. */
const failures: string[] = [];

async function execute(plan: Plan, verbose: boolean): Promise<Counts> {
  const { name, argv, files, timeoutMs, parse } = plan;
  if (files.length === 0) {
    console.log(`FAILED  ${name}: there are no tests`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const result = await run([...argv, ...files], {
    timeoutMs,
    live: verbose,
  });
  const output = plain(result.output);
  const counts = parse(output);
  const good = result.code === 0 && counts !== undefined &&
    counts.failed === 0 && counts.passed > 0;
  const shown = counts === undefined
    ? "gave no result"
    : `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
  const took = `${result.seconds.toFixed(1)} s`;
  console.log(`${good ? "ok    " : "FAILED"}  ${name}: ${shown} (${took})`);
  if (good) return counts;
  const names = namesOfFailures(output).map((line) => `${name}: ${line}`);
  failures.push(...names);
  // The names first and again at the end: a log may be cut anywhere.
  console.log(names.join("\n"));
  if (!verbose) console.log(`${aboutFailures(output)}\n`);
  // A runner that fails without a failed test counts as one.
  const { passed = 0, failed = 0, skipped = 0 } = counts ?? {};
  return { passed, failed: Math.max(1, failed), skipped };
}

/** What tells why tests failed. */
function aboutFailures(output: string): string {
  const lines = output.split("\n");
  const errors = lines.indexOf(" ERRORS "), names = lines.indexOf(" FAILURES ");
  if (errors >= 0 && names > errors) {
    return lines.slice(errors, names).slice(0, 1500).join("\n").trimEnd();
  }
  const passed =
    /^\s*(?:ok \d+|\(pass\)|\(skip\)|.* \.\.\. ok)|^\s*(?:# Subtest:|---|\.\.\.|duration_ms|type:)/;
  // Bun names each file, also those of which it has nothing to tell.
  const file = /^\S+_test\.ts:$/;
  return lines
    .filter((line) => line.trim() !== "" && !passed.test(line))
    .filter((line, at, all) =>
      !file.test(line) || !file.test(all[at + 1] ?? line)
    )
    .slice(-1500).join("\n");
}

/** Names of failed tests, as their runner prints them. */
function namesOfFailures(output: string): string[] {
  const names = new Set(
    output.split("\n").filter((line) =>
      / \.\.\. FAILED|^\s*\(fail\)|^\s*not ok \d+/.test(line)
    ).map((line) => line.trim()),
  );
  return [...names];
}

async function main(): Promise<number> {
  endWithUs();
  Deno.chdir(new URL("..", import.meta.url));
  const options = parseArguments(Deno.args);
  const total = { ...await setUp(options) };
  const list = plans(options);
  if (list.length === 0) fail(`no test file for ${options.filters.join(" ")}`);
  for (const plan of list) {
    const counts = await execute(plan, options.verbose);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  for (const failure of failures) console.log(`FAILED  ${failure}`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

Deno.exit(await main());
