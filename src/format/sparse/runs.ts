/**
 * Reads runs of content, of which some lie in a file and others are filled.
 *
 * @module
 */
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { type Piece, readPieces } from "../scattered.ts";
import type { RunTable } from "./table.ts";

/** What may lie between two runs that are fetched together: headers, as a rule of 12 bytes. */
const MAX_GAP = 4096;
/** Most that is fetched together, and copied; 8 times that during a read. */
const MAX_JOINED = 1 << 20;

/** Fills `into` with the content from byte `offset` on, all of which must be there. */
export async function readRuns(
  image: BlockReader,
  runs: RunTable,
  offset: number,
  into: Uint8Array,
  options: ReadOptions,
): Promise<void> {
  const pieces: Piece[] = [];
  for (
    const { start, size, source, fill } of runs.within(offset, into.length)
  ) {
    const part = into.subarray(start - offset, start - offset + size);
    if (source === undefined) fillPattern(part, fill, start);
    else pieces.push({ offset: source, into: part });
  }
  const bounds = { maxGap: MAX_GAP, maxJoined: MAX_JOINED };
  await readPieces(image, pieces, { ...options, ...bounds });
}

/** Repeats four bytes; which of them comes first is told by `start`, the place in the content. */
function fillPattern(into: Uint8Array, fill: number, start: number): void {
  if (fill === (fill & 0xff) * 0x01010101) {
    into.fill(fill & 0xff);
    return;
  }
  const pattern = new Uint8Array(4);
  new DataView(pattern.buffer).setUint32(0, fill, true);
  const first = Math.min(4, into.length);
  for (let i = 0; i < first; i++) into[i] = pattern[(start + i) & 3]!;
  for (let done = first; done < into.length; done *= 2) {
    into.copyWithin(done, 0, Math.min(done, into.length - done));
  }
}
