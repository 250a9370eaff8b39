/**
 * Builds the programs that run on a phone: stage0, and the agent of the virtual phone.
 *
 * Static, for each machine, of `stage0/` and pinned upstream sources: musl, and liburing where it is
 * included. Needs the Debian packages `clang-19` and `lld-19`. The same inputs give the same bytes.
 * Only who changes C needs any of this; what is generated is committed.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { prepareLiburing, prepareMusl, UPSTREAM } from "./lib/musl.ts";
import { ensurePackages } from "./lib/packages.ts";
import { fetchSources } from "./lib/upstream.ts";

const execute = promisify(execFile);

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = ".cache/stage0";
const CLANG = "clang-19";
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
  readonly main: string;
  readonly folders: readonly string[];
  /** Sources of others that it uses. */
  readonly shared?: readonly string[];
  readonly output: (machine: Machine) => string;
}

const PROGRAMS: readonly Program[] = [
  {
    name: "stage0",
    main: "stage0/src/main.c",
    folders: ["stage0/src", "stage0/src/gadget"],
    output: (machine) => `src/boot/stage0_${machine}_bytes.ts`,
  },
  {
    name: "agent",
    main: "stage0/agent/agent.c",
    folders: ["stage0/agent"],
    shared: ["stage0/src/errno.c", "stage0/src/text.c"],
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

/** One call of the compiler. */
interface Job {
  readonly source: string;
  readonly flags: readonly string[];
}

/** Runs a tool in the repository; what it says of errors is the error. */
async function run(tool: string, argv: readonly string[]) {
  try {
    return await execute(tool, [...argv], { cwd: ROOT });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    throw new Error(`Cannot run ${tool}: ${stderr || message}`);
  }
}

const sha256 = (data: Uint8Array | string) =>
  createHash("sha256").update(data).digest("hex");

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true })
    .catch(() => []);
  const lists = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? listFiles(`${folder}/${entry.name}`)
        : [`${folder}/${entry.name}`]
    ),
  );
  return lists.flat().sort();
}

/** Sources of a program, in the order in which they are linked. */
async function ownSources(
  { main, folders, shared = [] }: Program,
): Promise<string[]> {
  if (!existsSync(join(ROOT, main))) return [];
  const lists = await Promise.all(folders.map(async (folder) => {
    const names = await readdir(join(ROOT, folder)).catch(() => []);
    return names.filter((name) => name.endsWith(".c")).sort()
      .map((name) => `${folder}/${name}`);
  }));
  return [...lists.flat(), ...shared];
}

/** SHA-256 over the names and bytes of everything that decides what the program becomes. */
async function sourceHash(
  { folders, shared = [] }: Program,
): Promise<string> {
  const own = (await listFiles("stage0/src"))
    // every program may include the headers of stage0
    .filter((path) => path.endsWith(".h"));
  const paths = [
    ...own,
    ...shared,
    ...(await Promise.all(folders.map(listFiles))).flat(),
    "stage0/pinned.json",
    "scripts/build_stage0.ts",
    "scripts/lib/musl.ts",
  ].filter((path) => /\.(c|h|ts|json)$/.test(path));
  const hash = createHash("sha256");
  for (const path of [...new Set(paths)].sort()) {
    const bytes = await readFile(join(ROOT, path));
    hash.update(`${path} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Compiles what is not in the cache yet; gives the objects in the order of the jobs. */
async function compile(
  jobs: readonly Job[],
  environment: string,
): Promise<string[]> {
  await mkdir(join(ROOT, CACHE, "objects"), { recursive: true });
  const objects: string[] = new Array(jobs.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < jobs.length; at = next++) {
      const { source, flags } = jobs[at]!;
      const text = await readFile(join(ROOT, source));
      const key = sha256(
        [environment, source, ...flags, sha256(text)].join("\0"),
      );
      const object = `${CACHE}/objects/${key.slice(0, 24)}.o`;
      objects[at] = object;
      if (existsSync(join(ROOT, object))) continue;
      const fresh = `${object}.${process.pid}`;
      const { stderr } = await run(
        CLANG,
        [...flags, "-c", source, "-o", fresh],
      );
      if (stderr) console.error(stderr.trimEnd());
      await rename(join(ROOT, fresh), join(ROOT, object));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return objects;
}

/** What the C library and liburing are for one machine. */
interface Libraries {
  /** Options of programs that use them. */
  readonly includes: readonly string[];
  /** Linked always. */
  readonly start: readonly string[];
  /** Linked where needed. */
  readonly objects: readonly string[];
}

async function buildLibraries(machine: Machine): Promise<Libraries> {
  const common = [...MACHINES[machine], ...COMMON];
  const paths = { root: ROOT, cache: CACHE, machine };
  const musl = await prepareMusl(paths);
  const liburing = await prepareLiburing(paths);
  // the generated headers are a function of these
  const key =
    sha256(UPSTREAM + await readFile(join(ROOT, "stage0/pinned.json"))) +
    await clangVersion();
  const flags = (list: readonly string[]) => [...common, ...list, "-w"];
  const jobs = (sources: readonly string[], list: readonly string[]) =>
    sources.map((source) => ({ source, flags: flags(list) }));
  const start = await compile(jobs(musl.start, musl.flags), key);
  const objects = await compile([
    ...jobs(musl.sources, musl.flags),
    ...jobs(liburing.sources, liburing.flags),
  ], key);
  return { includes: [...musl.includes, ...liburing.includes], start, objects };
}

async function clangVersion(): Promise<string> {
  return (await run(CLANG, ["--version"])).stdout.split("\n")[0] ?? "";
}

async function buildProgram(
  program: Program,
  machine: Machine,
  libraries: Libraries,
): Promise<Uint8Array> {
  const headers = (await listFiles("stage0")).filter((path) =>
    /\.h$/.test(path)
  );
  const key = sha256(
    await clangVersion() + (await Promise.all(
      headers.map(async (path) =>
        path + sha256(await readFile(join(ROOT, path)))
      ),
    )).join() + await readFile(join(ROOT, "stage0/pinned.json")),
  );
  const flags = [
    ...MACHINES[machine],
    ...COMMON,
    ...OWN,
    ...libraries.includes,
  ];
  const objects = await compile(
    (await ownSources(program)).map((source) => ({ source, flags })),
    key,
  );
  const linked = `${CACHE}/${program.name}-${machine}-${process.pid}`;
  await run(LINKER, [
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
    ...libraries.start,
    ...objects,
    "--start-lib",
    ...libraries.objects,
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
  ensurePackages([CLANG, "lld-19"]);
  await fetchSources({
    pinned: join(ROOT, "stage0/pinned.json"),
    cache: join(ROOT, CACHE),
  });
  const list: Generated[] = [];
  for (const machine of Object.keys(MACHINES) as Machine[]) {
    const libraries = await buildLibraries(machine);
    for (const program of PROGRAMS) {
      if ((await ownSources(program)).length === 0) continue;
      const bytes = await buildProgram(program, machine, libraries);
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
    if ((await ownSources(program)).length === 0) continue;
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
