/**
 * Builds the programs that run on a phone: stage0, and the agent of the virtual phone.
 *
 * Static, for each machine, of `stage0/` and of musl, whose source is pinned. Needs the Debian packages
 * `clang-19` and `lld-19`. The same inputs give the same bytes. Only who changes C needs any of this;
 * what is generated is committed.
 *
 * @module
 */
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MUSL, prepareMusl } from "./lib/musl.ts";
import {
  CLANG_PACKAGES,
  clangVersion,
  compileAll,
  hashFiles,
  listFiles,
  ROOT,
  runTool,
  sha256,
} from "./lib/objects.ts";
import { ensurePackages } from "./lib/packages.ts";
import { fetchSources } from "./lib/upstream.ts";

const CACHE = ".cache/stage0";
const OBJECTS = `${CACHE}/objects`;
const LINKER = "ld.lld-19";
const MAX_SIZE = 160 << 10;

/** Processors that we build for, as `uname -m` names them, and their options. */
const MACHINES = {
  aarch64: [
    "--target=aarch64-linux-musl",
    "-march=armv8-a",
    // atomics by a table that the C library would have to fill
    "-mno-outline-atomics",
  ],
  x86_64: ["--target=x86_64-linux-musl"],
} as const;
type Machine = keyof typeof MACHINES;

/** A program, its sources and where its bytes go: one file for each machine. */
interface Program {
  readonly name: string;
  readonly folders: readonly string[];
  /** Sources and headers of others that it uses. */
  readonly shared?: readonly string[];
  readonly output: (machine: Machine) => string;
}

const PROGRAMS: readonly Program[] = [
  {
    name: "stage0",
    folders: ["stage0/src", "stage0/src/gadget"],
    output: (machine) => `src/boot/stage0_${machine}_bytes.ts`,
  },
  {
    name: "agent",
    folders: ["stage0/agent"],
    shared: ["errno.c", "text.c", "text.h"].map((name) => `stage0/src/${name}`),
    output: (machine) => `src/phone/agent_${machine}_bytes.ts`,
  },
];

const COMMON = [
  "-Os",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-pic",
  "-fno-ident",
  "-fno-stack-protector",
  "-fno-unwind-tables",
  "-fno-asynchronous-unwind-tables",
  "-fomit-frame-pointer",
];

const OWN = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-D_LARGEFILE64_SOURCE", // struct dirent64
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wno-sign-conversion",
  "-Werror",
  // no floating point, and no vector registers where words do
  "-mgeneral-regs-only",
  "-Istage0/src",
];

/** Sources of a program, in the order in which they are linked. */
async function ownSources(
  { folders, shared = [] }: Program,
): Promise<string[]> {
  const lists = await Promise.all(folders.map(async (folder) => {
    const names = (await readdir(join(ROOT, folder))).sort();
    return names.map((name) => `${folder}/${name}`);
  }));
  return [...lists.flat(), ...shared].filter((path) => path.endsWith(".c"));
}

/** SHA-256 over everything that decides what the program becomes. */
async function sourceHash(
  { folders, shared = [] }: Program,
): Promise<string> {
  const own = (await Promise.all(folders.map(listFiles))).flat();
  return await hashFiles([
    ...[...own, ...shared].filter((path) => /\.[ch]$/.test(path)),
    "stage0/pinned.json",
    "scripts/build_stage0.ts",
    "scripts/lib/musl.ts",
    "scripts/lib/objects.ts",
  ]);
}

/** The C library for one machine, compiled. */
interface Library {
  /** Options of programs that use it. */
  readonly includes: readonly string[];
  /** Linked always. */
  readonly start: readonly string[];
  /** Linked where needed. */
  readonly objects: readonly string[];
}

async function buildMusl(machine: Machine): Promise<Library> {
  const musl = await prepareMusl({ root: ROOT, cache: CACHE, machine });
  const key = MUSL + await clangVersion() +
    await hashFiles(["stage0/pinned.json", "scripts/lib/musl.ts"]);
  const flags = [...MACHINES[machine], ...COMMON, ...musl.flags, "-w"];
  const build = (sources: readonly string[]) =>
    compileAll(sources.map((source) => ({ source, flags })), OBJECTS, key);
  return {
    includes: musl.includes,
    start: await build(musl.start),
    objects: await build(musl.sources),
  };
}

