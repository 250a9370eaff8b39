/**
 * A real image, damaged on the way.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import { withSlice } from "../../src/block/slice.ts";

/** The image with the bits of `mask` flipped in the byte at `at`. */
export function withFlipped(
  reader: BlockReader,
  at: number,
  mask: number,
): BlockReader {
  return {
    ...pick(reader),
    size: reader.size,
    identity: `${reader.identity}|flipped:${at}:${mask}`,
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = await reader.read(offset, into, options);
      if (at >= offset && at < offset + count) into[at - offset]! ^= mask;
      return count;
    },
  };
}

/** The first `size` bytes of the image. */
export function cutTo(reader: BlockReader, size: number): BlockReader {
  return withSlice(reader, { offset: 0, size });
}

function pick({ blockSize, name }: BlockReader) {
  return { blockSize, name };
}
