/**
 * Where the blocks of a file lie, and how they are read with as few reads as that allows.
 *
 * @module
 */

import { fillExactly, readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";

/** Blocks of a file that lie side by side. */
export interface Run {
  /** First block, counted in the file. */
  readonly first: number;
  count: number;
  /** First block, counted in the image; 0 where nothing is stored and zeros are read. */
  readonly start: number;
}

/** Collects the runs of a range of blocks, in order; what is passed over is a hole. */
export class RunList {
  readonly runs: Run[] = [];
  #next: number;

  /** @param first First block of the range. */
  constructor(first: number) {
    this.#next = first;
  }

  /** Adds blocks that follow those added before. */
  add(first: number, count: number, start: number): void {
    if (first > this.#next) this.#push(this.#next, first - this.#next, 0);
    this.#push(first, count, start);
  }

  /** Ends the range before block `end`. */
  finish(end: number): Run[] {
    if (end > this.#next) this.#push(this.#next, end - this.#next, 0);
    return this.runs;
  }

  #push(first: number, count: number, start: number): void {
    const last = this.runs.at(-1);
    const goesOn = last !== undefined &&
      (last.start === 0 ? start === 0 : start === last.start + last.count);
    if (goesOn) last.count += count;
    else this.runs.push({ first, count, start });
    this.#next = first + count;
  }
}

/** Finds where the blocks from `first` up to `end` of a file lie: all of them, in order. */
export type FindRuns = (
  first: number,
  end: number,
  options?: ReadOptions,
) => Promise<Run[]>;

/** Bytes of a reader that belong at a place of a buffer. */
export interface Piece {
  readonly offset: number;
  readonly into: Uint8Array;
}

/** What lies between two pieces is read with them when it is not more than this. */
const MAX_GAP = 16384;
/** Pieces with something between them go through memory of their own, of at most this. */
const MAX_JOINED = 4 << 20;
/** Reads under way at the same time. */
const MAX_PARALLEL = 8;

/**
 * Fills pieces whose offsets rise, mostly. Neighbours with little between them are one read: a block
 * map lies in the middle of what it maps. Others are read at the same time, some at a time.
 */
export async function readPieces(
  reader: BlockReader,
  pieces: readonly Piece[],
  options?: ReadOptions,
): Promise<void> {
  if (pieces.length === 1) {
    const { offset, into } = pieces[0]!;
    return await fillExactly(reader, offset, into, options);
  }
  const groups = joinNeighbours(pieces);
  for (let i = 0; i < groups.length; i += MAX_PARALLEL) {
    const reads = groups.slice(i, i + MAX_PARALLEL)
      .map((group) => readGroup(reader, group, options));
    // all of them: the buffer is the caller's again when this returns
    for (const end of await Promise.allSettled(reads)) {
      if (end.status === "rejected") throw end.reason;
    }
  }
}

function joinNeighbours(pieces: readonly Piece[]): Piece[][] {
  const groups: Piece[][] = [];
  for (const piece of pieces) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined) {
      const gap = piece.offset - endOf(last);
      const size = endOf(piece) - group[0]!.offset;
      if (gap >= 0 && gap <= MAX_GAP && size <= MAX_JOINED) {
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
  options?: ReadOptions,
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
