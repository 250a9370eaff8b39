import type { ReadOptions } from "../../block/reader.ts";
import { Recent } from "../../fs/recent.ts";
import {
  damaged,
  type MetadataPlace,
  type SquashfsImage,
  type SquashfsInode,
} from "./image.ts";

/** Blocks whose sizes are read together: 16 KiB of metadata. */
const WINDOW = 4096;
/** Windows kept by one open file. */
const MAX_WINDOWS = 8;

/** Set in a size where the block is stored as it is. `SQUASHFS_COMPRESSED_BIT_BLOCK` */
const UNCOMPRESSED = 1 << 24;

/** How a block is stored. */
export interface StoredBlock {
  /** Byte of the image. */
  readonly start: number;
  /** Bytes in the image; 0 is a hole. */
  readonly size: number;
  readonly compressed: boolean;
}

/** Takes a size apart, as lists of blocks and tables of fragments have it. */
export function storedBlock(
  image: SquashfsImage,
  what: string,
  start: number,
  word: number,
): StoredBlock {
  const size = word & (UNCOMPRESSED - 1);
  const compressed = (word & UNCOMPRESSED) === 0;
  const { blockSize, imageSize } = image.superblock;
  if (word >>> 25 !== 0 || size > blockSize || start + size > imageSize) {
    throw damaged(
      image,
      what,
      `a block is said to take ${size} bytes (0x${
        word.toString(16)
      }) at byte ${start}, expected at most ${blockSize} within ${imageSize}`,
      { position: start, size, word },
    );
  }
  return { start, size, compressed };
}

/** Some blocks of a file, one behind the other. */
class Window {
  readonly first: number;
  readonly words: Uint32Array;
  /** Byte of the image of each block, and of what is behind the last one. */
  readonly starts: Float64Array;

  constructor(first: number, words: Uint32Array, start: number) {
    this.first = first;
    this.words = words;
    this.starts = new Float64Array(words.length + 1);
    for (const [i, word] of words.entries()) {
      this.starts[i] = start;
      start += word & (UNCOMPRESSED - 1);
    }
    this.starts[words.length] = start;
  }
}

/** Where a window begins: its sizes, and the first of its blocks. */
interface Mark {
  readonly place: MetadataPlace;
  readonly start: number;
}

/**
 * The blocks of one file.
 *
 * A block starts where the sizes of all before it add up to, so the list is read from its front; what
 * is remembered for good is only where each window of it begins.
 */
export class BlockList {
  /** Blocks in all. */
  readonly count: number;
  readonly #image: SquashfsImage;
  readonly #inode: SquashfsInode;
  readonly #marks: Mark[];
  readonly #windows = new Recent<number, Window>(MAX_WINDOWS);

  constructor(image: SquashfsImage, inode: SquashfsInode) {
    const { blockSize } = image.superblock;
    const blocks = inode.size / blockSize;
    this.count = inode.fragment === undefined
      ? Math.ceil(blocks)
      : Math.floor(blocks);
    this.#image = image;
    this.#inode = inode;
    this.#marks = [{ place: inode.tail, start: inode.blocksStart ?? 0 }];
  }

  /** The blocks from `first` up to `end`, fewer where they cross the end of a window; at least one. */
  async blocks(
    first: number,
    end: number,
    options?: ReadOptions,
  ): Promise<StoredBlock[]> {
    const window = await this.#window(Math.floor(first / WINDOW), options);
    const from = first - window.first;
    const to = Math.min(end - window.first, window.words.length);
    const what = `inode ${this.#inode.number}`;
    const found: StoredBlock[] = [];
    for (let i = from; i < to; i++) {
      const start = window.starts[i]!;
      found.push(storedBlock(this.#image, what, start, window.words[i]!));
    }
    return found;
  }

  async #window(number: number, options?: ReadOptions): Promise<Window> {
    const kept = this.#windows.get(number);
    if (kept !== undefined) return kept;
    const known = Math.min(number, this.#marks.length - 1);
    for (let next = known;; next++) {
      options?.signal?.throwIfAborted();
      const window = await this.#read(next, options);
      if (next === number) return window;
    }
  }

  async #read(number: number, options?: ReadOptions): Promise<Window> {
    const { metadata, inodes } = this.#image;
    const mark = this.#marks[number]!;
    const cursor = metadata.cursor(inodes, mark.place);
    const first = number * WINDOW;
    const length = Math.min(WINDOW, this.count - first);
    const bytes = await cursor.take(length * 4, options);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = new Uint32Array(length);
    for (let i = 0; i < length; i++) words[i] = view.getUint32(i * 4, true);
    const window = new Window(first, words, mark.start);
    if (this.#marks.length === number + 1) {
      const start = window.starts[length]!;
      this.#marks.push({ place: cursor.place, start });
    }
    this.#windows.set(number, window);
    return window;
  }
}
