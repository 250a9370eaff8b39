/**
 * Names found by the index of a directory: a tree sorted by a hash of the names.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import {
  directoryPlace,
  findEntry,
  type IndexBlock,
  parseIndex,
  verifyBlock,
} from "./directory_block.ts";
import { hashName } from "./hash.ts";
import { damaged, type Ext4Image, type Ext4Inode } from "./image.ts";

/** Bytes of the root where `struct dx_root_info` begins: hash, its own size, levels. */
const HASH_VERSION_AT = 28;
const LEVELS_AT = 30;
/** Levels of index blocks below the root: one more with `large_dir`. */
const MAX_LEVELS = 1;
/** Bits of an entry that are a block number. */
const BLOCK_MASK = 0x0fffffff;

/** Where one is on one level of the tree. */
interface Level {
  readonly view: DataView;
  readonly index: IndexBlock;
  /** Entry of the block. */
  at: number;
}

/**
 * Finds a name by the index. One read for each level and for each block of names with its hash,
 * mostly one.
 *
 * @returns Its inode, `undefined` when it is not there, `"unknown hash"` when only a scan can tell.
 */
export async function lookupIndexed(
  image: Ext4Image,
  directory: Ext4Inode,
  content: BlockReader,
  name: Uint8Array,
  options?: ReadOptions,
): Promise<number | undefined | "unknown hash"> {
  const { blockSize } = image.superblock;
  const blocks = content.size / blockSize;

  async function readBlock(number: number): Promise<Uint8Array> {
    const offset = number * blockSize;
    const what = directoryPlace(directory, offset);
    if (number >= blocks) {
      throw damaged(
        image,
        what,
        `the index leads to it, but the directory has ${blocks} blocks`,
        { inode: directory.number, offset },
      );
    }
    const block = await readExactly(content, offset, blockSize, options);
    verifyBlock(image, directory, what, offset, block);
    return block;
  }

  function levelOf(number: number, block: Uint8Array, hash: number): Level {
    const offset = number * blockSize;
    const what = directoryPlace(directory, offset);
    const index = parseIndex(image, directory, what, offset, block);
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    return { view, index, at: lastAtOrBefore(view, index, hash) };
  }

  async function readLevel(number: number, hash: number): Promise<Level> {
    return levelOf(number, await readBlock(number), hash);
  }

  const root = await readBlock(0);
  const hash = hashOf(image, root, name);
  if (hash === undefined) return "unknown hash";
  const below = root[LEVELS_AT]!;
  const most = MAX_LEVELS + (image.superblock.has("large_dir") ? 1 : 0);
  if (below > most) {
    throw damaged(
      image,
      directoryPlace(directory, 0),
      `its index has ${below} levels below the root, expected at most ${most}`,
      { inode: directory.number, levels: below },
    );
  }
  const levels = [levelOf(0, root, hash)];
  while (levels.length <= below) {
    levels.push(await readLevel(childOf(levels.at(-1)!), hash));
  }
  for (;;) {
    const leaf = childOf(levels.at(-1)!);
    const what = directoryPlace(directory, leaf * blockSize);
    const found = findEntry(image, what, await readBlock(leaf), name);
    if (found !== undefined) return found;
    // names with one hash may go on in the next block, which then says so by its lowest bit
    let level = levels.length - 1;
    while (level >= 0 && levels[level]!.at + 1 >= levels[level]!.index.count) {
      level--;
    }
    if (level < 0) return undefined;
    const next = levels[level]!;
    next.at++;
    if (hashAt(next.view, next.index, next.at) !== hash + 1) return undefined;
    for (level++; level < levels.length; level++) {
      levels[level] = await readLevel(childOf(levels[level - 1]!), 0);
    }
  }
}

/** The hash of `name` as this directory's root says; `undefined` when that is not known. */
function hashOf(
  { superblock }: Ext4Image,
  root: Uint8Array,
  name: Uint8Array,
): number | undefined {
  const { signedHash, hashSeed } = superblock;
  // without a statement the machine that wrote it decided; plain ASCII is the same on all
  if (signedHash === undefined && name.some((byte) => byte >= 0x80)) {
    return undefined;
  }
  return hashName(name, root[HASH_VERSION_AT]!, {
    seed: hashSeed,
    signed: signedHash ?? true,
  });
}

/** The last entry for names from a hash at or before `hash` on; the first one is for all. */
function lastAtOrBefore(
  view: DataView,
  index: IndexBlock,
  hash: number,
): number {
  let low = 0;
  let high = index.count;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (hashAt(view, index, middle) <= hash) low = middle;
    else high = middle;
  }
  return low;
}

function hashAt(view: DataView, index: IndexBlock, entry: number): number {
  return view.getUint32(index.entriesAt + entry * 8, true);
}

function childOf({ view, index, at }: Level): number {
  return view.getUint32(index.entriesAt + at * 8 + 4, true) & BLOCK_MASK;
}
