/**
 * The erofs parser of the WASM core, typed. Bytes go in, numbers and tables come out; what is read,
 * and when, is the business of `format/erofs`.
 *
 * @module
 */

import { type Core, loadCore } from "./instance.ts";

/** Why the core refused bytes. The caller knows where they came from and says so. */
export class ErofsFault extends Error {
  override readonly name = "ErofsFault";
  readonly reason: "damaged" | "truncated" | "unsupported" | "memory";

  constructor(reason: "damaged" | "truncated" | "unsupported" | "memory") {
    super(`erofs bytes refused: ${reason}`);
    this.reason = reason;
  }
}

/** Fields of the superblock, `enum fb_erofs_super_field`. */
export interface RawSuperblock {
  readonly blockBits: number;
  readonly rootNid: number;
  readonly inodes: number;
  readonly buildTime: number;
  readonly blocks: number;
  readonly metaBlock: number;
  readonly featureCompat: number;
  readonly featureIncompat: number;
  readonly algorithms: number;
  readonly extraDevices: number;
  readonly dirBlockBits: number;
  readonly packedNid: number;
  readonly checksum: number;
}

/** Fields of an inode, `enum fb_erofs_inode_field`. */
export interface RawInode {
  readonly extended: boolean;
  readonly layout: number;
  readonly headSize: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly size: number;
  readonly mtime: number;
  readonly u: number;
  readonly uid: number;
  readonly gid: number;
}

/** One entry of a directory block. */
export interface RawDirent {
  readonly nid: number;
  readonly nameOffset: number;
  readonly nameSize: number;
  readonly type: number;
}

/** How a compressed inode is indexed, `struct fb_erofs_map`. */
export interface ErofsMap {
  /** The struct as the core wants it back. */
  readonly raw: Uint8Array;
  readonly lclusters: number;
  readonly lclusterBits: number;
  /** All content is in the packed inode, from `fragmentOffset` on. */
  readonly wholeFragment: boolean;
  readonly fragmentOffset: number;
}

/** `enum fb_erofs_extent_kind` and `enum fb_erofs_extent_flag`. */
export const EXTENT_INTERLACED = 5;
export const EXTENT_FRAGMENT = 2;
export const EXTENT_INLINE = 4;

const EXTENT_SIZE = 32;
const DIRENT_SIZE = 16;
const MAP_SIZE = 72;
const NUMBERS = 16;

/** Extents of consecutive bytes of a file, `struct fb_erofs_extent[]`. */
export class ExtentTable {
  readonly count: number;
  readonly raw: Uint8Array;
  readonly #doubles: Float64Array;
  readonly #words: Uint32Array;

  /** @param raw Starts at byte 0 of its buffer. */
  constructor(raw: Uint8Array) {
    this.count = raw.length / EXTENT_SIZE;
    this.raw = raw;
    this.#doubles = new Float64Array(raw.buffer, 0, this.count * 4);
    this.#words = new Uint32Array(raw.buffer, 0, this.count * 8);
  }

  /** First byte of extent `i` in the file. */
  logical(i: number): number {
    return this.#doubles[i * 4]!;
  }

  /** First byte of extent `i` in the image, or in the packed inode. */
  physical(i: number): number {
    return this.#doubles[i * 4 + 1]!;
  }

  /** Bytes of extent `i` in the file. */
  length(i: number): number {
    return this.#words[i * 8 + 4]!;
  }

  /** Bytes of extent `i` in the image. */
  stored(i: number): number {
    return this.#words[i * 8 + 5]!;
  }

  kind(i: number): number {
    return this.#words[i * 8 + 6]!;
  }

  flags(i: number): number {
    return this.#words[i * 8 + 7]!;
  }

  /** The extent that holds byte `position` of the file; -1 when it starts before this table. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.logical(middle) <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Memory of the core that is taken once, grows as needed and is used by one call at a time. */
class Scratch {
  readonly #core: Core;
  #pointer = 0;
  #size = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Pointer to `size` bytes, whose content is undefined. */
  take(size: number): number {
    if (size > this.#size) {
      if (this.#pointer !== 0) this.#core.free(this.#pointer);
      this.#pointer = this.#size = 0;
      this.#pointer = this.#core.alloc(size);
      this.#size = size;
    }
    return this.#pointer;
  }

  /** Pointer to a copy of `bytes`. */
  put(bytes: Uint8Array): number {
    const pointer = this.take(bytes.length);
    this.#core.view(pointer, bytes.length).set(bytes);
    return pointer;
  }
}

/**
 * The parser on one instance of the core. Every call is synchronous and leaves nothing behind but
 * scratch memory: at most the largest run of extents given to {@linkcode ErofsParser.decode}, as
 * stored and as decoded, and the largest table of extents.
 */
export class ErofsParser {
  readonly core: Core;
  readonly #in: Scratch;
  readonly #out: Scratch;
  readonly #table: Scratch;
  readonly #map: Scratch;
  readonly #numbers: Scratch;

