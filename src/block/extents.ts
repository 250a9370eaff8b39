import { checkCount, clampRead } from "./range.ts";
import { fillExactly } from "./read_exactly.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";

/** A run of bytes of a reader. */
export interface Extent {
  /** Byte at which it begins. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** What {@linkcode withExtents} can be told. */
export interface ExtentsOptions {
  /** Names the content; made of the identity of the reader and the extents when absent. */
  readonly identity?: string | undefined;
}

/** Extents that are read at the same time. */
const PARALLEL = 8;

/**
 * Shows parts of a reader, one behind the other, as a reader of its own.
 *
 * Extents that touch are read together, others at most 8 at a time.
 *
 * @returns Reader whose block size is that of `reader`, halved until every extent but the end of the
 * last one is aligned to it.
 * @throws {RangeError} when an extent does not lie within `reader`.
 *
 * @example
 * ```ts
 * import { withExtents } from "./extents.ts";
 * import { openMemory } from "./memory.ts";
 *
 * const whole = openMemory(Uint8Array.of(1, 2, 3, 4));
 * const parts = withExtents(whole, [{ offset: 2, size: 2 }, { offset: 0, size: 1 }]);
 * console.assert(parts.size === 3);
 * ```
 */
export function withExtents(
  reader: BlockReader,
  extents: readonly Extent[],
  options: ExtentsOptions = {},
): BlockReader {
  const runs = joinExtents(extents);
  /** Byte of the content at which each run begins, and the size of all. */
  const starts = [0];
  let { blockSize } = reader;
  for (const [index, { offset, size }] of runs.entries()) {
    checkCount("offset", offset);
    checkCount("size", size);
    if (offset + size > reader.size) {
      throw new RangeError(
        `Cannot take extents of "${reader.name}": bytes ${offset} to ${
          offset + size
        } are outside its ${reader.size} bytes`,
      );
    }
    const start = starts[index]!;
    while (blockSize > 1 && (offset | start) % blockSize !== 0) blockSize /= 2;
    starts.push(checkCount("size of all extents", start + size));
  }
  const total = starts[runs.length]!;
  const identity = options.identity ??
    `${reader.identity}|extents:${
      runs.map(({ offset, size }) => `${offset}+${size}`).join(",")
    }`;
  return {
    blockSize,
    size: total,
    name: reader.name,
    identity,
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = clampRead(total, offset, into.length);
      options?.signal?.throwIfAborted();
      const parts: { from: number; into: Uint8Array }[] = [];
      let index = findRun(starts, offset);
      for (let done = 0; done < count; index++) {
        const within = offset + done - starts[index]!;
        const size = Math.min(count - done, runs[index]!.size - within);
        parts.push({
          from: runs[index]!.offset + within,
          into: into.subarray(done, done + size),
        });
        done += size;
      }
      const [only] = parts;
      if (parts.length === 1) {
        await fillExactly(reader, only!.from, only!.into, options);
        return count;
      }
      for (let at = 0; at < parts.length; at += PARALLEL) {
        // All of them end before this read does: `into` is the caller's again then.
        const ends = await Promise.allSettled(
          parts.slice(at, at + PARALLEL).map((part) =>
            fillExactly(reader, part.from, part.into, options)
          ),
        );
        const failed = ends.find((end) => end.status === "rejected");
        if (failed !== undefined) throw failed.reason;
      }
      return count;
    },
  };
}

/** The same bytes in as few extents as possible: without empty ones, those that touch as one. */
export function joinExtents(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = [];
  for (const extent of extents) {
    const last = joined.at(-1);
    if (extent.size === 0) continue;
    if (last !== undefined && last.offset + last.size === extent.offset) {
      joined[joined.length - 1] = {
        offset: last.offset,
        size: last.size + extent.size,
      };
    } else joined.push(extent);
  }
  return joined;
}

/** Index of the last run that begins at or before `offset`. */
function findRun(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return low;
}
