import type { BlockReader, ReadOptions } from "./reader.ts";
import { checkCount, clampRead } from "./range.ts";

/** The part that {@linkcode withSlice} shows. */
export interface SliceOptions {
  /** First byte of the part. */
  readonly offset: number;
  /** Bytes of the part; up to the end when absent. */
  readonly size?: number | undefined;
}

/**
 * Shows a part of a reader as a reader of its own.
 *
 * @returns Reader whose byte 0 is byte `offset` of `reader`. Its block size is halved until
 * `offset` is aligned to it, so that aligned reads stay aligned below.
 * @throws {RangeError} when the part does not lie within `reader`.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { withSlice } from "./slice.ts";
 *
 * const whole = openMemory(Uint8Array.of(1, 2, 3, 4));
 * const part = withSlice(whole, { offset: 1, size: 2 });
 * console.assert(part.size === 2);
 * ```
 */
export function withSlice(
  reader: BlockReader,
  options: SliceOptions,
): BlockReader {
  const start = checkCount("offset", options.offset);
  const size = checkCount("size", options.size ?? reader.size - start);
  if (start + size > reader.size) {
    throw new RangeError(
      `Cannot slice "${reader.name}": bytes ${start} to ${
        start + size
      } are outside its ${reader.size} bytes`,
    );
  }
  let blockSize = reader.blockSize;
  while (blockSize > 1 && start % blockSize !== 0) blockSize /= 2;
  return {
    blockSize,
    size,
    name: reader.name,
    identity: `${reader.identity}|slice:${start}+${size}`,
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = clampRead(size, offset, into.length);
      if (count === 0) {
        options?.signal?.throwIfAborted();
        return 0;
      }
      const part = count === into.length ? into : into.subarray(0, count);
      return await reader.read(start + offset, part, options);
    },
  };
}
