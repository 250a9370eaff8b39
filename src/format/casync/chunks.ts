/**
 * Gets chunks: from memory, from what is kept between runs, from the store they are published in.
 *
 * @module
 */

import { abortable } from "../../block/abortable.ts";
import { DecodedCache } from "../../block/decoded_cache.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { type ErrorFacts, FormatError, ReadError } from "../../errors.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { decodeChunk, type HashChunk, sameDigest } from "./chunk.ts";
import type { CasyncIndex } from "./index.ts";
import type { KeptChunks } from "./kept_chunks.ts";

/** What a {@linkcode ChunkStore} is told of a chunk. */
export interface ChunkRequest {
  /** Stops the work. */
  readonly signal: AbortSignal;
  /** Most bytes that a sound chunk takes as stored. */
  readonly maxSize: number;
}

/**
 * Gives the bytes of one file of a chunk store.
 *
 * @param path Below the store: `3f2a/3f2a….cacnk`.
 * @returns `undefined` when there is no such file, which is no fault.
 */
export type ChunkStore = (
  path: string,
  request: ChunkRequest,
) => Promise<Uint8Array | undefined>;

/** What {@linkcode Chunks} is made of. */
export interface ChunksOptions {
  readonly name: string;
  readonly index: CasyncIndex;
  readonly store: ChunkStore;
  readonly kept: KeptChunks | undefined;
  readonly hash: HashChunk;
  readonly pool: CodecPool | undefined;
  readonly cacheBytes: number;
  readonly parallel: number;
}

/** A chunk, and where in the index it is named. */
interface Chunk {
  readonly number: number;
  readonly size: number;
  readonly id: Uint8Array;
  /** Its id in hexadecimal. */
  readonly hex: string;
}

/** A chunk on its way, and how many wait for it. */
interface Flight {
  readonly landing: Promise<Uint8Array>;
  readonly controller: AbortController;
  waiting: number;
}

/** Compressed data is larger than what it holds by no more than this. */
const STORED_SLACK = 64 << 10;
const TRIES = 2;

/** Gets chunks by their number in the index; each is verified, and equal ones are got once. */
export class Chunks {
  readonly #of: ChunksOptions;
  readonly #memory: DecodedCache;
  readonly #flights = new Map<string, Flight>();
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(options: ChunksOptions) {
    this.#of = options;
    this.#memory = new DecodedCache(options.cacheBytes);
    this.#free = options.parallel;
  }

  /** The chunk if it is in memory. Must not be written to. */
  getNow(number: number): Uint8Array | undefined {
    const { hex, size } = this.#chunk(number);
    const bytes = this.#memory.get(hex, size);
    return bytes?.length === size ? bytes : undefined;
  }

