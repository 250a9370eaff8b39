/**
 * Entries of a store that are open many times, and closed when the last one leaves.
 *
 * @module
 */

import { ReadError } from "../errors.ts";
import type { ReadOptions } from "./reader.ts";
import type { StoredContent, StoreKey } from "./store.ts";
import { withoutCredentials } from "./store_name.ts";

/** An entry may be given up while it is opened; one that comes back each time cannot be. */
const ATTEMPTS = 10;

/** What a store keeps of one content; open once, whoever uses it. */
export interface StoreEntry {
  /** As of {@linkcode StoredContent}. */
  readonly size: number | undefined;
  /** As of {@linkcode StoredContent}. */
  readonly extentSize: number;
  /** It was given up: the next one who opens it gets a new one. */
  readonly dropped: boolean;
  has(offset: number, size: number): boolean;
  read(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  finish(size: number): Promise<void>;
  drop(): Promise<void>;
  close(): Promise<void>;
}

/** An entry and how many have it open; -1 when it is being closed. */
interface Shared {
  readonly entry: StoreEntry;
  users: number;
}

/** All entries of a store that are open. */
export class SharedEntries {
  readonly #open = new Map<string, Promise<Shared>>();

  /**
   * Gives the content of an entry; with another size than `key` says, it is given up and made anew.
   *
   * @param id Names the entry within the store.
   * @param make Opens the entry, when nobody has it open.
   * @throws {ReadError} `store.unusable` when one of another size cannot be given up
   */
  async open(
    id: string,
    key: StoreKey,
    make: () => Promise<StoreEntry>,
    { signal }: ReadOptions = {},
  ): Promise<StoredContent> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      signal?.throwIfAborted();
      let opening = this.#open.get(id);
      if (opening === undefined) {
        opening = make().then((entry) => ({ entry, users: 0 }));
        this.#open.set(id, opening);
      }
      const forget = () => {
        if (this.#open.get(id) === opening) this.#open.delete(id);
      };
      let shared: Shared;
      try {
        shared = await opening;
      } catch (error) {
        forget();
        throw error;
      }
      const { entry } = shared;
      if (key.size !== undefined && entry.size !== key.size) {
        if (entry.size === undefined) await entry.finish(key.size);
        else await entry.drop();
      }
      if (shared.users < 0 || entry.dropped) {
        forget();
        if (shared.users === 0) {
          shared.users = -1;
          await entry.close();
        }
        continue;
      }
      shared.users++;
      const content = new SharedContent(entry, async () => {
        if (--shared.users > 0) return;
        shared.users = -1;
        forget();
        await entry.close();
      });
      if (signal?.aborted) {
        await content.close();
        throw signal.reason;
      }
      return content;
    }
    const name = withoutCredentials(key.name);
    throw new ReadError(
      "store.unusable",
      `Cannot keep "${name}": found it kept in another size, which cannot be removed, expected ${
        key.size ?? "any"
      } bytes; close other programs that use it`,
      { facts: { name, size: key.size } },
    );
  }
}

/** An entry as one of its users has it. */
class SharedContent implements StoredContent {
  readonly extentSize: number;
  readonly #entry: StoreEntry;
  readonly #leave: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(entry: StoreEntry, leave: () => Promise<void>) {
    this.#entry = entry;
    this.#leave = leave;
    this.extentSize = entry.extentSize;
  }

  get size(): number | undefined {
    return this.#entry.size;
  }

  has(offset: number, size: number): boolean {
    return this.#closing === undefined && this.#entry.has(offset, size);
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<boolean> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) return false;
    return await this.#entry.read(offset, into, signal);
  }

  async write(
    offset: number,
    bytes: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) return;
    await this.#entry.write(offset, bytes);
  }

  async finish(size: number): Promise<void> {
    if (this.#closing === undefined) await this.#entry.finish(size);
  }

  async drop(): Promise<void> {
    await this.#entry.drop();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#leave();
  }
}
