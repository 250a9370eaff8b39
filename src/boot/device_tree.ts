import { readExactly } from "../block/read_exactly.ts";
import type { ReadOptions } from "../block/reader.ts";
import { compareVersions } from "../bytes/version.ts";
import { findNearest } from "../device/nearest.ts";
import { FormatError } from "../errors.ts";
import { checkDtbSize } from "../format/fdt/errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import {
  COMMON_FOLDERS,
  RELEASE_FOLDERS,
} from "../image/device_tree_folders.ts";

/** A device tree in an image. */
export interface DeviceTreeFile {
  /** Where it is, without links. */
  readonly path: string;
  /** The kernel's release when it lies where that kernel's trees are; else nothing says that they fit. */
  readonly release: string | undefined;
  /** Release of another kernel, whose tree it is. */
  readonly otherRelease?: string;
  /** The file system it lies in. */
  readonly files: FileSystem;
}

/** Most names that an error lists. */
const MAX_NEAREST = 5;
/** Levels below a folder that names are collected from: vendor, and one more. */
const MAX_DEPTH = 2;
/** Names collected at most; all of arm64 are about 1500. */
const MAX_NAMES = 10_000;

/**
 * Finds the device tree of a device for a kernel.
 *
 * Looks where the trees of this release are, in every layout in use, then in folders that do not say for
 * which kernel they are. The tree of another release is taken only where there is no folder of this
 * release. In each folder the whole name is tried, then its last part alone. Reads only the directories
 * on the way; when nothing is found, lists those that are there for the names in the message.
 *
 * Of several file systems, the first that has the tree of this release counts, then the first that has it
 * at all.
 *
 * @param systems The root first, then those beside it.
 * @param name As profiles have it: `qcom/sdm845-oneplus-fajita`; a leading `/` and `.dtb` are fine.
 * @param release Of the kernel, as `uname -r` prints it.
 * @param options.signal Stops reading; rejects with `signal.reason`.
 * @throws {RangeError} when `name` or `release` cannot be part of a path
 * @throws {FormatError} `device-tree.not-found` with where it looked and the closest names there
 */
export async function findDeviceTree(
  systems: readonly [FileSystem, ...FileSystem[]],
  name: string,
  release: string,
  options?: ReadOptions,
): Promise<DeviceTreeFile> {
  const wanted = name.replace(/^\/+/, "").replace(/\.dtb$/, "");
  checkPath("device tree", wanted);
  checkPath("release", release);
  if (release.includes("/")) throw notAPath("release", release);
  const names = [...new Set([wanted, lastPart(wanted)])];

  let found: DeviceTreeFile | undefined;
  for (const files of systems) {
    const here = await findHere(files, names, release, options);
    if (here?.release === release) return here;
    found ??= here;
  }
  if (found !== undefined) return found;
  throw await notFound(systems[0], wanted, release, options);
}

/** As {@linkcode findDeviceTree}, in one file system. */
async function findHere(
  files: FileSystem,
  names: readonly string[],
  release: string,
  options?: ReadOptions,
): Promise<DeviceTreeFile | undefined> {
  const own = foldersOf(release);
  const inOwn = await findIn(files, own, names, options);
  if (inOwn !== undefined) return { files, path: inOwn, release };

  const ownThere = (await existing(files, own, options)).length > 0;
  for (const folder of COMMON_FOLDERS) {
    const path = await findIn(files, [folder], names, options);
    if (path === undefined) continue;
    // `/boot/dtb` may be a link to the folder of one kernel
    const of = releaseOf(path);
    if (of === release) return { files, path, release };
    if (of === undefined) return { files, path, release: undefined };
    if (!ownThere) {
      return { files, path, release: undefined, otherRelease: of };
    }
  }
  if (ownThere) return undefined;
  for (const folder of await otherFolders(files, release, options)) {
    const path = await findIn(files, [folder], names, options);
    if (path === undefined) continue;
    const of = releaseOf(path);
    return {
      files,
      path,
      release: undefined,
      ...(of === undefined ? {} : { otherRelease: of }),
    };
  }
  return undefined;
}

/** Where the trees of a kernel are. */
function foldersOf(release: string): string[] {
  return RELEASE_FOLDERS.map((folder) => folder.replace("*", release));
}

/**
 * Reads a device tree that was found.
 *
 * @throws {FormatError} `fdt.too-large` before anything is read
 */
export async function readDeviceTree(
  { files, path }: Pick<DeviceTreeFile, "files" | "path">,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await files.open(path, options);
  checkDtbSize(path, file.size);
  return await readExactly(file, 0, file.size, options);
}

/** The first of `names` in the first of `folders` that has one. */
async function findIn(
  files: FileSystem,
  folders: readonly string[],
  names: readonly string[],
  options?: ReadOptions,
): Promise<string | undefined> {
  for (const folder of folders) {
    for (const name of names) {
      const path = `${folder}/${name}.dtb`;
      if ((await files.find(path, options))?.type !== "file") continue;
      return await files.resolve(path, options);
    }
  }
  return undefined;
}