  constructor(core: Core) {
    this.core = core;
    this.#in = new Scratch(core);
    this.#out = new Scratch(core);
    this.#table = new Scratch(core);
    this.#map = new Scratch(core);
    this.#numbers = new Scratch(core);
  }

  /** @param bytes 128 bytes from byte 1024. `undefined`: no erofs. */
  superblock(bytes: Uint8Array): RawSuperblock | undefined {
    const input = this.#in.put(bytes);
    const out = this.#numbers.take(NUMBERS * 8);
    const status = this.core.exports.fb_erofs_super(input, bytes.length, out);
    if (status === UNSUPPORTED) return undefined;
    check(status);
    const n = this.#doubles(out, 13);
    return {
      blockBits: n[0]!,
      rootNid: n[1]!,
      inodes: n[2]!,
      buildTime: n[3]!,
      blocks: n[4]!,
      metaBlock: n[5]!,
      featureCompat: n[6]!,
      featureIncompat: n[7]!,
      algorithms: n[8]!,
      extraDevices: n[9]!,
      dirBlockBits: n[10]!,
      packedNid: n[11]!,
      checksum: n[12]!,
    };
  }

  /** CRC-32C as erofs stores it: started with all ones, not inverted at the end. */
  checksum(bytes: Uint8Array): number {
    return ~this.core.exports.fb_crc32c(
      0,
      this.#in.put(bytes),
      bytes.length,
    ) >>> 0;
  }

  /** @param bytes From the inode on. `undefined`: it has 64 bytes, and `bytes` has fewer. */
  inode(bytes: Uint8Array): RawInode | undefined {
    const input = this.#in.put(bytes);
    const out = this.#numbers.take(NUMBERS * 8);
    const status = this.core.exports.fb_erofs_inode(input, bytes.length, out);
    if (status === TRUNCATED) return undefined;
    check(status);
    const n = this.#doubles(out, 10);
    return {
      extended: n[0] === 1,
      layout: n[1]!,
      headSize: n[2]!,
      mode: n[3]!,
      linkCount: n[4]!,
      size: n[5]!,
      mtime: n[6]!,
      u: n[7]!,
      uid: n[8]!,
      gid: n[9]!,
    };
  }

  /** Entries of one directory block, `.` and `..` among them. */
  dirents(block: Uint8Array): RawDirent[] {
    const input = this.#in.put(block);
    const out = this.#table.take(Math.floor(block.length / 12) * DIRENT_SIZE);
    const count = check(
      this.core.exports.fb_erofs_dirents(input, block.length, out),
    );
    const view = new DataView(
      this.core.memory.buffer,
      out,
      count * DIRENT_SIZE,
    );
    return Array.from({ length: count }, (_, i) => ({
      nid: view.getFloat64(i * DIRENT_SIZE, true),
      nameOffset: view.getUint32(i * DIRENT_SIZE + 8, true),
      nameSize: view.getUint16(i * DIRENT_SIZE + 12, true),
      type: view.getUint16(i * DIRENT_SIZE + 14, true),
    }));
  }

  /** Finds `name` in one block of a directory: its nid, or where else it may be. */
  lookup(
    block: Uint8Array,
    name: Uint8Array,
  ): number | "before" | "after" | "absent" {
    const input = this.#in.take(block.length + name.length);
    this.core.view(input, block.length).set(block);
    this.core.view(input + block.length, name.length).set(name);
    const out = this.#numbers.take(NUMBERS * 8);
    const answer = this.core.exports.fb_erofs_lookup(
      input,
      block.length,
      input + block.length,
      name.length,
      out,
    );
    if (answer === 0) return this.#doubles(out, 1)[0]!;
    if (answer === 3) throw new ErofsFault("damaged");
    return answer === 2 ? "absent" : answer < 0 ? "before" : "after";
  }

