import { clampRead } from "../../block/range.ts";
import { fillExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import {
  type ErofsMap,
  EXTENT_FRAGMENT,
  EXTENT_INLINE,
  EXTENT_INTERLACED,
  type ExtentTable,
} from "../../wasm/erofs.ts";
import {
  checkRange,
  EROFS_INODE_COMPRESSED_COMPACT,
  erofsError,
  type ErofsImage,
  type ErofsInode,
  parsing,
  readMetadata,
} from "./image.ts";
import { StoredAhead } from "./stored_ahead.ts";

/** Lclusters whose extents are parsed together: 16 to 64 KiB of index, up to 256 KiB of table. */
const WINDOW_LCLUSTERS = 8192;
/** Tables kept by one open file. */
const MAX_WINDOWS = 4;
/** More index than the window's own, to see where its last extent ends; grows as needed. */
const LOOK_AHEAD_LCLUSTERS = 32;
/** One read and one call of the core take extents up to these sizes, or a single larger one. */
const MAX_RUN_STORED = 1 << 20;
const MAX_RUN_DECODED = 4 << 20;
const MAP_HEADER_SIZE = 8;

/** Extents of one file that are read and decoded together. */
interface Run {
  readonly count: number;
  /** Bytes in the file. */
  readonly size: number;
  /** Range in the image. */
  readonly start: number;
  readonly end: number;
}

/** Content that is stored in compressed extents. Reads nothing until it is read. */
export function openCompressed(
  image: ErofsImage,
  inode: ErofsInode,
): BlockReader {
  return new CompressedReader(image, inode);
}

class CompressedReader implements BlockReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly #image: ErofsImage;
  readonly #inode: ErofsInode;
  readonly #what: string;
  /** Least recently used first. */
  readonly #windows = new Map<number, ExtentTable>();
  #map: ErofsMap | undefined;

  constructor(image: ErofsImage, inode: ErofsInode) {
    this.blockSize = 2 ** image.superblock.blockBits;
    this.size = inode.size;
    this.name = image.data.name;
    this.identity = `${image.data.identity}#${inode.number}`;
    this.#image = image;
    this.#inode = inode;
    this.#what = `inode ${inode.number}`;
  }

  async read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options?.signal?.throwIfAborted();
    if (count === 0) return 0;
    const wanted = into.subarray(0, count);
    const map = this.#map ??= await this.#readMap(options);
    if (map.wholeFragment) {
      await this.#readFragment(map.fragmentOffset + offset, wanted, options);
      return count;
    }
    const ahead = new StoredAhead(this.#image.data, options);
    try {
      let done = 0;
      while (done < count) {
        const position = offset + done;
        const table = await this.#tableAt(map, position, options);
        const first = table.indexOf(position);
        done += await this.#readExtents(
          table,
          first,
          position,
          wanted.subarray(done),
          ahead,
          options,
        );
      }
    } finally {
      ahead.close();
    }
    return count;
  }

  /** Fills the start of `into` from byte `position`, which lies in extent `i`; gives the bytes. */
  async #readExtents(
    table: ExtentTable,
    i: number,
    position: number,
    into: Uint8Array,
    ahead: StoredAhead,
    options?: ReadOptions,
  ): Promise<number> {
    const skip = position - table.logical(i);
    const inFirst = Math.min(into.length, table.length(i) - skip);
    if (skip >= table.length(i)) {
      throw this.#damaged(position, "no extent holds it");
    }
    if (table.flags(i) & EXTENT_FRAGMENT) {
      const part = into.subarray(0, inFirst);
      await this.#readFragment(table.physical(i) + skip, part, options);
      return inFirst;
    }
    const kept = this.#kept(table, i);
    if (kept !== undefined) {
      into.set(kept.subarray(skip, skip + inFirst));
      return inFirst;
    }
    const run = this.#runFrom(table, i, skip + into.length);
    checkRange(this.#image, this.#what, run.start, run.end - run.start);
    const inlined = (table.flags(i) & EXTENT_INLINE) !== 0;
    const stored = inlined
      ? await readMetadata(this.#image, run.start, run.end - run.start, options)
      : await ahead.take(
        run,
        this.#runsUntil(table, i + run.count, position + into.length),
      );
    const count = Math.min(into.length, run.size - skip);
    // another read may have decoded the same extent while this one waited
    const keptNow = run.count === 1 ? this.#kept(table, i) : undefined;
    if (keptNow !== undefined) into.set(keptNow.subarray(skip, skip + count));
    else this.#decode(table, i, run, stored, skip, into.subarray(0, count));
    return count;
  }

  /**
   * Decodes `run` and copies its bytes from `skip` on to `into`. Extents at its ends of which only a
   * part was wanted are kept: the next read will most likely want the rest.
   */
  #decode(
    table: ExtentTable,
    first: number,
    run: Run,
    stored: Uint8Array,
    skip: number,
    into: Uint8Array,
  ): void {
    const { parser, superblock, decoded } = this.#image;
    const { blockBits, zeroPadding } = superblock;
    const result = parsing(
      this.#image,
      this.#what,
      run.start,
      () =>
        parser.decode(
          stored,
          run.start,
          table,
          first,
          run.count,
          run.size,
          zeroPadding,
          blockBits,
        ),
    );
    if (result.decoded < run.count) {
      const bad = first + result.decoded;
      throw this.#damaged(
        table.logical(bad),
        `the ${table.stored(bad)} bytes stored at ${
          table.physical(bad)
        } do not decode`,
      );
    }
    into.set(result.bytes.subarray(skip, skip + into.length));
    if (skip > 0 || into.length < table.length(first)) {
      decoded.set(
        this.#key(table, first),
        result.bytes.slice(0, table.length(first)),
      );
    }
    const last = first + run.count - 1;
    if (last > first && skip + into.length < run.size) {
      decoded.set(
        this.#key(table, last),
        result.bytes.slice(run.size - table.length(last)),
      );
    }
  }

  /** The extents from `first` on that hold `size` bytes and are stored one behind the other. */
  #runFrom(table: ExtentTable, first: number, size: number): Run {
    const start = table.physical(first);
    let end = start + table.stored(first);
    let total = table.length(first);
    let next = first + 1;
    if (table.flags(first) & EXTENT_INLINE) {
      return { count: 1, size: total, start, end };
    }
    for (; next < table.count && total < size; next++) {
      if (table.flags(next) & (EXTENT_FRAGMENT | EXTENT_INLINE)) break;
      const at = table.physical(next);
      const nextEnd = at + table.stored(next);
      // behind the last one or, where extents share a pcluster, within what is read already
      if (at < start || at > end) break;
      if (Math.max(end, nextEnd) - start > MAX_RUN_STORED) break;
      if (total + table.length(next) > MAX_RUN_DECODED) break;
      if (this.#kept(table, next) !== undefined) break;
      end = Math.max(end, nextEnd);
      total += table.length(next);
    }
    return { count: next - first, size: total, start, end };
  }

  /** The runs from extent `next` on that a read up to byte `until` of the file will come to. */
  *#runsUntil(
    table: ExtentTable,
    next: number,
    until: number,
  ): Generator<Run> {
    while (next < table.count && table.logical(next) < until) {
      if (table.flags(next) & (EXTENT_FRAGMENT | EXTENT_INLINE)) return;
      if (this.#kept(table, next) !== undefined) return;
      const run = this.#runFrom(table, next, until - table.logical(next));
      // what lies outside the image is an error when the read comes there
      if (run.end > this.#image.data.size) return;
      yield run;
      next += run.count;
    }
  }

  #kept(table: ExtentTable, i: number): Uint8Array | undefined {
    return this.#image.decoded.get(this.#key(table, i), table.length(i));
  }

  /**
   * Where an extent is stored and how: a damaged index may name one place in two ways. An interlaced
   * one is rotated by its place in the file, so that belongs to its name.
   */
  #key(table: ExtentTable, i: number): string | number {
    const kind = table.kind(i);
    const name = table.physical(i) * 8 + kind; // below 2^51
    return kind === EXTENT_INTERLACED
      ? `${name}+${table.logical(i) % this.blockSize}`
      : name;
  }

  async #readFragment(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    if (this.#inode.number === this.#image.superblock.packedNid) {
      throw this.#damaged(
        0,
        "the inode that holds fragments is a fragment itself",
      );
    }
    const packed = await this.#image.packed(options);
    if (offset + into.length > packed.size) {
      throw this.#damaged(
        0,
        `fragment at bytes ${offset} to ${
          offset + into.length
        } of ${packed.size}`,
      );
    }
    await fillExactly(packed, offset, into, options);
  }

  async #readMap(options?: ReadOptions): Promise<ErofsMap> {
    const { layout, headEnd, size } = this.#inode;
    const position = Math.ceil(headEnd / 8) * 8;
    checkRange(this.#image, this.#what, position, MAP_HEADER_SIZE);
    const header = await readMetadata(
      this.#image,
      position,
      MAP_HEADER_SIZE,
      options,
    );
    const compact = layout === EROFS_INODE_COMPRESSED_COMPACT;
    const { blockBits } = this.#image.superblock;
    return parsing(
      this.#image,
      this.#what,
      position,
      () => this.#image.parser.map(header, position, size, compact, blockBits),
    );
  }

  /** The table that holds the extent of byte `position`. */
  async #tableAt(
    map: ErofsMap,
    position: number,
    options?: ReadOptions,
  ): Promise<ExtentTable> {
    const lcluster = Math.floor(position / 2 ** map.lclusterBits);
    // an extent may start windows before, where the content compresses well
    for (
      let window = Math.floor(lcluster / WINDOW_LCLUSTERS);
      window >= 0;
      window--
    ) {
      const table = await this.#window(map, window, options);
      if (table.indexOf(position) >= 0) return table;
    }
    throw this.#damaged(position, "no extent holds it");
  }

  async #window(
    map: ErofsMap,
    window: number,
    options?: ReadOptions,
  ): Promise<ExtentTable> {
    const known = this.#windows.get(window);
    if (known !== undefined) return known;
    const { parser } = this.#image;
    const first = window * WINDOW_LCLUSTERS;
    const last = Math.min(first + WINDOW_LCLUSTERS, map.lclusters);
    for (let ahead = LOOK_AHEAD_LCLUSTERS;; ahead *= 8) {
      const until = Math.min(last + ahead, map.lclusters);
      const { start, end } = parser.indexRange(map, first, until);
      checkRange(this.#image, this.#what, start, end - start);
      const index = await readMetadata(
        this.#image,
        start,
        end - start,
        options,
      );
      const table = parsing(
        this.#image,
        this.#what,
        start,
        () => parser.extents(map, index, start, first, last),
      );
      if (table !== undefined) {
        this.#windows.set(window, table);
        for (const oldest of this.#windows.keys()) {
          if (this.#windows.size <= MAX_WINDOWS) break;
          this.#windows.delete(oldest);
        }
        return table;
      }
      if (until === map.lclusters) {
        throw this.#damaged(first, "its index has no end");
      }
    }
  }

  #damaged(position: number, found: string): Error {
    return erofsError(
      this.#image,
      "erofs.damaged",
      `byte ${position} of ${this.#what}`,
      found,
      { inode: this.#inode.number, position },
    );
  }
}
