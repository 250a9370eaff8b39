import { checkCount, checkPowerOfTwo } from "./range.ts";
import type { ReadOptions } from "./reader.ts";
import { cutIntoExtents } from "./store_extents.ts";
import type { ContentStore, StoredContent, StoreKey } from "./store.ts";

/** Bounds of {@linkcode memoryStore}. */
export interface MemoryStoreOptions {
  /** Most bytes to keep of all contents together; 256 MiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes kept together, a power of two; 16 KiB when absent. */
  readonly extentSize?: number | undefined;
}

const MAX_BYTES = 256 << 20;
const EXTENT_BYTES = 16 << 10;

/**
 * Keeps content in memory, bounded by bytes, until the program ends.
 *
 * When there is no room, contents that nobody has open make it, those used longest ago first. Where
 * that does not suffice nothing more is kept. Never throws but for a signal.
 *
 * @throws {RangeError} when `extentSize` is not a power of two or `maxBytes` is negative.
 *
 * @example
 * ```ts
 * import { memoryStore } from "./memory_store.ts";
 *
 * const content = await memoryStore().open({ identity: "a:1", name: "a", size: 3 });
 * await content.write(0, Uint8Array.of(1, 2, 3));
 * console.assert(content.has(0, 3));
 * await content.close();
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): ContentStore {
  const extentSize = checkPowerOfTwo(
    "extentSize",
    options.extentSize ?? EXTENT_BYTES,
  );
  const maxBytes = checkCount("maxBytes", options.maxBytes ?? MAX_BYTES);
  const room = new Room(maxBytes);
  return {
    // deno-lint-ignore require-await -- throwing must reject
    async open(
      key: StoreKey,
      { signal }: ReadOptions = {},
    ): Promise<StoredContent> {
      signal?.throwIfAborted();
      return new MemoryContent(room.enter(key), room, extentSize);
    },
  };
}

/** What is kept of one content. */
interface Entry {
  readonly identity: string;
  size: number | undefined;
  bytes: number;
  users: number;
  readonly extents: Map<number, Uint8Array>;
}

/** All that is kept, used longest ago first. */
class Room {
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  enter({ identity, size }: StoreKey): Entry {
    const entry = this.#entries.get(identity) ??
      { identity, size, bytes: 0, users: 0, extents: new Map() };
    entry.size ??= size;
    entry.users++;
    this.#entries.delete(identity);
    this.#entries.set(identity, entry);
    return entry;
  }

  keep(entry: Entry, index: number, bytes: Uint8Array): void {
    if (this.#entries.get(entry.identity) !== entry) return;
    this.forget(entry, index);
    if (!this.#makeRoom(bytes.length)) return;
    entry.extents.set(index, bytes.slice());
    entry.bytes += bytes.length;
    this.#bytes += bytes.length;
  }

  forget(entry: Entry, index: number): void {
    const bytes = entry.extents.get(index);
    if (bytes === undefined) return;
    entry.extents.delete(index);
    entry.bytes -= bytes.length;
    this.#bytes -= bytes.length;
  }

  drop(entry: Entry): void {
    if (this.#entries.get(entry.identity) !== entry) return;
    this.#entries.delete(entry.identity);
    this.#bytes -= entry.bytes;
    entry.bytes = 0;
    entry.extents.clear();
  }

  #makeRoom(size: number): boolean {
    if (size > this.#maxBytes) return false;
    for (const entry of this.#entries.values()) {
      if (this.#bytes + size <= this.#maxBytes) break;
      if (entry.users === 0) this.drop(entry);
    }
    return this.#bytes + size <= this.#maxBytes;
  }
}

class MemoryContent implements StoredContent {
  readonly extentSize: number;
  readonly #entry: Entry;
  readonly #room: Room;
  #closed = false;

  constructor(entry: Entry, room: Room, extentSize: number) {
    this.#entry = entry;
    this.#room = room;
    this.extentSize = extentSize;
  }

  get size(): number | undefined {
    return this.#entry.size;
  }

  has(offset: number, size: number): boolean {
    if (this.#closed) return false;
    for (let at = offset; at < offset + size;) {
      const index = Math.floor(at / this.extentSize);
      const bytes = this.#entry.extents.get(index);
      const end = index * this.extentSize + (bytes?.length ?? 0);
      if (end <= at) return false;
      at = end;
    }
    return true;
  }

  // deno-lint-ignore require-await -- throwing must reject
  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<boolean> {
    signal?.throwIfAborted();
    if (!this.has(offset, into.length)) return false;
    for (let done = 0; done < into.length;) {
      const index = Math.floor((offset + done) / this.extentSize);
      const from = offset + done - index * this.extentSize;
      const bytes = this.#entry.extents.get(index)!
        .subarray(from, from + into.length - done);
      into.set(bytes, done);
      done += bytes.length;
    }
    return true;
  }

  // deno-lint-ignore require-await -- throwing must reject
  async write(
    offset: number,
    bytes: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closed) return;
    const parts = cutIntoExtents(offset, bytes, this.extentSize);
    for (const { index, bytes } of parts) {
      this.#room.keep(this.#entry, index, bytes);
    }
  }

  finish(size: number): Promise<void> {
    this.#entry.size = size;
    return Promise.resolve();
  }

  drop(): Promise<void> {
    this.#room.drop(this.#entry);
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (!this.#closed) this.#entry.users--;
    this.#closed = true;
    return Promise.resolve();
  }
}
