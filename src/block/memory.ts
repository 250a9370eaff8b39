import type { BlockReader, ReadOptions } from "./reader.ts";
import { checkPowerOfTwo, clampRead } from "./range.ts";

/** What {@linkcode openMemory} can be told. */
export interface MemoryOptions {
  /** What messages call it; `memory` when absent. */
  readonly name?: string | undefined;
  /** Name of the content; without it a name that no other reader of this process has. */
  readonly identity?: string | undefined;
  /** Preferred alignment in bytes, a power of two; 512 when absent. */
  readonly blockSize?: number | undefined;
}

let opened = 0;

/**
 * Opens bytes in memory as a reader. Takes no copy: the bytes must stay as they are.
 *
 * @param options.identity Give one when the identity is a key that outlives this process.
 * @returns Reader whose reads cost one copy into the caller's buffer.
 * @throws {TypeError} when `bytes` is not a `Uint8Array`.
 * @throws {RangeError} when `options.blockSize` is not a power of two.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 *
 * const reader = openMemory(Uint8Array.of(1, 2, 3, 4));
 * const into = new Uint8Array(8);
 * console.assert(await reader.read(1, into) === 3);
 * ```
 */
export function openMemory(
  bytes: Uint8Array,
  options: MemoryOptions = {},
): BlockReader {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("Cannot open memory: expected a Uint8Array");
  }
  const blockSize = checkPowerOfTwo("blockSize", options.blockSize ?? 512);
  const identity = options.identity ?? `memory:${++opened}:${bytes.length}`;
  return {
    blockSize,
    name: options.name ?? "memory",
    identity,
    size: bytes.length,
    // deno-lint-ignore require-await -- throwing must reject
    async read(
      offset: number,
      into: Uint8Array,
      { signal }: ReadOptions = {},
    ): Promise<number> {
      const count = clampRead(bytes.length, offset, into.length);
      signal?.throwIfAborted();
      into.set(bytes.subarray(offset, offset + count));
      return count;
    },
  };
}
