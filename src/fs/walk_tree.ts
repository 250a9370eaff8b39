/**
 * Walking a tree that may be damaged.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import { type ErrorCode, FormatError } from "../errors.ts";
import type { DirectoryEntry, InodeSource, WalkEntry } from "./filesystem.ts";

/** Deeper than any path that Linux accepts. */
const MAX_DEPTH = 2048;

interface Level {
  readonly path: string;
  readonly number: number;
  readonly entries: AsyncIterator<DirectoryEntry>;
}

/**
 * Yields `start` and everything below it, depth first, parents before children.
 *
 * Holds one open listing for each level and the number of each directory seen. A directory can
 * be reached by one name only, so a damaged image cannot make the walk endless.
 *
 * @throws {FormatError} `fs.directory-loop` when a directory lies within itself,
 * `fs.directory-shared` when one is reached twice, `fs.too-deep`, `fs.bad-name`.
 */
export async function* walkTree(
  source: InodeSource,
  start: WalkEntry,
  options?: ReadOptions,
): AsyncGenerator<WalkEntry, void, undefined> {
  yield start;
  if (start.inode.type !== "directory") return;
  const levels: Level[] = [];
  const seen = new Set<number>();
  const enter = ({ path, inode }: WalkEntry) => {
    if (seen.has(inode.number)) {
      const above = levels.some((level) => level.number === inode.number);
      throw above
        ? damaged(
          source.name,
          "fs.directory-loop",
          path,
          "it lies within itself",
        )
        : damaged(
          source.name,
          "fs.directory-shared",
          path,
          "it has a second name",
        );
    }
    if (levels.length === MAX_DEPTH) {
      throw damaged(
        source.name,
        "fs.too-deep",
        path,
        `more than ${MAX_DEPTH} levels`,
      );
    }
    seen.add(inode.number);
    const entries = source.list(inode, options)[Symbol.asyncIterator]();
    const prefix = path.replace(/\/+$/, "");
    levels.push({ path: prefix, number: inode.number, entries });
  };
  try {
    enter(start);
    for (let top = levels.at(-1); top !== undefined; top = levels.at(-1)) {
      options?.signal?.throwIfAborted();
      const next = await top.entries.next();
      if (next.done) {
        levels.pop();
        continue;
      }
      const { name, number } = next.value;
      const path = `${top.path}/${name}`;
      if (!isName(name)) {
        throw damaged(
          source.name,
          "fs.bad-name",
          path,
          "no file can have this name",
        );
      }
      const entry = { path, inode: await source.inode(number, options) };
      yield entry;
      if (entry.inode.type === "directory") enter(entry);
    }
  } finally {
    for (const { entries } of levels.reverse()) await entries.return?.();
  }
}

function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." &&
    !name.includes("/") && !name.includes("\0");
}

function damaged(
  image: string,
  code: ErrorCode,
  path: string,
  found: string,
): FormatError {
  const shown = path.length > 200 ? `…${path.slice(-200)}` : path;
  return new FormatError(
    code,
    `Cannot walk ${JSON.stringify(shown)} of ${
      JSON.stringify(image)
    }: ${found}; the image may be damaged`,
    { facts: { image, path } },
  );
}
