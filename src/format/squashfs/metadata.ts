/**
 * Metadata: rows of blocks of 8 KiB, each stored behind two bytes that say how, read as one stream.
 *
 * @module
 */

import { type CachedReader, withCache } from "../../block/cache.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import type { ErrorFacts, FormatError } from "../../errors.ts";
import { Recent } from "../../fs/recent.ts";
import type { StoredBlockDecoder } from "../../wasm/stored_block.ts";
import { type BlockCodec, BlockFault } from "./codec.ts";
import { damaged, type MetadataPlace, squashfsError } from "./image.ts";

/** `SQUASHFS_METADATA_SIZE` */
export const METADATA_SIZE = 8192;
/** Set where a block is stored as it is. */
const UNCOMPRESSED = 0x8000;
/** What is fetched together: about 20 blocks. */
const PAGE_SIZE = 64 << 10;

/** Blocks that belong together, from byte `start` of the image; none reaches beyond `end`. */
export interface MetadataTable {
  /** What messages call it. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

interface MetadataBlock {
  /** Decoded; must not be written to. */
  readonly bytes: Uint8Array;
  /** Byte of the image behind it, where the next one starts. */
  readonly next: number;
}

/** Reads metadata of one image; what was read last is kept, as stored and as decoded. */
export class MetadataReader {
  /** The image in cached pages. */
  readonly pages: CachedReader;
  readonly #image: { readonly reader: BlockReader };
  readonly #codec: BlockCodec;
  readonly #kept: Recent<number, MetadataBlock>;
  #decoder: StoredBlockDecoder | undefined;

  /** @param maxBytes Most bytes kept, half of them as stored. */
  constructor(reader: BlockReader, codec: BlockCodec, maxBytes: number) {
    this.#image = { reader };
    this.#codec = codec;
    this.pages = withCache(reader, {
      pageSize: PAGE_SIZE,
      maxBytes: maxBytes / 2,
    });
    this.#kept = new Recent(Math.floor(maxBytes / 2 / METADATA_SIZE));
  }

  /** A cursor that begins at `place` of `table`. */
  cursor(table: MetadataTable, place: MetadataPlace): MetadataCursor {
    return new MetadataCursor(this, table, place);
  }

  /** The block at byte `at` of the image. */
  block(
    table: MetadataTable,
    at: number,
    options?: ReadOptions,
  ): MetadataBlock | Promise<MetadataBlock> {
    return this.#kept.get(at) ?? this.#load(table, at, options);
  }

  /** An error about metadata. */
  damaged(
    table: MetadataTable,
    at: number,
    found: string,
    facts: ErrorFacts = {},
  ): FormatError {
    const what = `${table.name} at byte ${at}`;
    return damaged(this.#image, what, found, { position: at, ...facts });
  }

  async #load(
    table: MetadataTable,
    at: number,
    options?: ReadOptions,
  ): Promise<MetadataBlock> {
    if (at < table.start || at + 2 > table.end) {
      throw this.damaged(
        table,
        at,
        `a block is said to be there, expected it in bytes ${table.start} to ${table.end}`,
        { start: table.start, end: table.end },
      );
    }
    const most = Math.min(2 + METADATA_SIZE, table.end - at);
    const stored = this.pages.readCached(at, most) ??
      await readExactly(this.pages, at, most, options);
    const header = stored[0]! | (stored[1]! << 8);
    const size = header & ~UNCOMPRESSED;
    if (size === 0 || size > most - 2) {
      throw this.damaged(
        table,
        at,
        `its block is said to take ${size} bytes, expected 1 to ${most - 2}`,
        { size },
      );
    }
    const body = stored.subarray(2, 2 + size);
    const bytes = header & UNCOMPRESSED
      ? body.slice()
      : await this.#decode(table, at, body, options);
    if (bytes.length === 0) {
      throw this.damaged(table, at, "its block holds nothing");
    }
    const block = { bytes, next: at + 2 + size };
    this.#kept.set(at, block);
    return block;
  }

  async #decode(
    table: MetadataTable,
    at: number,
    stored: Uint8Array,
    options?: ReadOptions,
  ): Promise<Uint8Array> {
    if (this.#decoder === undefined || this.#decoder.core.crashed) {
      this.#decoder = await this.#codec.load();
    }
    const now = this.#codec.decodeNow(this.#decoder, stored, METADATA_SIZE);
    if (now !== undefined) return now.slice();
    try {
      return await this.#codec.decode(stored, METADATA_SIZE, options);
    } catch (error) {
      if (!(error instanceof BlockFault)) throw error;
      throw blockError(this.#image, `${table.name} at byte ${at}`, at, error);
    }
  }
}

/** The error about a block stored at byte `at` that was refused. */
export function blockError(
  image: { readonly reader: BlockReader },
  what: string,
  at: number,
  fault: BlockFault,
): FormatError {
  const [code, found] = fault.unsupported
    ? [
      "squashfs.unsupported-feature",
      `the block stored at byte ${at} uses a filter that is not built in`,
    ] as const
    : [
      "squashfs.damaged",
      `the block stored at byte ${at} does not decode`,
    ] as const;
  return squashfsError(
    image,
    code,
    what,
    found,
    { position: at },
    fault.cause,
  );
}

/** Reads on and on, over the ends of blocks. */
export class MetadataCursor {
  readonly #reader: MetadataReader;
  readonly #table: MetadataTable;
  #at: number;
  #offset: number;
  #block: MetadataBlock | undefined;

  constructor(
    reader: MetadataReader,
    table: MetadataTable,
    place: MetadataPlace,
  ) {
    this.#reader = reader;
    this.#table = table;
    this.#at = place.block;
    this.#offset = place.offset;
  }

  /** Where the next byte is, or the end of the block before it. */
  get place(): MetadataPlace {
    return { block: this.#at, offset: this.#offset };
  }

  /** The next `size` bytes if they lie in the block at hand. Must not be written to. */
  tryTake(size: number): Uint8Array | undefined {
    const block = this.#block;
    const end = this.#offset + size;
    if (block === undefined || end > block.bytes.length) return undefined;
    const bytes = block.bytes.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  /** The next `size` bytes. Must not be written to. */
  async take(size: number, options?: ReadOptions): Promise<Uint8Array> {
    await this.#ready(options);
    const whole = this.tryTake(size);
    if (whole !== undefined) return whole;
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size;) {
      const block = await this.#ready(options);
      const from = this.#offset;
      const part = block.bytes.subarray(from, from + size - done);
      bytes.set(part, done);
      done += part.length;
      this.#offset += part.length;
    }
    return bytes;
  }

  /** Passes over `size` bytes. */
  async skip(size: number, options?: ReadOptions): Promise<void> {
    for (let left = size; left > 0;) {
      const block = await this.#ready(options);
      const step = Math.min(left, block.bytes.length - this.#offset);
      this.#offset += step;
      left -= step;
    }
  }

  /** The block that holds the next byte. */
  async #ready(options?: ReadOptions): Promise<MetadataBlock> {
    const block = this.#block ??= await this.#reader.block(
      this.#table,
      this.#at,
      options,
    );
    const { length } = block.bytes;
    if (this.#offset < length) return block;
    if (this.#offset > length) {
      throw this.#reader.damaged(
        this.#table,
        this.#at,
        `something is said to be at byte ${this.#offset} of a block of ${length}`,
        { offset: this.#offset, length },
      );
    }
    this.#at = block.next;
    this.#offset = 0;
    return this.#block = await this.#reader.block(
      this.#table,
      this.#at,
      options,
    );
  }
}
