/**
 * One entry of a browser's store, open. Shared by all in this page who have the content open.
 *
 * @module
 */

import { abortable } from "../../block/abortable.ts";
import { cutIntoExtents, StoreExtents } from "../../block/store_extents.ts";
import type { StoreKey } from "../../block/store.ts";
import { withoutCredentials } from "../../block/store_name.ts";
import { crc32 } from "../../wasm/checksum.ts";
import type {
  Content,
  ContentDatabase,
  Extent,
} from "./indexeddb_store_database.ts";

/** Bytes kept and lost together: a request of the database costs about as much as moving them. */
const EXTENT_BYTES = 64 << 10;
/** Extents that are read or written by one request. */
const BATCH = 32;

/** What an entry asks of its store. */
export interface EntryHost {
  /** Writes when there is room for `bytes`; `false` when there is none. */
  withRoom(bytes: number, write: () => Promise<void>): Promise<boolean>;
  /** The browser has no room: `true` when something could be removed. */
  makeSpace(bytes: number): Promise<boolean>;
  /** The entry takes nothing more. */
  failed(error: unknown): void;
}

/** An entry that is open. */
export class IndexedDbEntry {
  readonly extentSize: number;
  /** It is about nothing any more. */
  dropped = false;
  readonly #database: ContentDatabase;
  readonly #content: Content;
  readonly #extents: StoreExtents;
  readonly #host: EntryHost;
  readonly #release: () => Promise<void>;
  readonly #writes = new Set<Promise<void>>();
  #writable = true;

  private constructor(
    database: ContentDatabase,
    content: Content,
    extents: StoreExtents,
    host: EntryHost,
    release: () => Promise<void>,
  ) {
    this.#database = database;
    this.#content = content;
    this.#extents = extents;
    this.#host = host;
    this.#release = release;
    this.extentSize = content.extentSize;
  }

  /** Opens the entry of `key`, made when there is none. Errors are those of the browser. */
  static async open(
    database: ContentDatabase,
    key: StoreKey,
    host: EntryHost,
  ): Promise<IndexedDbEntry> {
    const hash = await sha256(key.identity);
    const release = await database.hold(hash);
    try {
      const content = await database.enter({
        hash,
        id: crypto.randomUUID(),
        name: withoutCredentials(key.name),
        size: key.size,
        extentSize: EXTENT_BYTES,
        bytes: 0,
        usedAt: Date.now(),
      });
      const { size, extentSize } = content;
      const extents = new StoreExtents(extentSize, size);
      const { indexes, last } = await database.kept(content);
      for (const [i, index] of indexes.entries()) {
        // the sum lies beside the bytes, and is compared with each read
        const length = i === indexes.length - 1 ? last : extentSize;
        extents.keep({ index, length, sum: 0 }, false);
      }
      if (extents.bytes !== content.bytes) {
        await database.update(content, { bytes: extents.bytes });
      }
      return new IndexedDbEntry(database, content, extents, host, release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  get size(): number | undefined {
    return this.#extents.size;
  }

  has(offset: number, size: number): boolean {
    return !this.dropped && this.#extents.has(offset, size);
  }

  async read(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (!this.has(offset, into.length)) return false;
    const unit = this.extentSize;
    const end = offset + into.length;
    for (let at = offset; at < end;) {
      const first = Math.floor(at / unit);
      const last = Math.min(
        first + BATCH - 1,
        Math.floor((end - 1) / unit),
      );
      const read = this.#database.read(this.#content, first, last);
      const found = await abortable(read, signal);
      if (!await this.#check(found, first, last)) return false;
      signal?.throwIfAborted();
      for (const { index, bytes } of found) {
        const start = index * unit;
        const from = Math.max(at, start);
        const part = bytes.subarray(from - start, end - start);
        into.set(part, from - offset);
        at = from + part.length;
      }
    }
    return true;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const work = this.#write(offset, bytes);
    this.#writes.add(work);
    try {
      await work;
    } finally {
      this.#writes.delete(work);
    }
  }

  async finish(size: number): Promise<void> {
    if (this.size === size || this.dropped) return;
    this.#extents.finish(size);
    await this.#database.update(this.#content, { size })
      .catch((error) => this.#failed(error));
  }

  /** Takes the entry out of the database. */
  async drop(): Promise<void> {
    if (this.dropped) return;
    this.dropped = true;
    this.#writable = false;
    this.#extents.clear();
    await this.#database.remove(this.#content).catch(() => {});
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writes);
    await this.#release();
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const parts = cutIntoExtents(offset, bytes, this.extentSize);
    const missing = parts.filter(({ index }) =>
      this.#extents.get(index) === undefined
    );
    for (let i = 0; i < missing.length; i += BATCH) {
      if (!this.#writable) return;
      await this.#writeBatch(missing.slice(i, i + BATCH));
    }
  }

  async #writeBatch(
    parts: readonly { readonly index: number; readonly bytes: Uint8Array }[],
  ): Promise<void> {
    const extents: Extent[] = [];
    let size = 0;
    for (const { index, bytes } of parts) {
      // memory of its own: the browser copies all of what a view shows a part of
      extents.push({ index, sum: await crc32(bytes), bytes: bytes.slice() });
      size += bytes.length;
    }
    try {
      let kept = false;
      await this.#host.withRoom(size, async () => {
        kept = await this.#writeOnce(extents, size);
      });
      if (!kept || this.dropped) return;
    } catch (error) {
      return this.#failed(error);
    }
    for (const { index, sum, bytes } of extents) {
      this.#extents.keep({ index, length: bytes.length, sum }, false);
    }
  }

  async #writeOnce(
    extents: readonly Extent[],
    size: number,
  ): Promise<boolean> {
    try {
      return await this.#database.write(this.#content, extents);
    } catch (error) {
      const full = error instanceof DOMException &&
        error.name === "QuotaExceededError";
      if (!full || !await this.#host.makeSpace(size)) throw error;
      return await this.#database.write(this.#content, extents);
    }
  }

  /** Whether all extents are there and right; forgets those that are not. */
  async #check(
    found: readonly Extent[],
    first: number,
    last: number,
  ): Promise<boolean> {
    const good = new Set<number>();
    for (const { index, sum, bytes } of found) {
      const length = this.#extents.get(index)?.length;
      if (bytes.length === length && await crc32(bytes) === sum) {
        good.add(index);
      }
    }
    let all = true;
    for (let index = first; index <= last; index++) {
      if (good.has(index)) continue;
      all = false;
      this.#extents.forget(index);
      await this.#database.forget(this.#content, index).catch(() => {});
    }
    return all;
  }

  #failed(error: unknown): void {
    if (!this.#writable) return;
    this.#writable = false;
    this.#host.failed(error);
  }
}

async function sha256(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
