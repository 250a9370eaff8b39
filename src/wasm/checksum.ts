/**
 * Check sums.
 *
 * @module
 */
import { codecCore, withMemory } from "./call.ts";
import type { Core } from "./instance.ts";

const PIECE = 256 << 10;

async function sum(
  name: "fb_crc32" | "fb_crc32c",
  data: Uint8Array,
  before: number,
): Promise<number> {
  const core: Core = await codecCore();
  return withMemory(core, (memory) => {
    const pointer = memory.take(Math.min(data.length, PIECE));
    let value = before;
    for (let at = 0; at < data.length; at += PIECE) {
      const piece = data.subarray(at, at + PIECE);
      core.view(pointer, piece.length).set(piece);
      value = core.exports[name](value, pointer, piece.length);
    }
    return value >>> 0;
  });
}

/**
 * CRC-32 of `data`, as gzip, xz, GPT and zip use it. Linear memory: at most 256 KiB.
 *
 * @param before The sum of what came before `data`, to go on from it.
 * @see ISO 3309, RFC 1952 section 8
 */
export async function crc32(data: Uint8Array, before = 0): Promise<number> {
  return await sum("fb_crc32", data, before);
}

/**
 * CRC-32C (Castagnoli) of `data`, as ext4, erofs and btrfs use it, with the customary inversion of
 * start and result: erofs stores the result inverted. Linear memory: at most 256 KiB.
 *
 * @param before The sum of what came before `data`, to go on from it.
 * @see RFC 3720, section 12.1
 */
export async function crc32c(data: Uint8Array, before = 0): Promise<number> {
  return await sum("fb_crc32c", data, before);
}
