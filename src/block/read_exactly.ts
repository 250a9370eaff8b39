import { ReadError } from "../errors.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";
import { checkCount } from "./range.ts";

/**
 * Reads `size` bytes from byte `offset` into memory of their own.
 *
 * The range is compared with `reader.size` before memory is taken, so a size out of a damaged
 * image cannot exhaust it.
 *
 * @throws {RangeError} when `offset` or `size` is negative, fractional or not a safe integer.
 * @throws {ReadError} `read.past-end` when `reader` ends before the range does.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { readExactly } from "./read_exactly.ts";
 *
 * const bytes = await readExactly(openMemory(Uint8Array.of(1, 2, 3)), 1, 2);
 * console.assert(bytes.length === 2);
 * ```
 */
export async function readExactly(
  reader: BlockReader,
  offset: number,
  size: number,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  checkCount("offset", offset);
  checkCount("size", size);
  if (offset + size > reader.size) {
    throw pastEnd(reader, offset, size, Math.max(0, reader.size - offset));
  }
  const bytes = new Uint8Array(size);
  await fillExactly(reader, offset, bytes, options);
  return bytes;
}

/**
 * Fills the whole of `into` from byte `offset`.
 *
 * @throws {ReadError} `read.past-end` when `reader` ends before `into` is full.
 */
export async function fillExactly(
  reader: BlockReader,
  offset: number,
  into: Uint8Array,
  options?: ReadOptions,
): Promise<void> {
  const count = await reader.read(offset, into, options);
  if (count !== into.length) throw pastEnd(reader, offset, into.length, count);
}

function pastEnd(
  reader: BlockReader,
  offset: number,
  size: number,
  found: number,
): ReadError {
  return new ReadError(
    "read.past-end",
    `Cannot read ${size} bytes at byte ${offset} of "${reader.name}": found ${found} bytes, expected ${size}; it may be cut short`,
    {
      facts: {
        identity: reader.identity,
        offset,
        size,
        found,
        readerSize: reader.size,
      },
    },
  );
}
