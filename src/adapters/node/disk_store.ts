/**
 * Keeps content on disk, on Deno, Bun and Node alike. What lies where and why it is safe stands in
 * docs/FORMATS.md.
 *
 * @module
 */

import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import { join } from "node:path";
import type { ReadOptions } from "../../block/reader.ts";
import { checkCount } from "../../block/range.ts";
import type {
  ContentStore,
  StoredContent,
  StoreKey,
} from "../../block/store.ts";
import { SharedEntries } from "../../block/shared_entries.ts";
import { withoutCredentials } from "../../block/store_name.ts";
import { StoreRoom } from "../../block/store_room.ts";
import { ReadError } from "../../errors.ts";
import type { DiskStoreEntry, EntryHost } from "./disk_store_entry.ts";
import { openEntry } from "./disk_store_open.ts";
import {
  type DiskEntry,
  ENTRIES,
  listEntries,
  makeRoom,
} from "./disk_store_room.ts";
import { systemCode } from "./system_error.ts";

export type { DiskEntry } from "./disk_store_room.ts";

/** Bounds of {@linkcode openDiskStore}. */
export interface DiskStoreOptions {
  /**
   * Most bytes that all entries take together; half of what is free or theirs already when absent,
   * 32 GiB at most. Programs that write at the same time may exceed it by 64 MiB each.
   */
  readonly maxBytes?: number | undefined;
  /** Is told, once for each reason, why nothing more is kept: `store.unusable`, `store.no-room`. */
  readonly onWarning?: ((error: ReadError) => void) | undefined;
  /** Bytes written before they are made to outlast a loss of power; 32 MiB when absent. */
  readonly flushBytes?: number | undefined;
  /** Milliseconds before they are; 2000 when absent. */
  readonly flushMs?: number | undefined;
}

/** What was removed. */
export interface Removed {
  /** Entries. */
  readonly entries: number;
  /** Bytes on disk. */
  readonly removed: number;
  /** Bytes on disk that are left: entries in use are. */
  readonly left: number;
}

/** A store in a folder, and what can be done with all of it. */
export interface DiskStore extends ContentStore {
  readonly folder: string;
  /** All that is kept, used last first. */
  list(): Promise<DiskEntry[]>;
  /**
   * Removes entries, used longest ago first, until all take at most `maxBytes`; the store's own limit
   * when absent. Those that programs use stay.
   */
  prune(maxBytes?: number): Promise<Removed>;
}

const DEFAULT_BYTES = 32 * 2 ** 30;
/** Room that is given away before the folder is looked at again. */
const GRANT_BYTES = 64 << 20;

/**
 * Keeps content in a folder, bounded by bytes.
 *
 * Nothing is touched before the first entry is opened. Any number of programs may use the folder at
 * the same time; entries that are in use are not removed for others. What is damaged is noticed by
 * its check sum, when a program reads it for the first time, and forgotten. When the disk is full or
 * the folder cannot be written, what is kept can be read, and nothing more is kept.
 *
 * Memory: 9 bytes for each 16 KiB of content that is open.
 *
 * @throws {RangeError} when `maxBytes` is no number of bytes. Opening an entry: {@linkcode ReadError}
 * `store.unusable`.
 *
 * @example
 * ```ts
 * import { openDiskStore } from "./disk_store.ts";
 *
 * const store = openDiskStore("/tmp/fastboop-example", { maxBytes: 1 << 30 });
 * console.assert((await store.list()).length >= 0);
 * ```
 */
export function openDiskStore(
  folder: string,
  options: DiskStoreOptions = {},
): DiskStore {
  if (options.maxBytes !== undefined) checkCount("maxBytes", options.maxBytes);
  return new FolderStore(folder, options);
}

class FolderStore implements DiskStore, EntryHost {
  readonly folder: string;
  readonly flushBytes: number;
  readonly flushMs: number;
  readonly #maxBytes: number | undefined;
  readonly #open = new SharedEntries();
  readonly #room: StoreRoom;

  constructor(folder: string, options: DiskStoreOptions) {
    this.folder = folder;
    this.#maxBytes = options.maxBytes;
    this.#room = new StoreRoom(
      {
        limit: () => this.#limit(),
        prune: async (maxBytes) => (await makeRoom(folder, maxBytes)).left,
        noRoom: (bytes, left, limit) => this.#noRoom(bytes, left, limit),
      },
      GRANT_BYTES,
      options.onWarning,
    );
    this.flushBytes = options.flushBytes ?? 32 << 20;
    this.flushMs = options.flushMs ?? 2000;
  }

  open(key: StoreKey, options: ReadOptions = {}): Promise<StoredContent> {
    const sha256 = createHash("sha256").update(key.identity).digest();
    const hash = sha256.toString("hex");
    return this.#open.open(hash, key, () => {
      const name = withoutCredentials(key.name);
      return this.#openEntry(hash, { ...key, name, sha256 });
    }, options);
  }

  async list(): Promise<DiskEntry[]> {
    return await listEntries(this.folder);
  }

  async prune(maxBytes?: number): Promise<Removed> {
    return await makeRoom(this.folder, maxBytes ?? await this.#limit());
  }

  withRoom(bytes: number, write: () => Promise<void>): Promise<boolean> {
    return this.#room.withRoom(bytes, write);
  }

  makeSpace(bytes: number): Promise<boolean> {
    return this.#room.makeSpace(bytes);
  }

  failed(error: unknown): void {
    this.#room.tell(
      new ReadError(
        "store.unusable",
        `Cannot keep more in cache "${this.folder}": ${
          reason(error)
        }; going on without, what is missing is fetched again next time`,
        { facts: { folder: this.folder }, cause: error },
      ),
    );
  }

  async #openEntry(
    hash: string,
    key: StoreKey & { readonly sha256: Uint8Array },
  ): Promise<DiskStoreEntry> {
    try {
      const path = join(this.folder, ENTRIES, hash);
      return await openEntry(path, key, this);
    } catch (cause) {
      const error = new ReadError(
        "store.unusable",
        `Cannot keep "${key.name}" in cache "${this.folder}": ${
          reason(cause)
        }; set FASTBOOP_CACHE to a folder that can be written and has room`,
        { facts: { folder: this.folder, name: key.name }, cause },
      );
      this.#room.tell(error);
      throw error;
    }
  }

  #noRoom(bytes: number, left: number, limit: number): ReadError {
    return new ReadError(
      "store.no-room",
      `Cannot keep ${bytes} bytes more in cache "${this.folder}": found ${left} bytes in use, expected at most ${
        Math.max(0, limit - bytes)
      }; going on without, free some room on its disk`,
      { facts: { folder: this.folder, bytes: left, maxBytes: limit } },
    );
  }

  async #limit(): Promise<number> {
    if (this.#maxBytes !== undefined) return this.#maxBytes;
    try {
      const { bavail, bsize } = await fs.statfs(this.folder);
      const { left } = await makeRoom(this.folder, Infinity);
      return Math.min(DEFAULT_BYTES, (bavail * bsize + left) / 2);
    } catch {
      return DEFAULT_BYTES;
    }
  }
}

function reason(error: unknown): string {
  return systemCode(error) ||
    (error instanceof Error ? error.message : String(error));
}