async function buildProgram(
  program: Program,
  machine: Machine,
  library: Library,
): Promise<Uint8Array> {
  const headers = (await listFiles("stage0")).filter((path) =>
    path.endsWith(".h")
  );
  const key = await clangVersion() +
    await hashFiles([...headers, "stage0/pinned.json"]);
  const flags = [
    ...MACHINES[machine],
    ...COMMON,
    ...OWN,
    ...library.includes,
  ];
  const objects = await compileAll(
    (await ownSources(program)).map((source) => ({ source, flags })),
    OBJECTS,
    key,
  );
  const linked = `${CACHE}/${program.name}-${machine}-${process.pid}`;
  await runTool(LINKER, [
    "-static",
    "--gc-sections",
    "--strip-all",
    "--build-id=none",
    "-z",
    "noexecstack",
    "-z",
    "norelro",
    // the file is read into memory anyway: no holes in it
    "-z",
    "noseparate-code",
    "-z",
    "max-page-size=65536",
    "--icf=safe",
    "-O2",
    "--fatal-warnings",
    `-Map=${CACHE}/${program.name}-${machine}.map`, // what takes how much room
    "-o",
    linked,
    ...library.start,
    ...objects,
    "--start-lib",
    ...library.objects,
    "--end-lib",
  ]);
  const bytes = new Uint8Array(await readFile(join(ROOT, linked)));
  await rename(
    join(ROOT, linked),
    join(ROOT, CACHE, `${program.name}-${machine}`),
  );
  if (bytes.length > MAX_SIZE) {
    throw new RangeError(
      `Cannot use ${program.name} for ${machine}: it has ${bytes.length} bytes, expected at most ${MAX_SIZE}; see ${CACHE}/${program.name}-${machine}.map`,
    );
  }
  return bytes;
}

/** Generated file: its path below the repository and its text. */
interface Generated {
  readonly path: string;
  readonly text: string;
  readonly size: number;
}

/** Builds every program for every machine. Objects are kept in the cache and reused. */
export async function buildStage0(): Promise<Generated[]> {
  ensurePackages(CLANG_PACKAGES);
  await fetchSources({
    pinned: join(ROOT, "stage0/pinned.json"),
    cache: join(ROOT, CACHE),
  });
  const list: Generated[] = [];
  for (const machine of Object.keys(MACHINES) as Machine[]) {
    const library = await buildMusl(machine);
    for (const program of PROGRAMS) {
      const bytes = await buildProgram(program, machine, library);
      list.push({
        path: program.output(machine),
        text: render(program.name, machine, bytes, await sourceHash(program)),
        size: bytes.length,
      });
    }
  }
  return list;
}

function render(
  name: string,
  machine: Machine,
  bytes: Uint8Array,
  hash: string,
): string {
  return `// Generated by scripts/build_stage0.ts; do not edit. To make it again: deno task build

/** SHA-256 over the sources of ${name}. */
export const SOURCE_HASH =
  "${hash}";

/** SHA-256 of the program for ${machine}. */
export const PROGRAM_SHA256 =
  "${sha256(bytes)}";

/** Bytes of the program. */
export const PROGRAM_SIZE = ${bytes.length};

/** The program in base64. */
export const PROGRAM_BASE64 =
  "${Buffer.from(bytes).toString("base64")}";
`;
}

/** Generated files that are older than their sources, or missing. Needs no compiler. */
export async function findStalePrograms(): Promise<string[]> {
  const stale: string[] = [];
  for (const program of PROGRAMS) {
    const expected = await sourceHash(program);
    for (const machine of Object.keys(MACHINES) as Machine[]) {
      const path = program.output(machine);
      const text = await readFile(join(ROOT, path), "utf8").catch(() => "");
      const found = /SOURCE_HASH =\s*"([0-9a-f]{64})"/.exec(text)?.[1];
      if (found !== expected) stale.push(path);
    }
  }
  return stale;
}

/** Builds and writes the generated files; tells what came of it in a line each. */
export async function writeStage0(): Promise<string[]> {
  const lines: string[] = [];
  for (const { path, text, size } of await buildStage0()) {
    const fresh = join(ROOT, `${path}.${process.pid}`);
    await mkdir(join(fresh, ".."), { recursive: true });
    await writeFile(fresh, text);
    await rename(fresh, join(ROOT, path));
    lines.push(`${path}: program of ${size} bytes`);
  }
  return lines;
}

/** Builds and names the generated files that differ; they stay as they are. */
export async function compareStage0(): Promise<string[]> {
  const differ: string[] = [];
  for (const { path, text } of await buildStage0()) {
    const found = await readFile(join(ROOT, path), "utf8").catch(() => "");
    if (found !== text) differ.push(path);
  }
  return differ;
}
