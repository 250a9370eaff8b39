/**
 * What of musl is compiled, and the headers that its own build would generate.
 *
 * @module
 */
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Name of its folder. */
export const MUSL = "musl-1.2.5";

/**
 * Folders of musl's `src/`. The rest is left out so that a program which uses it does not link:
 * stdio is a third of a stage0, and nothing here needs floating point, names of hosts or users.
 */
const FOLDERS = [
  "conf",
  "ctype",
  "dirent",
  "env",
  "errno",
  "exit",
  "fcntl",
  "internal",
  "ipc",
  "ldso",
  "linux",
  "locale",
  "malloc",
  "malloc/mallocng",
  "misc",
  "mman",
  "multibyte",
  "network",
  "process",
  "sched",
  "select",
  "setjmp",
  "signal",
  "stat",
  "stdlib",
  "string",
  "termios",
  "thread",
  "time",
  "unistd",
];

/** Where things are: `cache` and what is given back are relative to `root`. */
export interface Paths {
  readonly root: string;
  readonly cache: string;
  /** `aarch64` or `x86_64`, which musl calls the same. */
  readonly machine: string;
}

/** The library as source. */
export interface MuslSource {
  /** Options of programs that use it. */
  readonly includes: readonly string[];
  /** Linked always. */
  readonly start: readonly string[];
  /** Linked where needed. */
  readonly sources: readonly string[];
  /** To compile it. */
  readonly flags: readonly string[];
}

/** Generates the headers of musl and lists its sources as its Makefile does. */
export async function prepareMusl(
  { root, cache, machine }: Paths,
): Promise<MuslSource> {
  const folder = `${cache}/sources/${MUSL}`;
  const made = `${cache}/made/${machine}`;
  const read = (path: string) => readFile(join(root, folder, path), "utf8");
  await mkdir(join(root, made, "include/bits"), { recursive: true });
  await mkdir(join(root, made, "internal"), { recursive: true });
  await update(
    join(root, made, "include/bits/alltypes.h"),
    makeTypes(
      await read(`arch/${machine}/bits/alltypes.h.in`) +
        await read("include/alltypes.h.in"),
    ),
  );
  const calls = await read(`arch/${machine}/bits/syscall.h.in`);
  await update(
    join(root, made, "include/bits/syscall.h"),
    calls + calls.split("\n").filter((line) => line.includes("__NR_"))
      .map((line) => line.replace("__NR_", "SYS_") + "\n").join(""),
  );
  await update(
    join(root, made, "internal/version.h"),
    `#define VERSION "${(await read("VERSION")).trim()}"\n`,
  );
  const kernel = `${cache}/headers/usr/include`;
  const includes = [
    `${made}/include`,
    `${folder}/arch/${machine}`,
    `${folder}/arch/generic`,
    `${folder}/include`,
    kernel,
    `${kernel}/${machine}-linux-gnu`,
  ];
  return {
    includes: [
      "-nostdlibinc",
      ...includes.flatMap((path) => ["-isystem", path]),
    ],
    start: [
      `${folder}/crt/crt1.c`,
      `${folder}/crt/${machine}/crti.s`,
      `${folder}/crt/${machine}/crtn.s`,
    ],
    sources: await listSources(root, folder, machine),
    flags: [
      "-std=c99",
      "-ffreestanding",
      "-frounding-math",
      "-nostdinc",
      "-D_XOPEN_SOURCE=700",
      `-I${folder}/arch/${machine}`,
      `-I${folder}/arch/generic`,
      `-I${made}/internal`,
      `-I${folder}/src/include`,
      `-I${folder}/src/internal`,
      `-I${made}/include`,
      `-I${folder}/include`,
    ],
  };
}

/** A source of the machine replaces the general one of the same name. */
async function listSources(
  root: string,
  folder: string,
  machine: string,
): Promise<string[]> {
  const sources: string[] = [];
  for (const name of FOLDERS) {
    const list = async (path: string, suffix: RegExp) =>
      (await readdir(join(root, path)).catch(() => []))
        .filter((name) => suffix.test(name)).sort();
    const general = `${folder}/src/${name}`, own = `${general}/${machine}`;
    const special = await list(own, /\.[csS]$/);
    const replaced = new Set(
      special.map((name) => name.replace(/\.[csS]$/, ".c")),
    );
    sources.push(
      ...special.map((name) => `${own}/${name}`),
      ...(await list(general, /\.c$/)).filter((name) => !replaced.has(name))
        .map((name) => `${general}/${name}`),
    );
  }
  // the one file of stdio that threads need
  return [...sources, `${folder}/src/stdio/ofl.c`];
}

/** As `tools/mkalltypes.sed` of musl. */
function makeTypes(text: string): string {
  const guard = (name: string, line: string) =>
    `#if defined(__NEED_${name}) && !defined(__DEFINED_${name})\n${line}\n#define __DEFINED_${name}\n#endif\n`;
  return text.split("\n").map((line) => {
    const type = /^TYPEDEF (.*) ([^ ]*);$/.exec(line);
    if (type) return guard(type[2]!, `typedef ${type[1]} ${type[2]};`);
    const record = /^(STRUCT|UNION) * ([^ ]*) (.*);$/.exec(line);
    if (record) {
      const [, kind, name, body] = record;
      return guard(
        `${kind!.toLowerCase()}_${name}`,
        `${kind!.toLowerCase()} ${name} ${body};`,
      );
    }
    return line;
  }).join("\n");
}

/** Leaves a file alone that is as it shall be: another build may be reading it. */
async function update(path: string, text: string): Promise<void> {
  if (await readFile(path, "utf8").catch(() => undefined) === text) return;
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, text);
  await rename(fresh, path);
}
