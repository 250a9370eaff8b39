import type { ReadOptions } from "../block/reader.ts";
import type { FileSystem } from "../fs/filesystem.ts";

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
  /** In the order of their names. */
  readonly kernels: readonly KernelFacts[];
  /** Files that end in `.dtb`, where distributions put them. */
  readonly deviceTrees: {
    /** Files found. */
    readonly count: number;
    /** Where they lie, without links. */
    readonly folders: readonly string[];
  };
}

const MODULE_FOLDERS = ["/usr/lib/modules", "/lib/modules"];
/** Folders, `*` for any one name, that distributions put device trees in. */
const DEVICE_TREE_FOLDERS = [
  "/usr/lib/linux-image-*",
  "/usr/lib/modules/*/dtb",
  "/usr/lib/firmware/*/device-tree",
  "/lib/modules/*/dtb",
  "/boot/dtb*",
  "/boot/dtbs*",
  "/usr/share/dtb*",
];
const KERNEL_NAME = /^vmlinu[xz]-(.+)$/;

/**
 * Tells what an image brings: file system, kernels, device trees. Reads directories only.
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
    kernels: await findKernels(files, options),
    deviceTrees: await countDeviceTrees(files, options),
  };
}

async function findKernels(
  files: FileSystem,
  options?: ReadOptions,
): Promise<KernelFacts[]> {
  const found = new Map<string, { modules?: string; image?: string }>();
  const kernel = (release: string) => {
    const known = found.get(release) ?? {};
    found.set(release, known);
    return known;
  };
  for (const folder of MODULE_FOLDERS) {
    for (const path of await expand(files, `${folder}/*`, options)) {
      const release = path.slice(path.lastIndexOf("/") + 1);
      const facts = kernel(release);
      facts.modules = path;
      const image = `${path}/vmlinuz`;
      if ((await files.find(image, options))?.type === "file") {
        facts.image ??= image;
      }
    }
  }
  for (const name of await names(files, "/boot", options)) {
    const release = KERNEL_NAME.exec(name)?.[1];
    const path = `/boot/${name}`;
    if (release === undefined) continue;
    if ((await files.find(path, options))?.type === "file") {
      kernel(release).image ??= path;
    }
  }
  return [...found]
    .map(([release, facts]) => ({ release, ...facts }))
    .sort((a, b) => a.release < b.release ? -1 : 1);
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
        for (const name of await names(files, path || "/", options)) {
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

/** Names in a directory, sorted; none when it is not there. */
async function names(
  files: FileSystem,
  path: string,
  options?: ReadOptions,
): Promise<string[]> {
  if ((await files.find(path, options))?.type !== "directory") return [];
  const found: string[] = [];
  for await (const { name } of files.list(path, options)) found.push(name);
  return found.sort();
}
