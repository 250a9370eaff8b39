/**
 * Keeps content in a browser's IndexedDB, for pages and workers alike. Why not in its file system
 * stands in docs/FORMATS.md.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import { checkCount } from "../../block/range.ts";
import type {
  ContentStore,
  StoredContent,
  StoreKey,
} from "../../block/store.ts";
import { SharedEntries } from "../../block/shared_entries.ts";
import { StoreRoom } from "../../block/store_room.ts";
import { ReadError } from "../../errors.ts";
import { type Content, ContentDatabase } from "./indexeddb_store_database.ts";
import { IndexedDbEntry } from "./indexeddb_store_entry.ts";

/** Bounds of {@linkcode indexedDbStore}. */
export interface IndexedDbStoreOptions {
  /** Name of the database, of this origin; `fastboop-downloads` when absent. */
  readonly name?: string | undefined;
  /** Most bytes of content; half of what the browser allows the origin when absent. */
  readonly maxBytes?: number | undefined;
  /** Is told, once for each reason, why nothing more is kept: `store.unusable`, `store.no-room`. */
  readonly onWarning?: ((error: ReadError) => void) | undefined;
}

/** What is kept of one content. */
export interface BrowserEntry {
  readonly name: string;
  /** Bytes of the content, when known. */
  readonly size: number | undefined;
  /** Bytes that are kept. */
  readonly kept: number;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
}

/** A store in a browser, and what can be done with all of it. */
export interface IndexedDbStore extends ContentStore {
  /** All that is kept, used last first. */
  list(): Promise<BrowserEntry[]>;
  /**
   * Removes entries, used longest ago first, until all take at most `maxBytes`; those that are open,
   * in any page, stay.
   *
   * @returns Bytes that are left.
   */
  prune(maxBytes: number): Promise<number>;
  /**
   * Asks the browser not to remove what is kept when it wants room. It may ask the user, so call it
   * when he has done something.
   *
   * @returns Whether it promised.
   */
  persist(): Promise<boolean>;
  /** Closes the database. What is open cannot be read or kept any more. */
  close(): Promise<void>;
}

const NAME = "fastboop-downloads";
/** Room that is given away before the database is looked at again. */
const GRANT_BYTES = 16 << 20;
const DEFAULT_BYTES = 4 * 2 ** 30;

/**
 * Keeps content in a database of this origin, bounded by bytes.
 *
 * Nothing is touched before the first entry is opened. Several pages may use it at the same time;
 * what one keeps, others see when they open the entry. When the browser has no room, or has none for
 * this origin as in some private windows, what is kept can be read, and nothing more is kept.
 *
 * Memory: 9 bytes for each 64 KiB of content that is open.
 *
 * @throws {RangeError} when `maxBytes` is no number of bytes. Opening an entry: {@linkcode ReadError}
 * `store.unusable`.
 */
export function indexedDbStore(
  options: IndexedDbStoreOptions = {},
): IndexedDbStore {
  if (options.maxBytes !== undefined) checkCount("maxBytes", options.maxBytes);
  return new DatabaseStore(options);
}

class DatabaseStore implements IndexedDbStore {
  readonly #database: ContentDatabase;
  readonly #maxBytes: number | undefined;
  readonly #open = new SharedEntries();
  readonly #room: StoreRoom;

  constructor({ name = NAME, maxBytes, onWarning }: IndexedDbStoreOptions) {
    this.#database = new ContentDatabase(name);
    this.#maxBytes = maxBytes;
    this.#room = new StoreRoom(
      {
        limit: () => this.#limit(),
        prune: (maxBytes) => this.prune(maxBytes),
        noRoom,
      },
      GRANT_BYTES,
      onWarning,
    );
  }

  open(key: StoreKey, options: ReadOptions = {}): Promise<StoredContent> {
    const { identity } = key;
    return this.#open.open(identity, key, () => this.#openEntry(key), options);
  }

  async list(): Promise<BrowserEntry[]> {
    const contents = await this.#database.contents();
    return contents.map(({ name, size, bytes, usedAt }) => ({
      name,
      size,
      kept: bytes,
      usedAt,
    })).reverse();
  }

  async prune(maxBytes: number): Promise<number> {
    const contents = await this.#database.contents();
    let left = sumOf(contents);
    for (const content of contents) {
      if (left <= maxBytes) break;
      if (await this.#database.removeUnused(content)) left -= content.bytes;
    }
    return left;
  }

  async persist(): Promise<boolean> {
    // pages have it, workers have not
    const storage: StorageManager & { persist?(): Promise<boolean> } =
      navigator.storage;
    return await storage?.persist?.() ?? false;
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  /** Writes when there is room; `false` when there is none. */
  withRoom(bytes: number, write: () => Promise<void>): Promise<boolean> {
    return this.#room.withRoom(bytes, write);
  }

  /** The browser has no room: `true` when something could be removed. */
  makeSpace(bytes: number): Promise<boolean> {
    return this.#room.makeSpace(bytes);
  }

  /** An entry takes nothing more. */
  failed(error: unknown): void {
    this.#room.tell(
      new ReadError(
        "store.unusable",
        `Cannot keep more downloads in the browser: ${
          reason(error)
        }; going on without, what is missing is fetched again next time`,
        { cause: error },
      ),
    );
  }

  async #openEntry(key: StoreKey): Promise<IndexedDbEntry> {
    try {
      return await IndexedDbEntry.open(this.#database, key, this);
    } catch (cause) {
      const error = new ReadError(
        "store.unusable",
        `Cannot keep "${key.name}" in the browser: ${
          reason(cause)
        }; a private window may not allow it`,
        { facts: { name: key.name }, cause },
      );
      this.#room.tell(error);
      throw error;
    }
  }

  async #limit(): Promise<number> {
    if (this.#maxBytes !== undefined) return this.#maxBytes;
    const { quota } = await navigator.storage?.estimate?.() ?? {};
    return quota === undefined ? DEFAULT_BYTES : quota / 2;
  }
}

function noRoom(bytes: number, left: number, limit: number): ReadError {
  return new ReadError(
    "store.no-room",
    `Cannot keep ${bytes} bytes more of downloads in the browser: found ${left} bytes in use, expected at most ${
      Math.max(0, limit - bytes)
    }; going on without, remove what is kept of this page in the browser's settings`,
    { facts: { bytes: left, maxBytes: limit } },
  );
}

function sumOf(contents: readonly Content[]): number {
  return contents.reduce((sum, { bytes }) => sum + bytes, 0);
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : "failed";
}
