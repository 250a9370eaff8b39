/**
 * Paths and links for every format, in one place.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../block/reader.ts";
import { checkCount } from "../block/range.ts";
import { nameLength } from "../bytes/text.ts";
import { type ErrorCode, FormatError, isCoded } from "../errors.ts";
import type {
  DirectoryEntry,
  FileSystem,
  Inode,
  InodeSource,
  WalkEntry,
} from "./filesystem.ts";
import { Recent } from "./recent.ts";
import { walkTree } from "./walk_tree.ts";

/** Limits of Linux: `NAME_MAX`, `PATH_MAX` without its final NUL, `MAXSYMLINKS`. */
const MAX_NAME = 255;
const MAX_PATH = 4095;
const MAX_LINKS = 40;

/** Bounds of {@linkcode withPaths}. */
export interface PathOptions {
  /** Most inodes kept, at least 2; 4096 when absent. */
  readonly maxInodes?: number | undefined;
  /** Most names kept, those known to be absent included, at least 2; 16384 when absent. */
  readonly maxNames?: number | undefined;
}

/**
 * Gives a format paths: resolves names, `.`, `..` and links the way Linux does, inside the image.
 *
 * Keeps the names and inodes used last, bounded by count, so that a path costs no read when its
 * directories were seen before. Nothing of a failed read is kept.
 *
 * @throws {RangeError} when a bound is below 2.
 *
 * @example
 * ```ts
 * import { MemorySource } from "./memory_source.ts";
 * import { withPaths } from "./open_paths.ts";
 *
 * const files = withPaths(MemorySource.from([
 *   { path: "/usr/bin", type: "directory" },
 *   { path: "/bin", type: "symlink", target: "usr/bin" },
 * ]));
 * console.assert(await files.resolve("/bin/..") === "/usr");
 * ```
 */
export function withPaths(
  source: InodeSource,
  options: PathOptions = {},
): FileSystem {
  return new PathFileSystem(source, options);
}

/** One step of a resolved path. */
interface Place {
  readonly name: string;
  readonly inode: Inode;
}

class PathFileSystem implements FileSystem {
  readonly kind: string;
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly source: InodeSource;
  readonly #inodes: Recent<number, Inode>;
  /** Directory number and name to inode number; -1 when the name is not there. */
  readonly #names: Recent<string, number>;

