import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { decodeName, encodeName } from "../../bytes/text.ts";
import type { DirectoryEntry, FileType } from "../../fs/filesystem.ts";
import { type ErofsImage, type ErofsInode, parsing } from "./image.ts";

/** `EROFS_FT_*`; 0 is unknown. */
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
/** Bytes of a directory that are read together when it is listed. */
const LIST_BYTES = 65536;

/** Lists a directory, block by block, without `.` and `..`. */
export async function* listDirectory(
  image: ErofsImage,
  directory: ErofsInode,
  content: BlockReader,
  options?: ReadOptions,
): AsyncGenerator<DirectoryEntry> {
  const blockSize = 2 ** image.superblock.blockBits;
  const step = Math.max(LIST_BYTES, blockSize);
  for (let offset = 0; offset < content.size; offset += step) {
    const size = Math.min(step, content.size - offset);
    const bytes = await readExactly(content, offset, size, options);
    for (let start = 0; start < size; start += blockSize) {
      const block = bytes.subarray(start, start + blockSize);
      const what = `directory inode ${directory.number} at byte ${
        offset + start
      }`;
      const entries = parsing(
        image,
        what,
        undefined,
        () => image.parser.dirents(block),
      );
      for (const { nid, nameOffset, nameSize, type } of entries) {
        const name = decodeName(
          block.subarray(nameOffset, nameOffset + nameSize),
        );
        if (name === "." || name === "..") continue;
        const fileType = FILE_TYPES[type];
        yield fileType === undefined
          ? { name, number: nid }
          : { name, number: nid, type: fileType };
      }
    }
  }
}

/**
 * Finds a name by bisection over the blocks, which are sorted by bytes. `.` and `..` are found where
 * they are stored, as every other name.
 */
export async function lookupName(
  image: ErofsImage,
  directory: ErofsInode,
  content: BlockReader,
  name: string,
  options?: ReadOptions,
): Promise<number | undefined> {
  const blockSize = 2 ** image.superblock.blockBits;
  const wanted = encodeName(name);
  let low = 0;
  let high = Math.ceil(content.size / blockSize);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const offset = middle * blockSize;
    const size = Math.min(blockSize, content.size - offset);
    const block = await readExactly(content, offset, size, options);
    const what = `directory inode ${directory.number} at byte ${offset}`;
    const answer = parsing(
      image,
      what,
      undefined,
      () => image.parser.lookup(block, wanted),
    );
    if (answer === "before") high = middle;
    else if (answer === "after") low = middle + 1;
    else return answer === "absent" ? undefined : answer;
  }
  return undefined;
}
