import { ReadError } from "../errors.ts";
import { abortable } from "./abortable.ts";
import { clampRead } from "./range.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";

/** Bytes that one call fetches: what a large read takes besides the caller's buffer. */
const CHUNK_BYTES = 4 << 20;

let opened = 0;

/**
 * Opens a browser's `File` or any `Blob` as a reader. Nothing is read before it is asked for.
 *
 * The identity of a `File` is made of its name, size and time of change; a `Blob` without a name
 * gets one that no other reader of this process has.
 *
 * @throws {TypeError} when `blob` is not a `Blob`.
 * Reads: {@linkcode ReadError} `read.changed` when a file was changed or removed after the user
 * chose it, `read.failed`.
 *
 * @example
 * ```ts
 * import { openBlob } from "./blob.ts";
 *
 * const reader = openBlob(new Blob(["abc"]));
 * console.assert(await reader.read(1, new Uint8Array(8)) === 2);
 * ```
 */
export function openBlob(blob: Blob): BlockReader {
  if (!(blob instanceof Blob)) {
    throw new TypeError("Cannot open blob: expected a Blob or File");
  }
  const isFile = blob instanceof File; // to have a name says nothing: in Bun every Blob does
  const name = isFile ? blob.name : "blob";
  const identity = isFile
    ? `file:${name}:${blob.size}:${blob.lastModified}`
    : `blob:${++opened}:${blob.size}`;
  return {
    blockSize: 4096,
    size: blob.size,
    name,
    identity,
    async read(
      offset: number,
      into: Uint8Array,
      { signal }: ReadOptions = {},
    ): Promise<number> {
      const count = clampRead(blob.size, offset, into.length);
      signal?.throwIfAborted();
      for (let done = 0; done < count;) {
        const size = Math.min(CHUNK_BYTES, count - done);
        const start = offset + done;
        const part = blob.slice(start, start + size).arrayBuffer();
        let bytes: ArrayBuffer;
        try {
          bytes = await abortable(part, signal);
        } catch (error) {
          signal?.throwIfAborted();
          throw blobError(name, start, size, error);
        }
        if (bytes.byteLength !== size) {
          throw changed(name, start, `${bytes.byteLength} bytes`, size);
        }
        into.set(new Uint8Array(bytes), done);
        done += size;
      }
      return count;
    },
  };
}

function blobError(
  name: string,
  offset: number,
  size: number,
  cause: unknown,
): ReadError {
  // What browsers say of a file that is not as it was when it was chosen (File API, section 8.2).
  const gone = ["NotReadableError", "NotFoundError"];
  if (cause instanceof Error && gone.includes(cause.name)) {
    return changed(name, offset, cause.name, size, cause);
  }
  return new ReadError(
    "read.failed",
    `Cannot read ${size} bytes at byte ${offset} of "${name}": ${cause}`,
    { facts: { name, offset, size }, cause },
  );
}

function changed(
  name: string,
  offset: number,
  found: string,
  size: number,
  cause?: unknown,
): ReadError {
  return new ReadError(
    "read.changed",
    `Cannot read ${size} bytes at byte ${offset} of "${name}": found ${found}; the file was changed or removed, choose it again`,
    { facts: { name, offset, size, found }, cause },
  );
}
