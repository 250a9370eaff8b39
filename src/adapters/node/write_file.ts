/**
 * Local files as results.
 *
 * @module
 */

import {
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import type { ReadOptions } from "../../block/reader.ts";
import { ReadError } from "../../errors.ts";
import { systemCode } from "./system_error.ts";

/**
 * Writes a file, whole or not at all: into a new file beside it, which then takes its place.
 *
 * Links are followed. A device or pipe is written to as it is and stays what it is.
 *
 * @throws {ReadError} `file.write-failed`
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  options: ReadOptions = {},
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  try {
    const there = await stat(path).catch(none);
    if (there !== undefined && !there.isFile() && !there.isDirectory()) {
      // to put a file in the place of /dev/null would break the system
      return await writeFile(path, bytes);
    }
    const real = there === undefined
      ? await followLinks(path)
      : await realpath(path);
    const part = `${real}.part-${process.pid}`;
    try {
      await writeFile(part, bytes);
      signal?.throwIfAborted();
      await rename(part, real);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = cause instanceof Error && "code" in cause
      ? String(cause.code)
      : String(cause);
    throw new ReadError(
      "file.write-failed",
      `Cannot write ${bytes.length} bytes to "${path}": ${reason}; see that the folder is there and has room`,
      { facts: { path, size: bytes.length }, cause },
    );
  }
}

/** Tells whether two paths lead to the same file. Where one leads nowhere, they do not. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map((path) => stat(path, { bigint: true }).catch(none)),
  );
  return one !== undefined && other !== undefined && one.dev === other.dev &&
    one.ino === other.ino;
}

/** Where links lead at whose end nothing is: `realpath()` takes only what is there. */
async function followLinks(path: string): Promise<string> {
  const target = await readlink(path).catch(none);
  if (target === undefined) return path;
  return await followLinks(resolve(await realpath(dirname(path)), target));
}

function none(error: unknown): undefined {
  if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return undefined;
  throw error;
}
