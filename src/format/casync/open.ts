import { sha256 } from "@noble/hashes/sha2.js";
import { onAbort } from "../../block/abortable.ts";
import { checkCount, clampRead } from "../../block/range.ts";
import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../../block/reader.ts";
import { ReadError } from "../../errors.ts";
import type { ContentStore } from "../../block/store.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { type HashChunk, hashChunk } from "./chunk.ts";
import { Chunks, type ChunkStore, hexOf } from "./chunks.ts";
import { type CasyncIndex, readIndex } from "./index.ts";
import { KeptChunks } from "./kept_chunks.ts";

/** Where chunks come from, and bounds of {@linkcode openCasync}. */
export interface CasyncOptions extends ReadOptions {
  /** Gives the files of the chunk store; see `defaultChunkStore()` for where that is. */
  readonly store: ChunkStore;
  /** Where decoded chunks are kept between runs; nowhere when absent. */
  readonly chunks?: ContentStore | undefined;
  /** Most bytes of decoded chunks in memory; 32 MiB when absent. */
  readonly cacheBytes?: number | undefined;
  /** Most chunks on their way at once, at least 1; 8 when absent. */
  readonly parallel?: number | undefined;
  /** Hashes chunks, where something faster is at hand than what the web platform has. */
  readonly hash?: HashChunk | undefined;
  /**
   * Where chunks are decoded; on the caller's thread when absent.
   *
   * @ignore
   */
  readonly pool?: CodecPool | undefined;
}

/** A file that is put together from chunks. */
export interface CasyncReader extends ClosableReader {
  /** What the index says. */
  readonly index: CasyncIndex;
}

/** Alignment that costs nothing: chunks begin anywhere. */
const BLOCK_SIZE = 512;

/**
 * Opens the file that a casync index (`.caibx`) tells the chunks of.
 *
 * Opening costs 2 reads of the index and no chunk. A chunk is one file of the store, or two looks at
 * it where the first name is not there; it may be compressed by zstd, xz or gzip. Its digest, SHA-256
 * or SHA-512/256, is verified each time it comes from the store or from what was kept. A chunk that is
 * wrong in what was kept is fetched again and replaced; one that is wrong in the store is fetched
 * once more, then it is an error. Equal chunks that are wanted at the same time are fetched once.
 * Reads of several chunks fetch them at the same time: put `withReadAhead` around it, for in-order
 * reads of less than a chunk wait for one chunk after another.
 *
 * Memory: the index (40 bytes a chunk), `cacheBytes`, and the chunks on their way, as stored and as
 * decoded. What a chunk holds is bounded by the index before memory is taken.
 *
 * @param index The `.caibx` file. The identity of the reader names it.
 * @throws {FormatError} `casync.bad-magic`, `casync.truncated`, `casync.damaged`,
 * `casync.unsupported-feature` (the index of a directory, or unknown flags), `casync.too-large`
 * (128 MiB). Reads: `casync.chunk-missing`, `casync.damaged`, `casync.checksum-mismatch`,
 * `read.closed`, beside what the store throws
 * @see casync, src/caformat.h
 *
 * @example
 * ```ts ignore
 * const reader = await openCasync(await openFile("root.caibx"), {
 *   store: async (path, { signal }) => {
 *     const answer = await fetch(`https://example.org/chunks/${path}`, { signal });
 *     return answer.status === 404 ? undefined : await answer.bytes();
 *   },
 * });
 * ```
 */
export async function openCasync(
  index: BlockReader,
  options: CasyncOptions,
): Promise<CasyncReader> {
  const cacheBytes = checkCount("cacheBytes", options.cacheBytes ?? 32 << 20);
  const parallel = checkCount("parallel", options.parallel ?? 8, 1);
  const { store, hash = hashChunk, pool, signal } = options;
  const parsed = await readIndex(index, { signal });
  const { name } = index;
  const kept = options.chunks === undefined ? undefined : await KeptChunks.open(
    options.chunks,
    contentIdentity(parsed),
    name,
    parsed,
    { signal },
  );
  const chunks = new Chunks({
    ...{ name, store, kept, hash, pool, cacheBytes, parallel },
    index: parsed,
  });
  return new CasyncFile(index, parsed, chunks, kept);
}

class CasyncFile implements CasyncReader {
  readonly blockSize = BLOCK_SIZE;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly index: CasyncIndex;
  readonly #chunks: Chunks;
  readonly #kept: KeptChunks | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    reader: BlockReader,
    index: CasyncIndex,
    chunks: Chunks,
    kept: KeptChunks | undefined,
  ) {
    this.size = index.size;
    this.name = reader.name;
    this.identity = `${reader.identity}|casync`;
    this.index = index;
    this.#chunks = chunks;
    this.#kept = kept;
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    signal?.throwIfAborted();
    if (this.#closing !== undefined) {
      throw new ReadError(
        "read.closed",
        `Cannot read byte ${offset} of "${this.name}": it is closed`,
        { facts: { offset } },
      );
    }
    if (count === 0) return 0;
    const missing: number[] = [];
    const wanted = into.subarray(0, count);
    for (
      let chunk = this.#chunkAt(offset);
      this.#startOf(chunk) < offset + count;
      chunk++
    ) {
      const bytes = this.#chunks.getNow(chunk);
      if (bytes === undefined) missing.push(chunk);
      else this.#copy(chunk, bytes, offset, wanted);
    }
    if (missing.length > 0) await this.#fill(missing, offset, wanted, signal);
    return count;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#kept?.close() ?? Promise.resolve();
  }

  async #fill(
    chunks: readonly number[],
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    // When one fails, the others are not waited for and write no more.
    const leaving = new AbortController();
    const leave = () => leaving.abort(signal?.reason);
    const forget = signal === undefined ? undefined : onAbort(signal, leave);
    try {
      await Promise.all(chunks.map(async (chunk) => {
        const bytes = await this.#chunks.get(chunk, leaving.signal);
        if (!leaving.signal.aborted) this.#copy(chunk, bytes, offset, into);
      }));
      signal?.throwIfAborted();
    } catch (error) {
      leaving.abort(error);
      throw error;
    } finally {
      forget?.();
    }
  }

  /** The chunk that holds byte `offset`. */
  #chunkAt(offset: number): number {
    const { ends } = this.index;
    let low = 0, high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** First byte of a chunk; the end of the file for the one behind the last. */
  #startOf(chunk: number): number {
    return chunk === 0 ? 0 : this.index.ends[chunk - 1] ?? this.size;
  }

  /** Copies what `into`, which begins at byte `offset`, wants of a chunk. */
  #copy(
    chunk: number,
    bytes: Uint8Array,
    offset: number,
    into: Uint8Array,
  ): void {
    const start = this.#startOf(chunk);
    const from = Math.max(start, offset);
    const to = Math.min(start + bytes.length, offset + into.length);
    into.set(bytes.subarray(from - start, to - start), from - offset);
  }
}

/** Names the content, wherever its index came from. */
function contentIdentity(index: CasyncIndex): string {
  const hash = sha256.create();
  hash.update(new Uint8Array(index.ends.buffer)).update(index.ids);
  return `casync-chunks:${index.digest}:${hexOf(hash.digest())}`;
}
