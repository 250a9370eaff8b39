/**
 * Root file systems that lie as files in other file systems, as live media have them.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { namesIn } from "../fs/names.ts";
import type { Part } from "./layers.ts";

/** Paths with `*` for any one name, in the order in which they are looked for. */
const PLACES: readonly string[] = [
  // Debian live, Ubuntu
  "/live/filesystem.squashfs",
  "/casper/filesystem.squashfs",
  // Fedora and its kin: inside of which another of these may be
  "/LiveOS/squashfs.img",
  "/LiveOS/rootfs.img",
  "/LiveOS/ext3fs.img",
  // Arch, for each architecture
  "/arch/*/airootfs.erofs",
  "/arch/*/airootfs.sfs",
  "/image.squashfs",
  "/rootfs.squashfs",
];
/** Looked at when there is none of these: live media with roots of other names. */
const FOLDERS = ["/live", "/casper"];
const IMAGE_NAME = /\.(?:squashfs|erofs|sfs)$/;

/** What a root has, links followed. */
const ROOT_FILES = [
  "/usr/lib/os-release",
  "/etc/os-release",
  "/usr/lib/systemd/systemd",
  "/usr/sbin/init",
  "/sbin/init",
];

/** Tells whether a file system looks like a root that can be booted: an OSTree sysroot does as well. */
export async function looksLikeRoot(
  files: FileSystem,
  options?: ReadOptions,
): Promise<boolean> {
  for (const path of ROOT_FILES) {
    if ((await files.find(path, options))?.type === "file") return true;
  }
  return (await files.find("/ostree/repo", options))?.type === "directory";
}

/** Finds the files that hold the root of a live medium. Reads directories alone. */
export async function findInnerImages(
  files: FileSystem,
  options?: ReadOptions,
): Promise<Part[]> {
  const found: Part[] = [];
  const add = async (path: string) => {
    const inode = await files.find(path, options);
    if (inode?.type !== "file") return;
    found.push({
      label: path,
      names: [path, path.slice(1), path.slice(path.lastIndexOf("/") + 1)],
      size: inode.size,
      open: (options) => files.open(path, options),
    });
  };
  for (const place of PLACES) {
    const [before, after] = place.split("*") as [string, string?];
    if (after === undefined) await add(place);
    else {
      for (const name of await namesIn(files, before, options)) {
        await add(`${before}${name}${after}`);
      }
    }
  }
  if (found.length > 0) return found;
  for (const folder of FOLDERS) {
    for (const name of await namesIn(files, folder, options)) {
      if (IMAGE_NAME.test(name)) await add(`${folder}/${name}`);
    }
  }
  return found;
}
