import { clampRead } from "../../block/range.ts";
import { fillExactly, readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { BlockList, type StoredBlock, storedBlock } from "./block_list.ts";
import { BlockFault } from "./codec.ts";
import { damaged, type SquashfsImage, type SquashfsInode } from "./image.ts";
import { blockError } from "./metadata.ts";
import { readFragment } from "./tables.ts";

/** One read fetches blocks up to this size, or a single larger one. */
const MAX_RUN = 1 << 20;

/** A block with what is wanted of it. */
interface Piece {
  readonly block: StoredBlock;
  /** Bytes it holds. */
  readonly length: number;
  /** Byte of the block at which the wanted bytes start, and where they go. */
  readonly skip: number;
  readonly into: Uint8Array;
}

/** Content of a file: blocks that lie one behind the other, the end perhaps within a fragment. */
export class SquashfsFile implements BlockReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly #image: SquashfsImage;
  readonly #inode: SquashfsInode;
  readonly #what: string;
  readonly #blocks: BlockList;

  constructor(image: SquashfsImage, inode: SquashfsInode) {
    this.blockSize = image.superblock.blockSize;
    this.size = inode.size;
    this.name = image.reader.name;
    this.identity = `${image.reader.identity}|squashfs:${inode.number}`;
    this.#image = image;
    this.#inode = inode;
    this.#what = `inode ${inode.number}`;
    this.#blocks = new BlockList(image, inode);
  }

  async read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options?.signal?.throwIfAborted();
    for (let done = 0; done < count;) {
      const position = offset + done;
      const wanted = into.subarray(done, count);
      const index = Math.floor(position / this.blockSize);
      done += index < this.#blocks.count
        ? await this.#readBlocks(index, position, wanted, options)
        : await this.#readTail(position, wanted, options);
    }
    return count;
  }

  /** Fills the start of `into` from byte `position`, which lies in block `first`; gives the bytes. */
  async #readBlocks(
    first: number,
    position: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const { count } = this.#blocks;
    const end = Math.ceil((position + into.length) / this.blockSize);
    const blocks = await this.#blocks.blocks(
      first,
      Math.min(end, count),
      options,
    );
    const pieces: Piece[] = [];
    let stored = 0, done = 0;
    for (const [i, block] of blocks.entries()) {
      const start = (first + i) * this.blockSize;
      const length = Math.min(this.blockSize, this.size - start);
      const skip = position + done - start;
      const part = into.subarray(done, done + length - skip);
      const kept = this.#kept(block, length);
      if (i > 0) {
        if (kept !== undefined || stored + block.size > MAX_RUN) break;
      } else if (kept !== undefined) {
        part.set(kept.subarray(skip, skip + part.length));
        return part.length;
      }
      pieces.push({ block, length, skip, into: part });
      stored += block.size;
      done += part.length;
    }
    await this.#fill(pieces, options);
    return done;
  }

  /** Reads blocks that lie one behind the other, by one read. */
  async #fill(pieces: readonly Piece[], options?: ReadOptions): Promise<void> {
    for (const { block, length } of pieces) this.#check(block, length);
    const stored = pieces.filter(({ block }) => block.size > 0);
    for (const { block, into } of pieces) if (block.size === 0) into.fill(0);
    const first = stored[0], last = stored.at(-1);
    if (first === undefined || last === undefined) return;
    const whole = pieces.length === stored.length;
    if (whole && stored.every(({ block }) => !block.compressed)) {
      // As it is in the image, so straight to where it is wanted, and no more than that.
      const into = joined(first.into, last.into);
      const at = first.block.start + first.skip;
      return await fillExactly(this.#image.reader, at, into, options);
    }
    const { start } = first.block;
    const end = last.block.start + last.block.size;
    const { reader } = this.#image;
    const bytes = await readExactly(reader, start, end - start, options);
    const storedOf = ({ block }: Piece) =>
      bytes.subarray(block.start - start, block.start + block.size - start);
    if (!this.#image.codec.parallel) {
      for (const piece of stored) {
        options?.signal?.throwIfAborted();
        await this.#decode(piece, storedOf(piece), options);
      }
      return;
    }
    // Put in place together: nothing may be written once the read has failed.
    const copies = stored.map((piece) => ({
      ...piece,
      into: new Uint8Array(piece.into.length),
    }));
    await Promise.all(
      copies.map((piece) => this.#decode(piece, storedOf(piece), options)),
    );
    for (const [i, { into }] of stored.entries()) into.set(copies[i]!.into);
  }

  /** Decodes a block to where it is wanted; one of which only a part is wanted is kept. */
  async #decode(
    piece: Piece,
    stored: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    const { block, length, into } = piece;
    // Another read may have decoded it while this one waited.
    const kept = this.#kept(block, length);
    if (kept !== undefined) return put(piece, kept);
    const use = (bytes: Uint8Array) => {
      if (bytes.length !== length) {
        throw this.#damaged(
          `the block stored at byte ${block.start} holds ${bytes.length} bytes, expected ${length}`,
          block.start,
        );
      }
      put(piece, bytes);
      if (into.length < length) {
        this.#image.decoded.set(keyOf(block), bytes.slice());
      }
    };
    await decodeBlock(this.#image, this.#what, block, stored, use, options);
  }

  /** The last bytes, which share a block with those of other files. */
  async #readTail(
    position: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const { index, offset } = this.#inode.fragment!;
    const image = this.#image;
    const start = this.#blocks.count * this.blockSize;
    const end = offset + this.size - start;
    const { start: at, size } = await readFragment(image, index, options);
    const what = `fragment ${index}`;
    const block = storedBlock(image, what, at, size);
    if (block.size === 0) throw damaged(image, what, "it is empty", { index });
    const bytes = this.#kept(block, end) ??
      await this.#readFragment(block, what, options);
    if (end > bytes.length) {
      throw this.#damaged(
        `its end lies in bytes ${offset} to ${end} of ${what}, which holds ${bytes.length}`,
        at,
      );
    }
    const from = offset + position - start;
    into.set(bytes.subarray(from, from + into.length));
    return into.length;
  }

  async #readFragment(
    block: StoredBlock,
    what: string,
    options?: ReadOptions,
  ): Promise<Uint8Array> {
    const { shared, decoded } = this.#image;
    const stored = await readExactly(shared, block.start, block.size, options);
    // Another read may have decoded it while this one waited.
    return decoded.get(keyOf(block), 1) ??
      await decodeBlock(this.#image, what, block, stored, (bytes) => {
        const kept = bytes.slice();
        decoded.set(keyOf(block), kept);
        return kept;
      }, options);
  }

  #kept(block: StoredBlock, length: number): Uint8Array | undefined {
    return block.size === 0
      ? undefined
      : this.#image.decoded.get(keyOf(block), length);
  }

  #check(block: StoredBlock, length: number): void {
    if (block.compressed || block.size === length || block.size === 0) return;
    throw this.#damaged(
      `the block stored as it is at byte ${block.start} takes ${block.size} bytes, expected ${length}`,
      block.start,
    );
  }

  #damaged(found: string, position: number): Error {
    return damaged(this.#image, this.#what, found, {
      inode: this.#inode.number,
      position,
    });
  }
}