  constructor(source: InodeSource, options: PathOptions) {
    this.source = source;
    this.kind = source.kind;
    this.blockSize = source.blockSize;
    this.name = source.name;
    this.identity = source.identity;
    this.#inodes = new Recent(
      checkCount("maxInodes", options.maxInodes ?? 4096, 2),
    );
    this.#names = new Recent(
      checkCount("maxNames", options.maxNames ?? 16384, 2),
    );
  }

  async stat(path: string, options?: ReadOptions): Promise<Inode> {
    return last(await this.#follow(path, true, options)).inode;
  }

  async lstat(path: string, options?: ReadOptions): Promise<Inode> {
    return last(await this.#follow(path, false, options)).inode;
  }

  async find(path: string, options?: ReadOptions): Promise<Inode | undefined> {
    try {
      return await this.stat(path, options);
    } catch (error) {
      if (isCoded(error, "fs.not-found", "fs.not-a-directory")) {
        return undefined;
      }
      throw error;
    }
  }

  async resolve(path: string, options?: ReadOptions): Promise<string> {
    const places = await this.#follow(path, true, options);
    return "/" + places.slice(1).map((place) => place.name).join("/");
  }

  async *list(
    path: string,
    options?: ReadOptions,
  ): AsyncIterable<DirectoryEntry> {
    const inode = await this.stat(path, options);
    if (inode.type !== "directory") {
      throw this.#failed(
        "fs.not-a-directory",
        "list",
        path,
        inode.type,
        "directory",
      );
    }
    yield* this.source.list(inode, options);
  }

  async readLink(path: string, options?: ReadOptions): Promise<string> {
    const inode = await this.lstat(path, options);
    if (inode.type !== "symlink") {
      throw this.#failed(
        "fs.not-a-link",
        "read link",
        path,
        inode.type,
        "symlink",
      );
    }
    return await this.source.readLink(inode, options);
  }

  async open(path: string, options?: ReadOptions): Promise<BlockReader> {
    const inode = await this.stat(path, options);
    if (inode.type !== "file") {
      throw this.#failed("fs.not-a-file", "open", path, inode.type, "file");
    }
    return this.source.open(inode);
  }

  async *walk(path = "/", options?: ReadOptions): AsyncIterable<WalkEntry> {
    const inode = await this.lstat(path, options);
    yield* walkTree(this.source, { path, inode }, options);
  }

  #failed(
    code: ErrorCode,
    what: string,
    path: string,
    found: string,
    expected: string,
  ): FormatError {
    return new FormatError(
      code,
      `Cannot ${what} ${
        shown(this.name, path)
      }: found ${found}, expected ${expected}`,
      { facts: { image: this.name, path, found, expected } },
    );
  }

  /** The places from the root to what `path` leads to. */
  async #follow(
    path: string,
    followLast: boolean,
    options?: ReadOptions,
  ): Promise<Place[]> {
    options?.signal?.throwIfAborted();
    checkLength(this.name, path, path, MAX_PATH);
    const places: Place[] = [{
      name: "",
      inode: await this.#inode(this.source.rootNumber, options),
    }];
    const names = splitReversed(this.name, path, path);
    let links = 0;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const here = last(places).inode;
      if (here.type !== "directory") {
        throw this.#failed(
          "fs.not-a-directory",
          "resolve",
          path,
          `${here.type} before ${JSON.stringify(name)}`,
          "directory",
        );
      }
      if (name === ".") continue;
      if (name === "..") {
        if (places.length > 1) places.pop();
        continue;
      }
      checkLength(this.name, path, name, MAX_NAME);
      const number = await this.#lookup(here, name, options);
      if (number < 0) throw notFound(this.name, path, name);
      const inode = await this.#inode(number, options);
      if (inode.type !== "symlink" || (names.length === 0 && !followLast)) {
        places.push({ name, inode });
        continue;
      }
      if (++links > MAX_LINKS) {
        throw this.#failed(
          "fs.link-loop",
          "resolve",
          path,
          `more than ${MAX_LINKS} links`,
          "an end",
        );
      }
      // Before the target takes memory: what follows a damaged size could be anything.
      if (inode.size > MAX_PATH) {
        throw tooLong(this.name, path, inode.size, MAX_PATH);
      }
      const target = await this.source.readLink(inode, options);
      checkLength(this.name, path, target, MAX_PATH);
      if (target.startsWith("/")) places.length = 1;
      names.push(...splitReversed(this.name, path, target));
    }
    return places;
  }

  async #inode(number: number, options?: ReadOptions): Promise<Inode> {
    const kept = this.#inodes.get(number);
    if (kept !== undefined) return kept;
    const inode = await this.source.inode(number, options);
    this.#inodes.set(number, inode);
    return inode;
  }

  async #lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number> {
    const key = `${directory.number}/${name}`;
    const kept = this.#names.get(key);
    if (kept !== undefined) return kept;
    const number = await this.source.lookup(directory, name, options) ?? -1;
    this.#names.set(key, number);
    return number;
  }
}

/**
 * The names in `text`, last one first. A slash at the end stands for a final `.`: it follows a
 * link and demands a directory.
 */
function splitReversed(image: string, path: string, text: string): string[] {
  if (text === "") throw notFound(image, path, "");
  const names = text.split("/").filter((name) => name !== "");
  if (text.endsWith("/")) names.push(".");
  return names.reverse();
}

function last(places: Place[]): Place {
  return places[places.length - 1]!;
}

function checkLength(
  image: string,
  path: string,
  text: string,
  limit: number,
): void {
  // No string takes less bytes than code units, and three times as many at most.
  if (text.length * 3 <= limit) return;
  const length = nameLength(text);
  if (length > limit) throw tooLong(image, path, length, limit);
}

/** A path for a message, with the image it is of. */
function shown(image: string, path: string): string {
  return `${quoted(path)} of ${JSON.stringify(image)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

function tooLong(
  image: string,
  path: string,
  length: number,
  limit: number,
): FormatError {
  return new FormatError(
    "fs.name-too-long",
    `Cannot resolve ${
      shown(image, path)
    }: found ${length} bytes, expected at most ${limit}`,
    { facts: { image, path, length, limit } },
  );
}

function notFound(image: string, path: string, name: string): FormatError {
  return new FormatError(
    "fs.not-found",
    `Cannot resolve ${shown(image, path)}: ${
      name === ""
        ? "an empty path leads nowhere"
        : `${quoted(name)} is not there`
    }`,
    { facts: { image, path, name } },
  );
}
