/**
 * Decoded pages in a store, for when they have left memory.
 *
 * @module
 */
import type {
  ContentStore,
  StoredContent,
  StoreKey,
} from "../../block/store.ts";

/** Pages on their way to the store; more are let go, the store must not slow the decoder down. */
const MAX_WRITES = 32;

/** Best effort throughout: a page that cannot be kept is decoded again. */
export class KeptPages {
  readonly #store: ContentStore;
  readonly #key: StoreKey;
  #opening: Promise<StoredContent | undefined> | undefined;
  readonly #writes = new Set<Promise<void>>();

  constructor(store: ContentStore, key: StoreKey) {
    this.#store = store;
    this.#key = key;
  }

  /** `length` bytes from byte `offset` of the content, when they are kept. */
  async read(
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const content = await this.#open();
    if (content === undefined || !content.has(offset, length)) return undefined;
    const bytes = new Uint8Array(length);
    return await content.read(offset, bytes, { signal }) ? bytes : undefined;
  }

  /** Keeps a page if it begins and ends where extents do. `bytes` must not change. */
  keep(offset: number, bytes: Uint8Array): void {
    if (this.#writes.size >= MAX_WRITES) return;
    const work = this.#write(offset, bytes).catch(() => {});
    this.#writes.add(work);
    void work.finally(() => this.#writes.delete(work));
  }

  /** Gives up what was kept: some of it proved to be wrong. */
  async drop(): Promise<void> {
    await Promise.all(this.#writes);
    const content = await this.#open();
    await content?.drop();
  }

  async close(): Promise<void> {
    await Promise.all(this.#writes);
    await (await this.#opening)?.close();
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const content = await this.#open();
    if (content === undefined) return;
    const { extentSize } = content;
    const end = offset + bytes.length;
    const fits = offset % extentSize === 0 &&
      (end % extentSize === 0 || end === this.#key.size);
    if (fits && !content.has(offset, bytes.length)) {
      await content.write(offset, bytes);
    }
  }

  #open(): Promise<StoredContent | undefined> {
    return this.#opening ??= this.#store.open(this.#key).then(
      async (content) => {
        if (content.size === this.#key.size) return content;
        await content.close();
        return undefined;
      },
      () => undefined,
    );
  }
}
