/**
 * Bytes that lie here and there in a reader, fetched with few reads.
 *
 * @module
 */

import { fillExactly, readExactly } from "../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../block/reader.ts";

/** Bytes of a reader that belong at a place of a buffer. */
export interface Piece {
  readonly offset: number;
  readonly into: Uint8Array;
}

/** How pieces are read. */
export interface PiecesOptions extends ReadOptions {
  /** What lies between two pieces is read with them when it is not more than this; 16 KiB when absent. */
  readonly maxGap?: number;
  /** What is read together goes through memory of its own, of at most this; 4 MiB when absent. */
  readonly maxJoined?: number;
}

const MAX_GAP = 16384;
const MAX_JOINED = 4 << 20;
/** Reads under way at the same time. */
const MAX_PARALLEL = 8;

/**
 * Fills pieces whose offsets rise, mostly. Neighbours with little between them are one read, others are
 * read at the same time, some at a time.
 */
export async function readPieces(
  reader: BlockReader,
  pieces: readonly Piece[],
  options: PiecesOptions = {},
): Promise<void> {
  const groups = joinNeighbours(pieces, options);
  for (let i = 0; i < groups.length; i += MAX_PARALLEL) {
    const reads = groups.slice(i, i + MAX_PARALLEL)
      .map((group) => readGroup(reader, group, options));
    // all of them: the buffer is the caller's again when this returns
    for (const end of await Promise.allSettled(reads)) {
      if (end.status === "rejected") throw end.reason;
    }
  }
}

function joinNeighbours(
  pieces: readonly Piece[],
  { maxGap = MAX_GAP, maxJoined = MAX_JOINED }: PiecesOptions,
): Piece[][] {
  const groups: Piece[][] = [];
  for (const piece of pieces) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined) {
      const gap = piece.offset - endOf(last);
      const size = endOf(piece) - group[0]!.offset;
      if (gap >= 0 && gap <= maxGap && size <= maxJoined) {
        group.push(piece);
        continue;
      }
    }
    groups.push([piece]);
  }
  return groups;
}

async function readGroup(
  reader: BlockReader,
  group: readonly Piece[],
  options: ReadOptions,
): Promise<void> {
  const { offset, into } = group[0]!;
  if (group.length === 1) {
    return await fillExactly(reader, offset, into, options);
  }
  const size = endOf(group.at(-1)!) - offset;
  const bytes = await readExactly(reader, offset, size, options);
  for (const piece of group) {
    const from = piece.offset - offset;
    piece.into.set(bytes.subarray(from, from + piece.into.length));
  }
}

function endOf({ offset, into }: Piece): number {
  return offset + into.length;
}
