import { sha256, sha512_256 } from "@noble/hashes/sha2.js";
import type { ReadOptions } from "../../block/reader.ts";
import { isCoded } from "../../errors.ts";
import { gunzip, xzDecode, zstdDecode } from "../../wasm/codecs.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import type { ChunkDigest } from "./index.ts";

/** Hashes bytes; an adapter may have a faster one than ours. */
export type HashChunk = (
  algorithm: ChunkDigest,
  bytes: Uint8Array,
) => Uint8Array | Promise<Uint8Array>;

/**
 * The hash functions that are at hand everywhere. Web Crypto has SHA-256 alone, and SHA-512/256 takes
 * 20 ms for 1 MiB here.
 */
export async function hashChunk(
  algorithm: ChunkDigest,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  if (algorithm === "sha512-256") return sha512_256(bytes);
  // not there in pages that came without TLS
  if (globalThis.crypto?.subtle === undefined) return sha256(bytes);
  const digest = await crypto.subtle.digest(
    "SHA-256",
    bytes as Uint8Array<ArrayBuffer>,
  );
  return new Uint8Array(digest);
}

/** Decoders by the bytes that their files begin with. */
const CODECS = [
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], job: "xzDecode" },
  { magic: [0x1f, 0x8b], job: "gunzip" },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], job: "zstdDecode" },
] as const;
const DECODERS = { xzDecode, gunzip, zstdDecode };

/**
 * Decodes a chunk as a store keeps it: xz, gzip or zstd by its first bytes, else as it is.
 *
 * @param size Bytes that it must hold; no more memory is taken for it.
 * @returns `undefined` when it does not decode, or holds another number of bytes.
 */
export async function decodeChunk(
  stored: Uint8Array,
  size: number,
  pool: CodecPool | undefined,
  options?: ReadOptions,
): Promise<Uint8Array | undefined> {
  const codec = CODECS.find(({ magic }) =>
    magic.every((byte, i) => stored[i] === byte)
  );
  if (codec === undefined) return stored.length === size ? stored : undefined;
  const { job } = codec;
  const limits = { maxSize: size };
  try {
    const bytes = await decodeIn(pool, job, stored, limits, options) ??
      await DECODERS[job](stored, limits);
    return bytes.length === size ? bytes : undefined;
  } catch (error) {
    // What the core could not do says nothing about the chunk.
    if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
    return undefined;
  }
}

/** Decodes in a worker, if there are any and they have room. */
async function decodeIn(
  pool: CodecPool | undefined,
  job: keyof typeof DECODERS,
  stored: Uint8Array,
  limits: { readonly maxSize: number },
  options?: ReadOptions,
): Promise<Uint8Array | undefined> {
  const { signal } = options ?? {};
  try {
    return await pool?.run(job, stored, limits, { signal });
  } catch (error) {
    if (isCoded(error, "wasm.pool-full")) return undefined;
    throw error;
  }
}

/** Tells whether two digests are the same. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
