/**
 * The database of kept downloads: two tables, one of contents, one of their extents.
 *
 * Extents and what is known of them change in one transaction, so a page may end at any moment.
 * Each entry that is open holds a lock that the browser lets go when the page ends.
 *
 * @module
 */

/** One content, as it is known. */
export interface Content {
  /** SHA-256 of its identity, in hex. */
  readonly hash: string;
  /** Of its extents: another one each time the entry is made. */
  readonly id: string;
  readonly name: string;
  readonly size: number | undefined;
  readonly extentSize: number;
  /** Bytes that are kept. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
}

/** One extent; its key is id and index. */
export interface Extent {
  readonly index: number;
  /** CRC-32 of its bytes. */
  readonly sum: number;
  readonly bytes: Uint8Array;
}

const CONTENTS = "contents";
const EXTENTS = "extents";
const VERSION = 1;

/** The database, opened when it is first used. */
export class ContentDatabase {
  readonly #name: string;
  #opening: Promise<IDBDatabase> | undefined;
  #closed = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** All contents, used longest ago first. */
  async contents(): Promise<Content[]> {
    const transaction = await this.#begin("readonly");
    const all: Content[] = await result(
      transaction.objectStore(CONTENTS).getAll(),
    );
    return all.sort((a, b) => a.usedAt - b.usedAt);
  }

  /** What is known of a content, made when nothing is; used now. */
  async enter(made: Content): Promise<Content> {
    const transaction = await this.#begin("readwrite");
    const table = transaction.objectStore(CONTENTS);
    const found: Content | undefined = await result(table.get(made.hash));
    const content = { ...found ?? made, usedAt: made.usedAt };
    table.put(content);
    await done(transaction);
    return content;
  }

  /** Indexes of the extents that are kept, and the length of the last one. */
  async kept({ id }: Content): Promise<{ indexes: number[]; last: number }> {
    const transaction = await this.#begin("readonly");
    const table = transaction.objectStore(EXTENTS);
    const keys = await result(table.getAllKeys(rangeOf(id)));
    const indexes = keys.map(indexOf);
    const end = indexes.at(-1);
    if (end === undefined) return { indexes, last: 0 };
    const extent: Extent = await result(table.get([id, end]));
    return { indexes, last: extent.bytes.length };
  }

  /** Extents from `first` to `last`, as far as they are there. */
  async read({ id }: Content, first: number, last: number): Promise<Extent[]> {
    const transaction = await this.#begin("readonly");
    const table = transaction.objectStore(EXTENTS);
    return await result(table.getAll(rangeOf(id, first, last)));
  }

  /** Keeps extents, unless the content is not there any more: `false` then. */
  async write(
    { id, hash }: Content,
    extents: readonly Extent[],
  ): Promise<boolean> {
    const transaction = await this.#begin("readwrite");
    const table = transaction.objectStore(CONTENTS);
    const content: Content | undefined = await result(table.get(hash));
    if (content?.id !== id) return false;
    // another page may have kept some since this one looked
    const indexes = extents.map(({ index }) => index);
    const range = rangeOf(id, Math.min(...indexes), Math.max(...indexes));
    const stored = transaction.objectStore(EXTENTS);
    const there = new Set(
      (await result(stored.getAllKeys(range))).map(indexOf),
    );
    let { bytes } = content;
    try {
      for (const extent of extents) {
        stored.put(extent, [id, extent.index]);
        if (!there.has(extent.index)) bytes += extent.bytes.length;
      }
      table.put({ ...content, bytes });
    } catch (error) {
      transaction.abort();
      throw error;
    }
    await done(transaction);
    return true;
  }

  /** Removes one extent. */
  async forget({ id, hash }: Content, index: number): Promise<void> {
    const transaction = await this.#begin("readwrite");
    const extents = transaction.objectStore(EXTENTS);
    const extent: Extent | undefined = await result(extents.get([id, index]));
    if (extent === undefined) return;
    extents.delete([id, index]);
    await this.#change(transaction, hash, id, (content) => ({
      bytes: content.bytes - extent.bytes.length,
    }));
  }

  /** States the size, or how much is kept. */
  async update(
    { id, hash }: Content,
    facts: Partial<Pick<Content, "size" | "bytes">>,
  ): Promise<void> {
    const transaction = await this.#begin("readwrite");
    await this.#change(transaction, hash, id, () => facts);
  }

  /** Removes a content and its extents. */
  async remove({ id, hash }: Content): Promise<void> {
    const transaction = await this.#begin("readwrite");
    const table = transaction.objectStore(CONTENTS);
    const content: Content | undefined = await result(table.get(hash));
    if (content?.id === id) table.delete(hash);
    transaction.objectStore(EXTENTS).delete(rangeOf(id));
    await done(transaction);
  }

  /** Removes a content that no page has open; `false` when one has. */
  async removeUnused(content: Content): Promise<boolean> {
    return await navigator.locks.request(
      this.#lockOf(content.hash),
      { mode: "exclusive", ifAvailable: true },
      async (lock) => {
        if (lock !== null) await this.remove(content);
        return lock !== null;
      },
    );
  }

  /**
   * Holds a content, so that no page removes it.
   *
   * @returns Lets it go.
   */
  async hold(hash: string): Promise<() => Promise<void>> {
    let release = () => {};
    let released: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve, reject) => {
      released = navigator.locks.request(
        this.#lockOf(hash),
        { mode: "shared" },
        () => {
          resolve();
          return new Promise<void>((end) => release = end);
        },
      ).catch(reject);
    });
    return async () => {
      release();
      await released;
    };
  }

  /** Closes it; it cannot be used any more. */
  async close(): Promise<void> {
    this.#closed = true;
    (await this.#opening?.catch(() => undefined))?.close();
  }

  async #change(
    transaction: IDBTransaction,
    hash: string,
    id: string,
    facts: (content: Content) => Partial<Content>,
  ): Promise<void> {
    const table = transaction.objectStore(CONTENTS);
    const content: Content | undefined = await result(table.get(hash));
    if (content?.id === id) table.put({ ...content, ...facts(content) });
    await done(transaction);
  }

  async #begin(mode: IDBTransactionMode): Promise<IDBTransaction> {
    const database = await (this.#opening ??= this.#open());
    // what is lost when the power goes is fetched again
    const options = { durability: "relaxed" } as const;
    return database.transaction([CONTENTS, EXTENTS], mode, options);
  }

  async #open(): Promise<IDBDatabase> {
    if (this.#closed) throw new Error("it is closed");
    const request = indexedDB.open(this.#name, VERSION);
    request.onupgradeneeded = () => {
      const { result: database } = request;
      for (const name of [...database.objectStoreNames]) {
        database.deleteObjectStore(name);
      }
      database.createObjectStore(CONTENTS, { keyPath: "hash" });
      database.createObjectStore(EXTENTS);
    };
    try {
      const database = await result(request);
      // another page wants it in a later version, or gone; or the browser took it
      database.onversionchange = () => database.close();
      database.onclose = () => this.#opening = undefined;
      return database;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  #lockOf(hash: string): string {
    return `${this.#name}:${hash}`;
  }
}

function rangeOf(id: string, first = 0, last = Infinity): IDBKeyRange {
  return IDBKeyRange.bound([id, first], [id, last]);
}

/** Index of an extent, out of its key. */
function indexOf(key: IDBValidKey): number {
  return (key as [string, number])[1];
}

/** What a request gives. */
function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The end of a transaction; it rejects with `QuotaExceededError` when there is no room. */
function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