  /** Gets a chunk. Who leaves rejects at once; the work ends when nobody waits for it. */
  async get(number: number, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    const chunk = this.#chunk(number);
    // One that is said to have two sizes is refused for one of them.
    const key = `${chunk.hex}:${chunk.size}`;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const controller = new AbortController();
      const landing = this.#fetch(chunk, controller.signal);
      flight = { landing, controller, waiting: 0 };
      this.#flights.set(key, flight);
      const forget = () => this.#forget(key, landing);
      landing.then(forget, forget);
    }
    flight.waiting++;
    try {
      return await abortable(flight.landing, signal);
    } finally {
      if (--flight.waiting === 0 && this.#forget(key, flight.landing)) {
        flight.controller.abort(signal.reason);
      }
    }
  }

  /** Whoever comes now begins anew. Tells whether it was under way. */
  #forget(key: string, landing: Promise<Uint8Array>): boolean {
    return this.#flights.get(key)?.landing === landing &&
      this.#flights.delete(key);
  }

  #chunk(number: number): Chunk {
    const { ends, ids } = this.#of.index;
    const id = ids.subarray(number * 32, number * 32 + 32);
    const size = ends[number]! - (number === 0 ? 0 : ends[number - 1]!);
    return { number, size, id, hex: hexOf(id) };
  }

  async #fetch(chunk: Chunk, signal: AbortSignal): Promise<Uint8Array> {
    await this.#enter(signal);
    try {
      const bytes = await this.#fromKept(chunk, { signal }) ??
        await this.#fromStore(chunk, signal);
      this.#memory.set(chunk.hex, bytes);
      return bytes;
    } finally {
      this.#leave();
    }
  }

  /** Waits until fewer than `parallel` chunks are on their way. */
  async #enter(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    let enter = () => {};
    const turn = new Promise<void>((resolve) => enter = resolve);
    this.#queue.push(enter);
    try {
      await abortable(turn, signal);
    } catch (error) {
      const at = this.#queue.indexOf(enter);
      if (at >= 0) this.#queue.splice(at, 1);
      else this.#leave(); // its turn came just before it left
      throw error;
    }
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  async #fromKept(
    chunk: Chunk,
    options: ReadOptions,
  ): Promise<Uint8Array | undefined> {
    const bytes = await this.#of.kept?.read(chunk.number, chunk.size, options);
    // What was kept wrong is fetched again, and kept in its place.
    return bytes !== undefined && await this.#verify(chunk, bytes)
      ? bytes
      : undefined;
  }

  async #fromStore(chunk: Chunk, signal: AbortSignal): Promise<Uint8Array> {
    let error: FormatError | undefined;
    for (let tries = 0; tries < TRIES; tries++) {
      signal.throwIfAborted();
      const stored = await this.#load(chunk, signal);
      const bytes = await this.#open(chunk, stored, { signal });
      if (bytes instanceof Uint8Array) {
        await this.#of.kept?.write(chunk.number, bytes, { signal });
        return bytes;
      }
      error = bytes;
    }
    throw error!;
  }

  /** The bytes of the chunk's file, as they are stored. */
  async #load(chunk: Chunk, signal: AbortSignal): Promise<Uint8Array> {
    const { store } = this.#of;
    const path = `${chunk.hex.slice(0, 4)}/${chunk.hex}`;
    const request = {
      signal,
      maxSize: Math.ceil(chunk.size * 1.125) + STORED_SLACK,
    };
    const stored = await store(`${path}.cacnk`, request) ??
      await store(path, request);
    if (stored !== undefined) return stored;
    throw new ReadError(
      "casync.chunk-missing",
      `Cannot read chunk ${chunk.number} of "${this.#of.name}": neither "${path}.cacnk" nor "${path}" is in the chunk store; see that the store belongs to the index`,
      { facts: { chunk: chunk.number, id: chunk.hex } },
    );
  }

  /** What a stored chunk holds, or what is wrong with it. */
  async #open(
    chunk: Chunk,
    stored: Uint8Array,
    options: ReadOptions,
  ): Promise<Uint8Array | FormatError> {
    const { hex, size, id } = chunk;
    // A chunk of compressed data may be stored as it is, and look compressed.
    if (stored.length === size && await this.#verify(chunk, stored)) {
      return stored;
    }
    const bytes = await decodeChunk(stored, size, this.#of.pool, options);
    if (bytes === undefined) {
      return this.#bad(
        "casync.damaged",
        chunk,
        `the ${stored.length} bytes stored do not decode to ${size} bytes`,
        { stored: stored.length, size },
      );
    }
    const found = await this.#of.hash(this.#of.index.digest, bytes);
    if (sameDigest(found, id)) return bytes;
    return this.#bad(
      "casync.checksum-mismatch",
      chunk,
      `its ${this.#of.index.digest} is ${hexOf(found)}, expected ${hex}`,
      { found: hexOf(found), expected: hex },
    );
  }

  async #verify(chunk: Chunk, bytes: Uint8Array): Promise<boolean> {
    const found = await this.#of.hash(this.#of.index.digest, bytes);
    return sameDigest(found, chunk.id);
  }

  #bad(
    code: "casync.damaged" | "casync.checksum-mismatch",
    chunk: Chunk,
    found: string,
    facts: ErrorFacts,
  ): FormatError {
    const start = this.#of.index.ends[chunk.number]! - chunk.size;
    return new FormatError(
      code,
      `Cannot read chunk ${chunk.number} at byte ${start} of "${this.#of.name}": ${found}; the chunk store is damaged`,
      { facts: { chunk: chunk.number, id: chunk.hex, ...facts } },
    );
  }
}

/** Bytes in hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
