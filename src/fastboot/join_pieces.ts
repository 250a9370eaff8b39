/**
 * Data in pieces as large as may be.
 *
 * @module
 */

import type { DataPieces } from "./transport.ts";

/**
 * Gives the same bytes in pieces of exactly `size` but for the last one. Pieces that lie right are
 * passed on without a copy.
 */
export async function* joinPieces(
  pieces: DataPieces,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let part: Uint8Array<ArrayBuffer> | undefined;
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      if (part === undefined && piece.length - at >= size) {
        yield piece.subarray(at, at += size);
        continue;
      }
      part ??= new Uint8Array(size);
      const length = Math.min(size - filled, piece.length - at);
      part.set(piece.subarray(at, at + length), filled);
      at += length;
      filled += length;
      if (filled < size) continue;
      yield part;
      part = undefined;
      filled = 0;
    }
  }
  if (part !== undefined) yield part.subarray(0, filled);
}
