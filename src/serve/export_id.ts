/** FNV-1a, 32 bits: start and prime. http://www.isthe.com/chongo/tech/comp/fnv/ */
const FNV_OFFSET_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Derives the id of an export from what it holds, so that a host that starts again is recognised
 * by a phone that waits.
 *
 * FNV-1a over the block size (32 bits) and the number of blocks (64 bits), both little-endian, and
 * the identity; 0, which no export may have, becomes 1.
 *
 * @param identity Names the content: that of the reader. Text is taken as UTF-8.
 * @param blockSize Bytes.
 * @throws {RangeError} when a number is negative, fractional or too large.
 * @see https://github.com/samcday/smoo, crates/smoo-host-core
 *
 * @example
 * ```ts
 * import { deriveExportId } from "./export_id.ts";
 *
 * console.assert(deriveExportId("file:/dev/null", 512, 1024) === 0xf67974ef);
 * ```
 */
export function deriveExportId(
  identity: string | Uint8Array,
  blockSize: number,
  blockCount: number,
): number {
  for (const [name, value] of Object.entries({ blockSize, blockCount })) {
    const max = name === "blockSize" ? 0xffffffff : Number.MAX_SAFE_INTEGER;
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw new RangeError(
        `Cannot derive export id: ${name} is ${value}, expected an integer of 0 to ${max}`,
      );
    }
  }
  const head = new DataView(new ArrayBuffer(12));
  head.setUint32(0, blockSize, true);
  head.setBigUint64(4, BigInt(blockCount), true);
  const tail = typeof identity === "string"
    ? new TextEncoder().encode(identity)
    : identity;
  let hash = FNV_OFFSET_BASIS;
  for (const part of [new Uint8Array(head.buffer), tail]) {
    for (const byte of part) hash = Math.imul(hash ^ byte, FNV_PRIME);
  }
  return hash >>> 0 || 1;
}
