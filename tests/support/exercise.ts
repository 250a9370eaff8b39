/**
 * Uses an image that may be damaged in every way a user could, within bounds.
 *
 * @module
 */

import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import type { FileSystem, Inode } from "../../src/fs/filesystem.ts";

/** Bounds: a damaged image may claim any number of files of any size. */
const MAX_ENTRIES = 100;
const MAX_FILE_BYTES = 1 << 18;

/** How far an image could be used. */
export interface Exercise {
  /** It could be opened. */
  readonly opened: boolean;
  /** Everything in it could be read. */
  readonly read: boolean;
  /** Codes of the errors on the way. */
  readonly codes: readonly string[];
}

/**
 * Opens and walks an image and reads every file.
 *
 * @throws whatever is no coded error: a trap, a range error, a type error. That is a bug.
 */
export async function exercise(
  open: () => Promise<FileSystem>,
  maxEntries = MAX_ENTRIES,
): Promise<Exercise> {
  const codes = new Set<string>();
  const files = await attempt(codes, open);
  if (files === undefined) {
    return { opened: false, read: false, codes: [...codes] };
  }
  const inodes: Inode[] = [];
  await attempt(codes, async () => {
    for await (const { path, inode } of files.walk("/")) {
      inodes.push(inode);
      await attempt(codes, () => files.lstat(path));
      if (inodes.length === maxEntries) break;
    }
  });
  for (const inode of inodes) {
    if (inode.type === "symlink") {
      await attempt(codes, () => files.source.readLink(inode));
    }
    if (inode.type === "file") {
      const content = files.source.open(inode);
      await attempt(codes, () => readSome(content));
    }
  }
  return { opened: true, read: codes.size === 0, codes: [...codes] };
}

/** Reads the start in order, then the end. */
async function readSome(content: BlockReader): Promise<void> {
  const buffer = new Uint8Array(65536);
  const end = Math.min(content.size, MAX_FILE_BYTES);
  for (let offset = 0; offset < end;) {
    offset += await content.read(offset, buffer);
  }
  if (content.size > end) {
    await content.read(Math.max(0, content.size - 5000), buffer);
  }
}

async function attempt<T>(
  codes: Set<string>,
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (!isCoded(error)) throw error;
    if (error.code.startsWith("wasm.")) throw error;
    codes.add(error.code);
    return undefined;
  }
}
