import type { ReadOptions } from "../block/reader.ts";
import { FormatError } from "../errors.ts";
import type { FileSystem, InodeSource } from "./filesystem.ts";
import { withPaths } from "./open_paths.ts";

/**
 * A directory as a file system of its own, as `chroot` would show it: absolute links start at it, and
 * no `..` leaves it. Costs no read beyond finding the directory.
 *
 * @throws {FormatError} `fs.not-a-directory`, and what finding `path` throws
 *
 * @example
 * ```ts
 * import { MemorySource } from "./memory_source.ts";
 * import { withPaths } from "./open_paths.ts";
 * import { openSubtree } from "./subtree.ts";
 *
 * const files = withPaths(MemorySource.from([
 *   { path: "/deploy/usr/lib", type: "directory" },
 *   { path: "/deploy/lib", type: "symlink", target: "/usr/lib" },
 * ]));
 * const deployment = await openSubtree(files, "/deploy");
 * console.assert(await deployment.resolve("/lib") === "/usr/lib");
 * ```
 */
export async function openSubtree(
  files: FileSystem,
  path: string,
  options?: ReadOptions,
): Promise<FileSystem> {
  const root = await files.stat(path, options);
  if (root.type !== "directory") {
    throw new FormatError(
      "fs.not-a-directory",
      `Cannot open ${
        JSON.stringify(path)
      } of "${files.name}" as a root: found ${root.type}, expected directory`,
      { facts: { path, found: root.type } },
    );
  }
  const { source } = files;
  const subtree: InodeSource = {
    kind: source.kind,
    blockSize: source.blockSize,
    name: source.name,
    identity: `${source.identity}|root:${root.number}`,
    rootNumber: root.number,
    ...(source.features === undefined ? {} : { features: source.features }),
    inode: (number, options) => source.inode(number, options),
    lookup: (directory, name, options) =>
      source.lookup(directory, name, options),
    list: (directory, options) => source.list(directory, options),
    readLink: (link, options) => source.readLink(link, options),
    open: (file) => source.open(file),
  };
  return withPaths(subtree);
}
