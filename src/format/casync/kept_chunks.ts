/**
 * Chunks kept between runs, in one entry of a content store for each index.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import type { ContentStore, StoredContent } from "../../block/store.ts";
import { hexOf } from "./chunks.ts";
import type { CasyncIndex } from "./index.ts";

/**
 * Places begin at multiples of this, and so do extents of any store that we know: a chunk is kept
 * without its neighbours. What lies between is never written.
 */
const PLACE_BYTES = 64 << 10;

/**
 * Decoded chunks in a content store. Chunks with one id have one place. A store that cannot be used is
 * done without.
 */
export class KeptChunks {
  readonly #content: StoredContent;
  /** Byte of the entry at which chunk `i` is kept. */
  readonly #places: Float64Array;

  private constructor(content: StoredContent, places: Float64Array) {
    this.#content = content;
    this.#places = places;
  }

  /**
   * Opens the entry of an index.
   *
   * @param identity Names the content of the index.
   * @returns `undefined` when the store cannot be used.
   */
  static async open(
    store: ContentStore,
    identity: string,
    name: string,
    index: CasyncIndex,
    options?: ReadOptions,
  ): Promise<KeptChunks | undefined> {
    const { places, size } = placesOf(index);
    try {
      const content = await store.open({ identity, name, size }, options);
      const fits = content.size === size && content.extentSize <= PLACE_BYTES;
      if (fits) return new KeptChunks(content, places);
      await content.close();
    } catch {
      options?.signal?.throwIfAborted();
    }
    return undefined;
  }

  /** Chunk `number` as it was kept, not verified; `undefined` when it is not kept. */
  async read(
    number: number,
    size: number,
    options?: ReadOptions,
  ): Promise<Uint8Array | undefined> {
    const place = this.#places[number]!;
    if (!this.#content.has(place, size)) return undefined;
    const bytes = new Uint8Array(size);
    try {
      return await this.#content.read(place, bytes, options)
        ? bytes
        : undefined;
    } catch {
      options?.signal?.throwIfAborted();
      return undefined;
    }
  }

  /** Keeps a chunk, as far as there is room. */
  async write(
    number: number,
    bytes: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    const { extentSize } = this.#content;
    // Whole extents: only the end of all content may be shorter, and there is none.
    const whole = Math.ceil(bytes.length / extentSize) * extentSize;
    let padded = bytes;
    if (whole > bytes.length) {
      padded = new Uint8Array(whole);
      padded.set(bytes);
    }
    try {
      await this.#content.write(this.#places[number]!, padded, options);
    } catch {
      options?.signal?.throwIfAborted();
    }
  }

  /** Lets what was kept outlast the program. */
  async close(): Promise<void> {
    await this.#content.close();
  }
}

function placesOf(
  index: CasyncIndex,
): { readonly places: Float64Array; readonly size: number } {
  const { count, ends, ids } = index;
  const places = new Float64Array(count);
  const known = new Map<string, number>();
  let next = 0;
  for (let i = 0; i < count; i++) {
    const size = ends[i]! - (i === 0 ? 0 : ends[i - 1]!);
    const key = `${hexOf(ids.subarray(i * 32, i * 32 + 32))}:${size}`;
    const place = known.get(key);
    if (place !== undefined) places[i] = place;
    else {
      places[i] = next;
      known.set(key, next);
      next += Math.ceil(size / PLACE_BYTES) * PLACE_BYTES;
    }
  }
  return { places, size: next };
}