/**
 * Decodes a block, and has `use` take what it holds at once: the bytes may lie in memory that the next
 * block is decoded to.
 */
async function decodeBlock<T>(
  image: SquashfsImage,
  what: string,
  block: StoredBlock,
  stored: Uint8Array,
  use: (bytes: Uint8Array) => T,
  options?: ReadOptions,
): Promise<T> {
  const { codec, superblock: { blockSize } } = image;
  if (!block.compressed) return use(stored);
  if (!codec.parallel) {
    const now = codec.decodeNow(await codec.load(), stored, blockSize);
    if (now !== undefined) return use(now);
  }
  let bytes: Uint8Array;
  try {
    bytes = await codec.decode(stored, blockSize, options);
  } catch (error) {
    if (!(error instanceof BlockFault)) throw error;
    throw blockError(image, what, block.start, error);
  }
  return use(bytes);
}

/** Copies what is wanted of a block to where it is wanted. */
function put({ skip, into }: Piece, content: Uint8Array): void {
  into.set(content.subarray(skip, skip + into.length));
}

/** Names a block among all that are decoded: where it is, and how it is stored. */
function keyOf(block: StoredBlock): number {
  return block.start * 2 + (block.compressed ? 1 : 0);
}

/** The memory from the start of `first` to the end of `last`, both of one buffer. */
function joined(first: Uint8Array, last: Uint8Array): Uint8Array {
  return new Uint8Array(
    first.buffer,
    first.byteOffset,
    last.byteOffset + last.length - first.byteOffset,
  );
}