/** Those of `folders` that are there, without links, each once. */
async function existing(
  files: FileSystem,
  folders: readonly string[],
  options?: ReadOptions,
): Promise<string[]> {
  const found = new Set<string>();
  for (const folder of folders) {
    if ((await files.find(folder, options))?.type === "directory") {
      found.add(await files.resolve(folder, options));
    }
  }
  return [...found];
}

/** Folders of device trees of other releases; the newest first. */
async function otherFolders(
  files: FileSystem,
  release: string,
  options?: ReadOptions,
): Promise<string[]> {
  const folders: string[] = [];
  for (const pattern of RELEASE_FOLDERS) {
    const [before, after] = pattern.split("*") as [string, string];
    const parent = before.slice(0, before.lastIndexOf("/"));
    const start = before.slice(parent.length + 1);
    if ((await files.find(parent, options))?.type !== "directory") continue;
    const others: string[] = [];
    for await (const entry of files.list(parent, options)) {
      const other = entry.name.slice(start.length);
      if (!entry.name.startsWith(start) || other === release) continue;
      if (RELEASE.test(other)) others.push(`${parent}/${entry.name}${after}`);
    }
    folders.push(...others.sort((a, b) => compareVersions(b, a)));
  }
  return await existing(files, folders, options);
}

/** What the release of a kernel begins with. Tells them from vendors in `/boot/dtbs`. */
const RELEASE = /^\d+\.\d/;
const PATTERNS = RELEASE_FOLDERS.map((folder) =>
  new RegExp(`^${folder.replaceAll(/[.]/g, "\\.").replace("*", "([^/]+)")}/`)
);

/** The release whose folder a path without links lies in. */
function releaseOf(path: string): string | undefined {
  for (const pattern of PATTERNS) {
    const release = pattern.exec(path)?.[1];
    if (release !== undefined && RELEASE.test(release)) return release;
  }
  return undefined;
}

async function notFound(
  files: FileSystem,
  wanted: string,
  release: string,
  options?: ReadOptions,
): Promise<FormatError> {
  const own = foldersOf(release);
  const ownThere = (await existing(files, own, options)).length > 0;
  const others = ownThere ? [] : await otherFolders(files, release, options);
  const places = await existing(
    files,
    [...own, ...others, ...COMMON_FOLDERS],
    options,
  );
  const looked: string[] = [];
  const names = new Set<string>();
  for (const place of places) {
    // what lies below these is something else, or one of the other places
    const depth = /^\/boot$|\/firmware$/.test(place) ? 0 : MAX_DEPTH;
    const here = new Set<string>();
    await collect(files, place, "", depth, here, options);
    looked.push(`${place} (${here.size})`);
    for (const name of here) names.add(name);
  }
  const nearest = nearestNames(wanted, names);
  const found = places.length === 0
    ? "the image has no folder that distributions put device trees in"
    : `looked in ${looked.join(", ")}`;
  const closest = nearest.length === 0
    ? "no name is close to it"
    : `closest are ${nearest.join(", ")}`;
  return new FormatError(
    "device-tree.not-found",
    `Cannot find device tree "${wanted}" for kernel ${release} in "${files.name}": ${found}; ${closest}; give a file by --dtb`,
    {
      facts: {
        name: wanted,
        release,
        folders: places.join(),
        nearest: nearest.join(),
      },
    },
  );
}

/** Adds the names of trees in a folder and below, as profiles would have them. */
async function collect(
  files: FileSystem,
  folder: string,
  prefix: string,
  depth: number,
  names: Set<string>,
  options?: ReadOptions,
): Promise<void> {
  for await (const entry of files.list(folder, options)) {
    if (names.size >= MAX_NAMES) return;
    const path = `${folder}/${entry.name}`;
    if (entry.name.endsWith(".dtb")) {
      names.add(prefix + entry.name.slice(0, -".dtb".length));
    } else if (depth > 0) {
      const type = entry.type ?? (await files.lstat(path, options)).type;
      if (type !== "directory") continue;
      const below = RELEASE.test(entry.name) ? "" : `${prefix}${entry.name}/`;
      await collect(files, path, below, depth - 1, names, options);
    }
  }
}

/** Names that end alike first, then those with the fewest changes. */
function nearestNames(wanted: string, names: ReadonlySet<string>): string[] {
  const nearest = [...names]
    .filter((name) => lastPart(name) === lastPart(wanted))
    .slice(0, MAX_NEAREST);
  const rest = new Set([...names].filter((name) => !nearest.includes(name)));
  while (nearest.length < MAX_NEAREST) {
    const next = findNearest(wanted, rest);
    if (next === undefined) break;
    nearest.push(next);
    rest.delete(next);
  }
  return nearest;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function checkPath(what: string, path: string): void {
  const parts = path.split("/");
  const odd = parts.some((part) => /^\.{0,2}$/.test(part));
  if (odd || path.includes("\0")) throw notAPath(what, path);
}

function notAPath(what: string, path: string): RangeError {
  return new RangeError(
    `Cannot look for ${what} "${path}": expected ${
      what === "release"
        ? "a release such as 6.12.5-arm64"
        : "a name such as qcom/sdm845-oneplus-fajita"
    }`,
  );
}
