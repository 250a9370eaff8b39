import { withCache } from "../../block/cache.ts";
import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { type Piece, readPieces } from "../scattered.ts";

/** Bytes that stand in place of others. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What {@linkcode withMovedBlocks} shows in place of what is there. */
export interface MovedBlocks {
  readonly blockSize: number;
  /** By number, the block whose bytes a block has. */
  readonly moved: ReadonlyMap<number, number>;
  /** On top of that; each within one block, later ones win. */
  readonly patches: readonly Patch[];
}

/** Bytes of moved blocks that are read together, and that are kept. */
const LOG_PAGE = 65536;
const LOG_BYTES = 4 << 20;

/**
 * A reader with some of its blocks in the places of others. Blocks that lie side by side are one
 * read, and so are those with moved ones between them. Keeps 4 MiB of what was moved.
 */
export function withMovedBlocks(
  reader: BlockReader,
  { blockSize, moved, patches }: MovedBlocks,
): BlockReader {
  // they lie in one place, and are wanted one by one
  const log = withCache(reader, { pageSize: LOG_PAGE, maxBytes: LOG_BYTES });
  const patched = new Map<number, Patch[]>();
  for (const patch of patches) {
    const block = Math.floor(patch.offset / blockSize);
    patched.set(block, [...patched.get(block) ?? [], patch]);
  }

  async function read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(reader.size, offset, into.length);
    options?.signal?.throwIfAborted();
    if (count === 0) return 0;
    const end = offset + count;
    const inPlace: Piece[] = [];
    const elsewhere: Piece[] = [];
    const first = Math.floor(offset / blockSize);
    const behind = Math.ceil(end / blockSize);
    for (let block = first; block < behind;) {
      const source = moved.get(block) ?? block;
      let next = block + 1;
      while (
        next < behind && (moved.get(next) ?? next) === source + next - block
      ) next++;
      const low = Math.max(offset, block * blockSize);
      const high = Math.min(end, next * blockSize);
      const pieces = source === block ? inPlace : elsewhere;
      pieces.push({
        offset: source * blockSize + low - block * blockSize,
        into: into.subarray(low - offset, high - offset),
      });
      block = next;
    }
    if (inPlace.length > 0) await readPieces(reader, inPlace, options);
    if (elsewhere.length > 0) await readPieces(log, elsewhere, options);
    for (let block = first; block < behind; block++) {
      for (const { offset: at, bytes } of patched.get(block) ?? []) {
        const low = Math.max(offset, at);
        const high = Math.min(end, at + bytes.length);
        if (high > low) {
          into.set(bytes.subarray(low - at, high - at), low - offset);
        }
      }
    }
    return count;
  }
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: `${reader.identity}|ext4:replayed`,
    read,
  };
}
