/**
 * Chunk stores of casync, in folders and on servers.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { HashChunk } from "../../format/casync/chunk.ts";
import type { ChunkStore } from "../../format/casync/chunks.ts";
import { concat } from "../../bytes/concat.ts";
import { isCoded, ReadError } from "../../errors.ts";
import { shownUrl } from "../../http/address.ts";
import type { HttpStatistics } from "../../http/meter.ts";
import type { HttpOptions } from "../../http/options.ts";
import { openHttpStream } from "../../http/stream.ts";

/** Hashes by the runtime, which is many times as fast as what is the same everywhere. */
export const hashChunk: HashChunk = (algorithm, bytes) =>
  createHash(algorithm).update(bytes).digest();

/** A store in a folder. */
export function folderStore(folder: string): ChunkStore {
  return async (path, { maxSize, signal }) => {
    const file = join(folder, path);
    try {
      const { size } = await stat(file);
      if (size > maxSize) throw tooLarge(file, size, maxSize);
      return await readFile(file, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      if (isCoded(error)) throw error;
      const { code = "unknown" } = error as NodeJS.ErrnoException;
      throw new ReadError(
        "file.read-failed",
        `Cannot read chunk "${file}": ${code}`,
        { cause: error, facts: { path: file } },
      );
    }
  };
}

/**
 * A store on a server.
 *
 * @param count Told what each chunk cost.
 */
export function linkStore(
  base: string,
  http: HttpOptions,
  count: (statistics: HttpStatistics) => void,
): ChunkStore {
  return async (path, { maxSize, signal }) => {
    const url = `${base}/${path}`;
    let stream;
    try {
      stream = await openHttpStream(url, { ...http, signal });
    } catch (error) {
      // not there under this name
      if (isCoded(error, "http.status") && error.facts["status"] === 404) {
        return undefined;
      }
      throw error;
    }
    const pieces: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const piece of stream.body) {
        size += piece.length;
        if (size > maxSize) throw tooLarge(stream.name, size, maxSize);
        pieces.push(piece);
      }
    } finally {
      count(stream.statistics);
    }
    return concat(pieces);
  };
}

/** A store on a server that is not to be asked: chunks that are kept never get here. */
export function offlineStore(base: string): ChunkStore {
  const link = shownUrl(base);
  return (path) =>
    Promise.reject(
      new ReadError(
        "http.offline",
        `Cannot read chunk "${path}" of "${link}": it is not kept, and the server is not to be asked; leave --offline out once`,
        { facts: { link, path } },
      ),
    );
}

function tooLarge(name: string, size: number, maxSize: number): ReadError {
  return new ReadError(
    "casync.chunk-too-large",
    `Cannot use chunk "${name}": found ${size} bytes, expected at most ${maxSize}`,
    { facts: { name, size, maxSize } },
  );
}
