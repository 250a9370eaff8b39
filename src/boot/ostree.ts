/**
 * OSTree deployments: which one would boot.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import { FormatError, isCoded } from "../errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { namesIn } from "../fs/names.ts";
import { openSubtree } from "../fs/subtree.ts";

/** A deployment of an OSTree sysroot. */
export interface Deployment {
  /** The link that the `ostree=` argument names: `/ostree/boot.1/debian/<checksum>/0`. */
  readonly link: string;
  /** The directory it leads to, without links. */
  readonly path: string;
  /** That directory as a root. */
  readonly files: FileSystem;
}

/** Tells whether a file system is an OSTree sysroot, with its roots in deployments alone. */
export async function isSysroot(
  files: FileSystem,
  options?: ReadOptions,
): Promise<boolean> {
  const repository = await files.find("/ostree/repo", options);
  if (repository?.type !== "directory") return false;
  return await files.find("/usr", options) === undefined;
}

/**
 * Opens a deployment.
 *
 * Without `link` the one is taken that the loader would boot: `/boot/loader` says which of
 * `/ostree/boot.0` and `/ostree/boot.1` is current, and of its state roots, checksums and serials the
 * first is taken, in the order of their names.
 *
 * @param link Path of the link, as in an `ostree=` argument.
 * @throws {FormatError} `ostree.no-deployment`, `ostree.bad-link`
 * @see ostree, "Atomic Upgrades" and the `ostree-prepare-root` manual
 */
export async function openDeployment(
  files: FileSystem,
  link?: string,
  options?: ReadOptions,
): Promise<Deployment> {
  const chosen = link === undefined
    ? await findDeployment(files, options)
    : `/${link.replace(/^\/+/, "")}`;
  const inode = await files.lstat(chosen, options).catch(
    missing(files, chosen),
  );
  if (inode.type !== "symlink") {
    throw badLink(files, chosen, `found a ${inode.type}, expected a link`);
  }
  const path = await files.resolve(chosen, options).catch(
    missing(files, chosen),
  );
  if (!/^\/ostree\/deploy\/[^/]+\/deploy\/[^/]+$/.test(path)) {
    const expected = "/ostree/deploy/STATEROOT/deploy/NAME";
    throw badLink(files, chosen, `it leads to "${path}", expected ${expected}`);
  }
  return { link: chosen, path, files: await openSubtree(files, path, options) };
}

/**
 * Opens the deployment that is meant: the current one, the one that a link leads to, or, when nothing
 * is said, the current one of an image that is an OSTree sysroot; none of an image that is a root itself.
 *
 * @throws {FormatError} as {@linkcode openDeployment}
 */
export async function openMeantDeployment(
  files: FileSystem,
  ostree: true | string | undefined,
  options?: ReadOptions,
): Promise<Deployment | undefined> {
  if (ostree === undefined && !await isSysroot(files, options)) {
    return undefined;
  }
  const link = typeof ostree === "string" ? ostree : undefined;
  return await openDeployment(files, link, options);
}

async function findDeployment(
  files: FileSystem,
  options?: ReadOptions,
): Promise<string> {
  // "loader -> loader.1": the number is that of the boot folder in use
  const loader = await files.lstat("/boot/loader", options).catch((error) => {
    if (!isCoded(error, "fs.not-found", "fs.not-a-directory")) throw error;
    return undefined;
  });
  const target = loader?.type === "symlink"
    ? await files.readLink("/boot/loader", options)
    : "";
  const current = /^loader\.([01])$/.exec(target)?.[1];
  const folders = (await namesIn(files, "/ostree", options))
    .filter((name) => /^boot\.[01]$/.test(name))
    .sort((a, b) =>
      Number(b.endsWith(`.${current}`)) - Number(a.endsWith(`.${current}`))
    );
  for (const folder of folders) {
    const base = `/ostree/${folder}`;
    for (const stateRoot of await namesIn(files, base, options)) {
      for (
        const checksum of await namesIn(files, `${base}/${stateRoot}`, options)
      ) {
        const above = `${base}/${stateRoot}/${checksum}`;
        const [serial] = await namesIn(files, above, options);
        if (serial !== undefined) return `${above}/${serial}`;
      }
    }
  }
  throw new FormatError(
    "ostree.no-deployment",
    `Cannot find an OSTree deployment in "${files.name}": looked in ${
      folders.map((folder) => `/ostree/${folder}`).join(", ") || "/ostree"
    }, expected STATEROOT/CHECKSUM/SERIAL; leave --ostree out if the image is no OSTree sysroot`,
    { facts: { image: files.name } },
  );
}

function badLink(
  files: FileSystem,
  link: string,
  found: string,
  cause?: unknown,
): FormatError {
  return new FormatError(
    "ostree.bad-link",
    `Cannot open deployment "${link}" of "${files.name}": ${found}; see the image's /ostree`,
    { facts: { image: files.name, link }, cause },
  );
}

function missing(files: FileSystem, link: string) {
  return (cause: unknown): never => {
    if (!(cause instanceof FormatError)) throw cause;
    throw badLink(files, link, "it leads nowhere", cause);
  };
}
