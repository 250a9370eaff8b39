/**
 * The contract of what keeps bytes that cost much to get, such as downloads: on disk, in a browser, or
 * in memory. {@linkcode ContentStore} is what adapters implement, `with_store.ts` and `spool.ts` are
 * what use it.
 *
 * @module
 */

import type { ReadOptions } from "./reader.ts";

/** What an entry is known by. */
export interface StoreKey {
  /** Names the content, as that of a reader does: what is kept under it never changes. */
  readonly identity: string;
  /** What people call it, for listings: a path or a link, without credentials. */
  readonly name: string;
  /** Bytes in all; absent when only the end of the work that makes them will tell. */
  readonly size?: number | undefined;
}

/** Keeps content between runs. May be shared by programs that run at the same time. */
export interface ContentStore {
  /**
   * Opens the entry of `key`, empty when there was none. The same entry may be open many times.
   *
   * @throws {ReadError} `store.unusable` when there is no place to keep it
   */
  open(key: StoreKey, options?: ReadOptions): Promise<StoredContent>;
}

/** Bytes of one content, as far as they are kept. */
export interface StoredContent {
  /** Bytes in all; `undefined` until {@linkcode StoredContent.finish} when it was not known. */
  readonly size: number | undefined;
  /** Bytes that are kept, verified and lost together, a power of two. */
  readonly extentSize: number;
  /** Whether every extent that bytes `offset` to `offset + size` touch is kept, as far as is known. */
  has(offset: number, size: number): boolean;
  /**
   * Fills `into` from byte `offset`.
   *
   * @returns `false` when not all of it is kept, or what is kept fails its check sum: such extents
   * are forgotten, and {@linkcode StoredContent.has} tells so from then on. `into` is undefined then.
   */
  read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<boolean>;
  /**
   * Keeps `bytes` from byte `offset`, a multiple of `extentSize`; only the last extent of the content
   * may be shorter. Best effort: when there is no room it keeps nothing and `has` stays `false`.
   */
  write(
    offset: number,
    bytes: Uint8Array,
    options?: ReadOptions,
  ): Promise<void>;
  /** States the size, once all bytes are written, of content that was opened without one. */
  finish(size: number): Promise<void>;
  /** Gives up what is kept: the content is no longer what its identity said. */
  drop(): Promise<void>;
  /** Lets what was written outlast the program, and releases what is held. Twice is fine. */
  close(): Promise<void>;
}

/** Work that fetches or decodes content from its start, as it goes on. */
export interface SpoolProgress {
  /** What people call the content. */
  readonly name: string;
  /** Bytes so far, of the content. */
  readonly done: number;
  /** Bytes in all, when known. */
  readonly size?: number | undefined;
}

/** What openers take whose content can only be read from its start to its end. */
export interface SpoolOptions extends ReadOptions {
  /** Where what was read on the way is kept; memory, bounded, when absent. */
  readonly store?: ContentStore | undefined;
  /** Is told how far the work is, at most ten times a second. */
  readonly onProgress?: ((progress: SpoolProgress) => void) | undefined;
}
