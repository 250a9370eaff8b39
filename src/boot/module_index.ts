/**
 * What depmod wrote down of a kernel's modules.
 *
 * @module
 */

import { readExactly } from "../block/read_exactly.ts";
import type { ReadOptions } from "../block/reader.ts";
import { FormatError } from "../errors.ts";
import { parseKmodIndex } from "../format/kmod/index_file.ts";
import type { FileSystem } from "../fs/filesystem.ts";

const MODULE_FOLDERS = ["/usr/lib/modules", "/lib/modules"];
const SUFFIX = /\.ko(?:\.(?:gz|xz|zst))?$/;
const MAX_INDEX_SIZE = 64 << 20;

/** A module of `modules.dep`. */
export interface IndexedModule {
  /** As the kernel calls it: with `_`, never `-`. */
  readonly name: string;
  /** Its file, relative to the folder of modules. */
  readonly file: string;
  /** Files it needs, all of them, in the order of `modules.dep`: those to load first, last. */
  readonly needs: readonly string[];
}

/** What `modules.softdep` says of a module: names to look up. */
export interface SoftDependencies {
  /** To load before it. */
  readonly pre: readonly string[];
  /** To load after it. */
  readonly post: readonly string[];
}

/** The modules of one kernel release. */
export interface ModuleIndex {
  /** Of the kernel. */
  readonly release: string;
  /** Where the modules are, without links. */
  readonly folder: string;
  /** By name with `_`. */
  readonly modules: ReadonlyMap<string, IndexedModule>;
  /** Names, with `_`, of what is built into the kernel. */
  readonly builtin: ReadonlySet<string>;
  /** By name with `_`. Of several lines for a module the first counts, as for modprobe. */
  readonly soft: ReadonlyMap<string, SoftDependencies>;
  /** Modules by alias, with `_`, in the order of preference. Read when it is asked for. */
  aliases(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Modules that are built in, by alias, with `_`. Read when it is asked for. */
  builtinAliases(): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** A module's name as the kernel has it: `-` and `_` are the same. */
export function foldModuleName(name: string): string {
  return name.replaceAll("-", "_");
}

/** Name of the module in a file: `kernel/fs/erofs/erofs.ko.xz` is `erofs`. */
export function moduleNameOf(file: string): string {
  return foldModuleName(
    file.slice(file.lastIndexOf("/") + 1).replace(SUFFIX, ""),
  );
}

/**
 * Reads what depmod wrote down of the modules of a release: the text files, or the binary indexes
 * where only those exist. `modules.alias` is read when it is needed.
 *
 * @throws {FormatError} `module.no-folder`, `module.no-index`, `module.damaged-index`
 */
export async function openModuleIndex(
  files: FileSystem,
  release: string,
  options?: ReadOptions,
): Promise<ModuleIndex> {
  const folder = await findFolder(files, release, options);
  const read = (name: string) => readFile(files, `${folder}/${name}`, options);
  // all at once: from a server, each look takes a while
  const [dependencies, builtin, soft] = await Promise.all([
    readLines(read, "modules.dep", (values) => values),
    readLines(read, "modules.builtin", (_, key) => [key]),
    textOf(read, "modules.softdep"),
  ]);
  if (dependencies === undefined) {
    throw new FormatError(
      "module.no-index",
      `Cannot read modules of release ${release}: found neither modules.dep nor modules.dep.bin in "${folder}", expected one; run depmod when building the image`,
      { facts: { release, folder } },
    );
  }
  const modules = new Map<string, IndexedModule>();
  for (const line of dependencies) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const file = line.slice(0, colon);
    const name = moduleNameOf(file);
    modules.set(name, { name, file, needs: words(line.slice(colon + 1)) });
  }
  return {
    release,
    folder,
    modules,
    builtin: new Set(
      (builtin ?? []).filter((line) => line !== "").map(moduleNameOf),
    ),
    soft: parseSoft(soft),
    aliases: once(async () => {
      const lines = await readLines(
        read,
        "modules.alias",
        (values, key) => values.map((value) => `alias ${key} ${value}`),
      );
      return parseAliases(lines ?? []);
    }),
    builtinAliases: once(async () =>
      parseModinfo(await textOf(read, "modules.builtin.modinfo"))
    ),
  };
}

type Read = (name: string) => Promise<Uint8Array | undefined>;

async function findFolder(
  files: FileSystem,
  release: string,
  options?: ReadOptions,
): Promise<string> {
  const found = new Set<string>();
  for (const parent of MODULE_FOLDERS) {
    const inode = await files.find(`${parent}/${release}`, options);
    if (inode?.type === "directory") {
      return await files.resolve(`${parent}/${release}`, options);
    }
    if ((await files.find(parent, options))?.type !== "directory") continue;
    for await (const { name } of files.list(parent, options)) found.add(name);
  }
  const others = [...found].sort().join(", ") || "none";
  throw new FormatError(
    "module.no-folder",
    `Cannot find modules of release ${release} in "${files.name}": found ${others} in ${
      MODULE_FOLDERS.join(" and ")
    }, expected ${release}`,
    { facts: { release, found: others, image: files.name } },
  );
}

async function readFile(
  files: FileSystem,
  path: string,
  options?: ReadOptions,
): Promise<Uint8Array | undefined> {
  if ((await files.find(path, options))?.type !== "file") return undefined;
  const file = await files.open(path, options);
  if (file.size > MAX_INDEX_SIZE) {
    throw new FormatError(
      "module.damaged-index",
      `Cannot read module index "${path}": found ${file.size} bytes, expected at most ${MAX_INDEX_SIZE}`,
      { facts: { path, found: file.size, limit: MAX_INDEX_SIZE } },
    );
  }
  return await readExactly(file, 0, file.size, options);
}

/** Lines of the text file, or as `line` makes them of the keys and values of the binary one. */
async function readLines(
  read: Read,
  name: string,
  line: (values: string[], key: string) => string[],
): Promise<string[] | undefined> {
  const text = await read(name);
  if (text !== undefined) return new TextDecoder().decode(text).split("\n");
  const bytes = await read(`${name}.bin`);
  if (bytes === undefined) return undefined;
  return [...parseKmodIndex(bytes, `${name}.bin`)]
    .flatMap(([key, values]) => line(values, key));
}

async function textOf(read: Read, name: string): Promise<string> {
  const bytes = await read(name);
  return bytes === undefined ? "" : new TextDecoder().decode(bytes);
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function parseSoft(text: string): Map<string, SoftDependencies> {
  const found = new Map<string, SoftDependencies>();
  for (const line of text.split("\n")) {
    const [command, name, ...rest] = words(line);
    if (command !== "softdep" || name === undefined) continue;
    if (found.has(foldModuleName(name))) continue;
    const lists = { pre: [] as string[], post: [] as string[] };
    let list: string[] | undefined;
    for (const word of rest) {
      if (word === "pre:") list = lists.pre;
      else if (word === "post:") list = lists.post;
      else list?.push(word);
    }
    found.set(foldModuleName(name), lists);
  }
  return found;
}

function parseAliases(lines: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    // Device ids, nearly all of the file: none is looked for by its exact name.
    if (!line.startsWith("alias ") || line.includes("*")) continue;
    const [, alias, name] = words(line);
    if (alias === undefined || name === undefined) continue;
    addTo(found, foldModuleName(alias), foldModuleName(name));
  }
  return found;
}

/** `modules.builtin.modinfo`: `module.alias=name` and the like, each ended by a zero byte. */
function parseModinfo(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const field of text.split("\0")) {
    const [, name, alias] = /^([^.=]+)\.alias=(.+)$/.exec(field) ?? [];
    if (name === undefined || alias === undefined) continue;
    addTo(found, foldModuleName(alias), foldModuleName(name));
  }
  return found;
}

function addTo(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else if (!values.includes(value)) values.push(value);
}

/** Calls `run` once for all; a failure is not kept. */
function once<T>(run: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  return () => {
    const promise = kept ??= run();
    promise.catch(() => {
      if (kept === promise) kept = undefined;
    });
    return promise;
  };
}
