import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import { clampRead } from "../../src/block/range.ts";

/**
 * Other bytes behind the same gate: each read of `bytes` first reads a byte of `source`, which may hold
 * it back or make it fail.
 */
export function behind(source: BlockReader, bytes: Uint8Array): BlockReader {
  return {
    blockSize: 512,
    size: bytes.length,
    name: source.name,
    identity: `${source.identity}|packed`,
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = clampRead(bytes.length, offset, into.length);
      await source.read(0, new Uint8Array(1), options);
      into.set(bytes.subarray(offset, offset + count));
      return count;
    },
  };
}
