import type { ReadOptions } from "../block/reader.ts";
import { compareVersions } from "../bytes/version.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { namesIn } from "../fs/names.ts";
import { RELEASE_FOLDERS } from "./device_tree_folders.ts";
import { findKernels } from "./find_kernels.ts";

/** A kernel that an image brings. */
export interface KernelFacts {
  /** As `uname -r` prints it. */
  readonly release: string;
  /** Folder of its modules, without links; absent when only its image was found. */
  readonly modules?: string;
  /** Its image; absent when only its modules were found. */
  readonly image?: string;
}

/** What {@linkcode inspectImage} finds. */
export interface ImageFacts {
  /** Its format: `erofs`. */
  readonly fileSystem: string;
  /** Bytes. */
  readonly blockSize: number;
  /** Names of on-disk features in use, as the format's own tools print them. */
  readonly features: readonly string[];
  /** Oldest first. Those whose place and name state no release are left out. */
  readonly kernels: readonly KernelFacts[];
  /** Files that end in `.dtb`, where distributions put them. */
  readonly deviceTrees: {
    /** Files found. */
    readonly count: number;
    /** Where they lie, without links. */
    readonly folders: readonly string[];
  };
}

/** Folders, `*` for any one name, that distributions put device trees in. */
const DEVICE_TREE_FOLDERS = [
  ...RELEASE_FOLDERS,
  "/boot/dtb*",
  "/boot/dtbs*",
  "/usr/share/dtb*",
];

/**
 * Tells what an image brings: file system, kernels, device trees. Reads directories and boot loader
 * entries.
 *
 * @throws {FormatError} what the format throws when a directory is damaged
 */
export async function inspectImage(
  files: FileSystem,
  options?: ReadOptions,
): Promise<ImageFacts> {
  return {
    fileSystem: files.kind,
    blockSize: files.blockSize,
    features: files.source.features ?? [],
    kernels: await kernelsOf(files, options),
    deviceTrees: await countDeviceTrees(files, options),
  };
}

async function kernelsOf(
  files: FileSystem,
  options?: ReadOptions,
): Promise<KernelFacts[]> {
  const { candidates, modules } = await findKernels(files, options);
  const found = new Map<string, { modules?: string; image?: string }>();
  for (const [release, folder] of modules) {
    found.set(release, { modules: folder });
  }
  for (const { release, path } of candidates) {
    if (release === undefined) continue;
    const facts = found.get(release) ?? {};
    facts.image ??= path;
    found.set(release, facts);
  }
  return [...found]
    .map(([release, facts]) => ({ release, ...facts }))
    .sort((a, b) => compareVersions(a.release, b.release));
}

async function countDeviceTrees(
  files: FileSystem,
  options?: ReadOptions,
): Promise<ImageFacts["deviceTrees"]> {
  const folders = new Set<string>();
  for (const pattern of DEVICE_TREE_FOLDERS) {
    for (const path of await expand(files, pattern, options)) folders.add(path);
  }
  let count = 0;
  const used: string[] = [];
  // a folder inside another one has been counted with it
  const roots = [...folders].sort()
    .filter((path, _, all) =>
      !all.some((other) => path.startsWith(`${other}/`))
    );
  for (const folder of roots) {
    const before = count;
    for await (const { path, inode } of files.walk(folder, options)) {
      if (inode.type === "file" && path.endsWith(".dtb")) count++;
    }
    if (count > before) used.push(folder);
  }
  return { count, folders: used };
}

/** Directories that `pattern` fits, without links; `*` stands for any part of one name. */
async function expand(
  files: FileSystem,
  pattern: string,
  options?: ReadOptions,
): Promise<string[]> {
  let paths = [""];
  for (const part of pattern.split("/").slice(1)) {
    const [before, after] = part.split("*");
    const next: string[] = [];
    for (const path of paths) {
      if (after === undefined) next.push(`${path}/${part}`);
      else {
        for (const name of await namesIn(files, path || "/", options)) {
          if (name.startsWith(before!) && name.endsWith(after)) {
            next.push(`${path}/${name}`);
          }
        }
      }
    }
    paths = next;
  }
  const real = new Set<string>();
  for (const path of paths) {
    if ((await files.find(path, options))?.type !== "directory") continue;
    real.add(await files.resolve(path, options));
  }
  return [...real];
}
