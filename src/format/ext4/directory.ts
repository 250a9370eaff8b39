/**
 * Directories: listed, and names found in them.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { decodeName, encodeName } from "../../bytes/text.ts";
import type { DirectoryEntry, FileType } from "../../fs/filesystem.ts";
import { refuseEncrypted } from "./content.ts";
import {
  directoryPlace,
  findEntry,
  parseEntries,
  verifyBlock,
} from "./directory_block.ts";
import { lookupIndexed } from "./htree.ts";
import { damaged, ext4Error, type Ext4Image, type Ext4Inode } from "./image.ts";
import {
  EXT4_CASEFOLD_FL,
  EXT4_INDEX_FL,
  EXT4_INLINE_DATA_FL,
} from "./layout.ts";

/** `EXT4_FT_*`; 0 is unknown. */
const FILE_TYPES: readonly (FileType | undefined)[] = [
  undefined,
  "file",
  "directory",
  "character-device",
  "block-device",
  "fifo",
  "socket",
  "symlink",
];
/** Bytes of a directory that are read together. Larger ones are looked up by their index. */
const LIST_BYTES = 65536;

/** Bytes of a directory that hold entries, one block or a part of an inode. */
interface Part {
  readonly bytes: Uint8Array;
  /** What it is, for messages. */
  readonly what: string;
}

/** Lists a directory in its own order, without `.` and `..`. One read for each 64 KiB. */
export async function* listDirectory(
  image: Ext4Image,
  directory: Ext4Inode,
  content: BlockReader,
  options?: ReadOptions,
): AsyncGenerator<DirectoryEntry> {
  const typed = image.superblock.has("filetype");
  for await (const parts of readParts(image, directory, content, options)) {
    for (const { bytes, what } of parts) {
      for (const entry of parseEntries(image, what, bytes)) {
        const name = decodeName(bytes.subarray(entry.nameStart, entry.nameEnd));
        if (name === "." || name === "..") continue;
        const type = typed ? FILE_TYPES[entry.type] : undefined;
        yield type === undefined
          ? { name, number: entry.inode }
          : { name, number: entry.inode, type };
      }
    }
  }
}

/** Finds a name by looking at every entry up to it. */
async function scanDirectory(
  image: Ext4Image,
  directory: Ext4Inode,
  content: BlockReader,
  name: Uint8Array,
  options?: ReadOptions,
): Promise<number | undefined> {
  for await (const parts of readParts(image, directory, content, options)) {
    for (const { bytes, what } of parts) {
      const found = findEntry(image, what, bytes, name);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/**
 * Finds a name; `undefined` when it is not there.
 *
 * A directory of up to 64 KiB costs one read, a larger one two or three by its index.
 *
 * @throws {FormatError} `ext4.unsupported-feature` when the directory ignores the case of names and
 * has none that is written exactly so
 */
export async function lookupName(
  image: Ext4Image,
  directory: Ext4Inode,
  content: BlockReader,
  name: string,
  options?: ReadOptions,
): Promise<number | undefined> {
  const wanted = encodeName(name);
  const { flags, size } = directory;
  const folded = (flags & EXT4_CASEFOLD_FL) !== 0;
  const indexed = (flags & EXT4_INDEX_FL) !== 0 &&
    image.superblock.has("dir_index") &&
    (flags & EXT4_INLINE_DATA_FL) === 0;
  if (indexed && !folded && size > LIST_BYTES) {
    refuseEncrypted(image, directory);
    checkDirectorySize(image, directory);
    const found = await lookupIndexed(
      image,
      directory,
      content,
      wanted,
      options,
    );
    if (found !== "unknown hash") return found;
  }
  const found = await scanDirectory(image, directory, content, wanted, options);
  if (found === undefined && folded) {
    throw ext4Error(
      image.data,
      "ext4.unsupported-feature",
      `name ${JSON.stringify(name)} in directory inode ${directory.number}`,
      "the directory ignores the case of names (casefold), and none is written exactly so",
      { inode: directory.number, features: "casefold" },
    );
  }
  return found;
}

/** The blocks of a directory, those of one read together, verified. */
async function* readParts(
  image: Ext4Image,
  directory: Ext4Inode,
  content: BlockReader,
  options?: ReadOptions,
): AsyncGenerator<Part[]> {
  options?.signal?.throwIfAborted();
  refuseEncrypted(image, directory);
  const { blockSize } = image.superblock;
  if (directory.flags & EXT4_INLINE_DATA_FL) {
    yield inlineParts(directory);
    return;
  }
  checkDirectorySize(image, directory);
  const step = Math.max(LIST_BYTES, blockSize);
  for (let offset = 0; offset < content.size; offset += step) {
    const size = Math.min(step, content.size - offset);
    const bytes = await readExactly(content, offset, size, options);
    const parts: Part[] = [];
    for (let at = 0; at < size; at += blockSize) {
      const block = bytes.subarray(at, at + blockSize);
      const what = directoryPlace(directory, offset + at);
      verifyBlock(image, directory, what, offset + at, block);
      parts.push({ bytes: block, what });
    }
    yield parts;
  }
}

/** Inline: the number of the parent takes the place of `.` and `..`, then entries in both parts. */
function inlineParts(directory: Ext4Inode): Part[] {
  const what = `directory inode ${directory.number}`;
  const { block, inlineRest } = directory;
  const parts: Part[] = [{ bytes: block.subarray(4), what }];
  if (inlineRest !== undefined && inlineRest.length > 0) {
    parts.push({ bytes: inlineRest, what });
  }
  return parts;
}

/** Refuses a directory that is not whole blocks, or larger than the image: it would take for ever. */
function checkDirectorySize(
  image: Ext4Image,
  directory: Ext4Inode,
): void {
  const { blockSize, blockCount } = image.superblock;
  const most = blockCount * blockSize;
  if (directory.size % blockSize === 0 && directory.size <= most) return;
  throw damaged(
    image,
    `directory inode ${directory.number}`,
    `it has ${directory.size} bytes, expected a multiple of ${blockSize} of at most ${most}`,
    { inode: directory.number, size: directory.size },
  );
}