  /** @param header The 8 bytes at byte `position` of the image. */
  map(
    header: Uint8Array,
    position: number,
    fileSize: number,
    compact: boolean,
    blockBits: number,
  ): ErofsMap {
    const out = this.#map.take(MAP_SIZE);
    check(
      this.core.exports.fb_erofs_map_header(
        this.#in.put(header),
        position,
        fileSize,
        compact ? 1 : 0,
        blockBits,
        out,
      ),
    );
    const raw = this.core.view(out, MAP_SIZE).slice();
    const view = new DataView(raw.buffer);
    return {
      raw,
      fragmentOffset: view.getFloat64(24, true),
      lclusters: view.getUint32(32, true),
      lclusterBits: view.getUint32(48, true),
      wholeFragment: view.getUint32(68, true) !== 0,
    };
  }

  /** Bytes of the image that hold the index of lclusters `first` to `last` - 1. */
  indexRange(
    map: ErofsMap,
    first: number,
    last: number,
  ): { start: number; end: number } {
    const out = this.#numbers.take(NUMBERS * 8);
    check(
      this.core.exports.fb_erofs_index_range(
        this.#map.put(map.raw),
        first,
        last,
        out,
      ),
    );
    const n = this.#doubles(out, 2);
    return { start: n[0]!, end: n[1]! };
  }

  /**
   * Extents that start in lclusters `first` to `last` - 1.
   *
   * @param index Bytes of the image from `indexStart` on.
   * @returns `undefined`: the last extent ends behind `index`, come with more of it.
   */
  extents(
    map: ErofsMap,
    index: Uint8Array,
    indexStart: number,
    first: number,
    last: number,
  ): ExtentTable | undefined {
    const out = this.#table.take((last - first) * EXTENT_SIZE);
    const count = this.core.exports.fb_erofs_extents(
      this.#map.put(map.raw),
      this.#in.put(index),
      index.length,
      indexStart,
      first,
      last,
      out,
    );
    if (count === TRUNCATED) return undefined;
    const size = check(count) * EXTENT_SIZE;
    return new ExtentTable(this.core.view(out, size).slice());
  }

  /**
   * Decodes extents `first` to `first + count - 1` of `table`, one behind the other.
   *
   * @param stored Bytes of the image from `start` on.
   * @param size Bytes of these extents in the file.
   * @returns A view that is valid until the next call; shorter than `size` when the extent that
   * follows in the table is damaged.
   */
  decode(
    stored: Uint8Array,
    start: number,
    table: ExtentTable,
    first: number,
    count: number,
    size: number,
    zeroPadding: boolean,
    blockBits: number,
  ): { decoded: number; bytes: Uint8Array } {
    const extents = table.raw.subarray(
      first * EXTENT_SIZE,
      (first + count) * EXTENT_SIZE,
    );
    const input = this.#in.put(stored);
    const extentsPointer = this.#table.put(extents);
    const out = this.#out.take(size);
    const decoded = check(
      this.core.exports.fb_erofs_decode(
        input,
        stored.length,
        start,
        extentsPointer,
        count,
        zeroPadding ? 1 : 0,
        blockBits,
        out,
        size,
      ),
    );
    return { decoded, bytes: this.core.view(out, size) };
  }

  #doubles(pointer: number, count: number): Float64Array {
    return new Float64Array(this.core.memory.buffer, pointer, count);
  }
}

const DAMAGED = -1;
const TRUNCATED = -2;
const NO_MEMORY = -4;
const UNSUPPORTED = -5;

/** Gives `status` back when it is no error. */
function check(status: number): number {
  if (status >= 0) return status;
  switch (status) {
    case DAMAGED:
      throw new ErofsFault("damaged");
    case TRUNCATED:
      throw new ErofsFault("truncated");
    case NO_MEMORY:
      throw new ErofsFault("memory");
    case UNSUPPORTED:
      throw new ErofsFault("unsupported");
    default:
      throw new TypeError(
        `Cannot call the erofs parser: status ${status}, bad argument`,
      );
  }
}

let shared: ErofsParser | undefined;

/** The parser on the shared core; a new one when that core has crashed. */
export async function loadErofsParser(): Promise<ErofsParser> {
  const core = await loadCore();
  if (shared?.core !== core) shared = new ErofsParser(core);
  return shared;
}
