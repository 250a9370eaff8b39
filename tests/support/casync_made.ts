/**
 * Casync indexes and chunk stores made on the spot, by node's hashes and codecs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { ChunkStore } from "../../src/format/casync/chunks.ts";
import { zstdEncode } from "../../src/wasm/codecs.ts";

/** How chunks are stored. */
export type StoredAs = "zstd" | "gzip" | "raw" | "bare";

/** What {@linkcode makeCasync} makes. */
export interface MadeCasync {
  /** The `.caibx` file. */
  readonly index: Uint8Array<ArrayBuffer>;
  /** Files of the store, by their path. */
  readonly files: Map<string, Uint8Array>;
}

const CHUNK_MIN = 512, CHUNK_MAX = 16384;
/** Sizes of chunks, in turns: small, odd, and the largest. */
const SIZES = [4096, 513, 16384, 2000, 8192, 700];

/** Cuts `bytes` into chunks and stores them. */
export async function makeCasync(
  bytes: Uint8Array,
  stored: readonly StoredAs[] = ["zstd", "gzip", "raw", "bare"],
  digest: "sha256" | "sha512-256" = "sha512-256",
): Promise<MadeCasync> {
  const files = new Map<string, Uint8Array>();
  const items: [end: number, id: Uint8Array][] = [];
  for (let start = 0, i = 0; start < bytes.length; i++) {
    const chunk = bytes.slice(start, start + SIZES[i % SIZES.length]!);
    start += chunk.length;
    const hash = createHash(digest).update(chunk).digest();
    items.push([start, new Uint8Array(hash)]);
    const hex = hash.toString("hex");
    const as = stored[i % stored.length]!;
    const path = `${hex.slice(0, 4)}/${hex}${as === "bare" ? "" : ".cacnk"}`;
    files.set(
      path,
      as === "zstd"
        ? await zstdEncode(chunk)
        : as === "gzip"
        ? new Uint8Array(gzipSync(chunk))
        : chunk,
    );
  }
  return { index: encodeIndex(items, digest), files };
}

function encodeIndex(
  items: readonly [end: number, id: Uint8Array][],
  digest: string,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64 + items.length * 40 + 40);
  const view = new DataView(bytes.buffer);
  const set = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  set(0, 48n);
  set(8, 0x96824d9c7b129ff9n);
  set(16, digest === "sha256" ? 0n : 0x2000000000000000n);
  set(24, BigInt(CHUNK_MIN));
  set(32, 4096n);
  set(40, BigInt(CHUNK_MAX));
  set(48, 0xffffffffffffffffn);
  set(56, 0xe75b9e112f17417dn);
  for (const [i, [end, id]] of items.entries()) {
    set(64 + i * 40, BigInt(end));
    bytes.set(id, 64 + i * 40 + 8);
  }
  const tail = 64 + items.length * 40;
  set(tail + 16, 48n);
  set(tail + 24, BigInt(56 + items.length * 40));
  set(tail + 32, 0x4b4f050e5549ecd1n);
  return bytes;
}

/** A chunk store of files in memory, which counts what it is asked for. */
export function memoryChunkStore(
  files: ReadonlyMap<string, Uint8Array>,
): ChunkStore & { asked: string[] } {
  const asked: string[] = [];
  const store = (path: string, { signal }: { signal: AbortSignal }) => {
    signal.throwIfAborted();
    asked.push(path);
    return Promise.resolve(files.get(path)?.slice());
  };
  return Object.assign(store, { asked });
}
