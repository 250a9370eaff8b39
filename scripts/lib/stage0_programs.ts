/**
 * Builds stage0's parts for this machine, with sanitizers, for tests and fuzzing.
 *
 * @module
 */

import { execFile, spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLANG = "clang-19";
const SOURCES = "stage0/src";
const TESTS = "stage0/tests";
/** Of the gadget: what makes sense of bytes from outside, and asks the kernel for nothing. */
const GADGET_PARSERS = /^(protocol|request|ublk|log_ring)\.c$/;

/** Debian packages it is built with. */
export const STAGE0_TEST_PACKAGES: readonly string[] = [
  "clang-19",
  "libclang-rt-19-dev",
];

const FLAGS = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-g",
  "-O1",
  "-fno-omit-frame-pointer",
  "-fno-sanitize-recover=all",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wno-format-truncation",
  `-I${SOURCES}`,
  `-I${TESTS}`,
];
const SANITIZERS = {
  test: "-fsanitize=address,undefined",
  fuzz: "-fsanitize=fuzzer-no-link,address,undefined",
};

/** How a program is to be used. */
export type ProgramKind = keyof typeof SANITIZERS;

/** A program that stage0's tests need and that is missing: a reason to skip. */
export function missingStage0Tools(): string[] {
  return spawnSync(CLANG, ["--version"], { stdio: "ignore" }).error ===
      undefined
    ? []
    : [CLANG];
}

async function sourcesIn(folder: string, wanted: RegExp): Promise<string[]> {
  const names = await readdir(join(ROOT, folder));
  return names.filter((name) => wanted.test(name)).sort()
    .map((name) => `${folder}/${name}`);
}

async function clang(argv: readonly string[]): Promise<void> {
  try {
    await execute(CLANG, [...argv], { cwd: ROOT });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    throw new Error(`Cannot run ${CLANG}: ${stderr || message}`);
  }
}

/** Compiles in parallel; gives the objects, in the order of the sources. */
async function compile(
  sources: readonly string[],
  folder: string,
  kind: ProgramKind,
): Promise<string[]> {
  const objects = sources.map((source) =>
    join(folder, `${kind}-${source.replaceAll("/", "_")}.o`)
  );
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < sources.length; at = next++) {
      // programs bring a main() of their own
      const rename = sources[at] === `${SOURCES}/main.c`
        ? ["-Dmain=stage0_main"]
        : [];
      await clang([
        ...[...FLAGS, ...rename, SANITIZERS[kind]],
        ...["-c", sources[at]!, "-o", objects[at]!],
      ]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return objects;
}

/**
 * Builds the programs of `stage0/tests` whose names match, over all of stage0 but its system calls:
 * those are of the fake phone.
 *
 * @param folder Where objects and programs go.
 * @returns Paths of the programs by their names, without `.c`.
 */
export async function buildStage0Programs(
  names: RegExp,
  folder: string,
  kind: ProgramKind,
): Promise<Map<string, string>> {
  const shared = [
    ...(await sourcesIn(SOURCES, /^(?!sys_linux).*\.c$/)),
    ...(await sourcesIn(`${SOURCES}/gadget`, GADGET_PARSERS)),
    ...(await sourcesIn(TESTS, /^fake_.*\.c$/)),
  ];
  const mains = await sourcesIn(TESTS, names);
  const objects = await compile([...shared, ...mains], folder, kind);
  const library = objects.slice(0, shared.length);
  const engine = kind === "fuzz" ? ["-fsanitize=fuzzer"] : [];
  const programs = new Map<string, string>();
  for (const [at, source] of mains.entries()) {
    const name = basename(source, ".c");
    const program = join(folder, name);
    await clang([
      ...[SANITIZERS[kind], ...engine, "-o", program],
      ...[objects[shared.length + at]!, ...library],
    ]);
    programs.set(name, program);
  }
  return programs;
}
