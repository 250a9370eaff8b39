/**
 * What the parts of the erofs reader share: an open image, its inodes, and how damage is told.
 *
 * @module
 */

import type { CachedReader } from "../../block/cache.ts";
import type { DecodedCache } from "../../block/decoded_cache.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";
import type { Inode } from "../../fs/filesystem.ts";
import { ErofsFault, type ErofsParser } from "../../wasm/erofs.ts";
import type { Superblock } from "./superblock.ts";

/** Data layouts, `enum` of erofs_fs.h. */
export const EROFS_INODE_FLAT_PLAIN = 0;
export const EROFS_INODE_COMPRESSED_FULL = 1;
export const EROFS_INODE_FLAT_INLINE = 2;
export const EROFS_INODE_COMPRESSED_COMPACT = 3;
export const EROFS_INODE_CHUNK_BASED = 4;

/** An inode with what is needed to find its content. */
export interface ErofsInode extends Inode {
  readonly layout: number;
  /** Byte of the image behind inode and extended attributes. */
  readonly headEnd: number;
  /** `i_u`: block address, device number or chunk format. */
  readonly u: number;
}

/** An open image. */
export interface ErofsImage {
  readonly superblock: Superblock;
  readonly parser: ErofsParser;
  /** Where file content is read from. */
  readonly data: BlockReader;
  /** The same bytes, in cached pages: inodes, directories, indexes, inlined tails. */
  readonly metadata: CachedReader;
  /** Extents decoded last. */
  readonly decoded: DecodedCache;
  /** Reader of the inode that holds fragments. */
  packed(options?: ReadOptions): Promise<BlockReader>;
}

/** The content of an inode, given how it is read. */
export function contentReader(
  image: ErofsImage,
  inode: ErofsInode,
  read: BlockReader["read"],
): BlockReader {
  return {
    blockSize: 2 ** image.superblock.blockBits,
    size: inode.size,
    name: image.data.name,
    identity: `${image.data.identity}#${inode.number}`,
    read,
  };
}

/** Bytes of metadata; a view that must not be written to. */
export function readMetadata(
  image: ErofsImage,
  offset: number,
  size: number,
  options?: ReadOptions,
): Uint8Array | Promise<Uint8Array> {
  return image.metadata.readCached(offset, size) ??
    readExactly(image.metadata, offset, size, options);
}

/** An error about damage or a missing feature in `image`, in the project's form. */
export function erofsError(
  image: ErofsImage,
  code: ErrorCode,
  what: string,
  found: string,
  facts: Record<string, number>,
  cause?: unknown,
): FormatError {
  const todo = code === "erofs.unsupported-feature"
    ? "make the image without it, or update fastboop"
    : "the image is damaged";
  return new FormatError(
    code,
    `Cannot read ${what} of "${image.data.name}": ${found}; ${todo}`,
    { facts, ...(cause === undefined ? {} : { cause }) },
  );
}

/**
 * Runs `parse` and tells what it was about when the core refuses the bytes.
 *
 * @param position Where in the image they stand; `undefined` when they were put together.
 */
export function parsing<T>(
  image: ErofsImage,
  what: string,
  position: number | undefined,
  parse: () => T,
): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ErofsFault)) throw cause;
    const facts: Record<string, number> = position === undefined
      ? {}
      : { position };
    const bytes = position === undefined ? "it" : `what stands at ${position}`;
    const [code, found] = cause.reason === "unsupported"
      ? [
        "erofs.unsupported-feature",
        `${bytes} has a newer form than this reader knows`,
      ] as const
      : [
        "erofs.damaged",
        `${bytes} is not what the format allows`,
      ] as const;
    throw erofsError(image, code, what, found, facts, cause);
  }
}

/** Refuses a range that the image does not have: an address out of a damaged inode or index. */
export function checkRange(
  image: ErofsImage,
  what: string,
  offset: number,
  size: number,
): void {
  if (offset + size <= image.data.size) return;
  throw erofsError(
    image,
    "erofs.damaged",
    what,
    `it is said to lie at bytes ${offset} to ${
      offset + size
    }, expected at most ${image.data.size}`,
    { offset, size, imageSize: image.data.size },
  );
}
