/**
 * What the parts of the ext4 reader share: an open image, its inodes, and how damage is told.
 *
 * @module
 */

import type { CachedReader } from "../../block/cache.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { type ErrorCode, type ErrorFacts, FormatError } from "../../errors.ts";
import type { Inode } from "../../fs/filesystem.ts";
import type { Recent } from "../../fs/recent.ts";
import type { Crc32c } from "./checksum.ts";
import type { ExtentNode } from "./extents.ts";
import type { Superblock } from "./superblock.ts";

/** An inode with what is needed to find its content. */
export interface Ext4Inode extends Inode {
  /** `i_flags`. */
  readonly flags: number;
  /** `i_block`: extents, a block map, a short link, the start of inline data; 60 bytes. */
  readonly block: Uint8Array;
  /** What stands behind `i_block` of inline data; absent without inline data. */
  readonly inlineRest?: Uint8Array;
  /** A link whose target stands in `block`. */
  readonly fastLink: boolean;
  /** What the sums of the inode's own blocks start from; 0 without `metadata_csum`. */
  readonly checksumSeed: number;
}

/** An open image. */
export interface Ext4Image {
  readonly superblock: Superblock;
  readonly crc: Crc32c;
  /** Where file content is read from: the journal is replayed, if that was needed. */
  readonly data: BlockReader;
  /** The same bytes, in cached pages: directories, extents, block maps, group descriptors. */
  readonly metadata: CachedReader;
  /** The same bytes, in larger pages: neighbouring inodes come together. */
  readonly inodes: CachedReader;
  /** Blocks of extents parsed last. */
  readonly extents: Recent<number, ExtentNode>;
  /** Byte of each group's inode table, as far as they were looked up. */
  readonly tables: Map<number, number>;
}

/** Bytes of metadata; a view that must not be written to. */
export function readMetadata(
  reader: CachedReader,
  offset: number,
  size: number,
  options?: ReadOptions,
): Uint8Array | Promise<Uint8Array> {
  return reader.readCached(offset, size) ??
    readExactly(reader, offset, size, options);
}

const TODO: Readonly<Record<string, string>> = {
  "ext4.unsupported-feature": "make the image without it, or update fastboop",
  "ext4.checksum-mismatch":
    "the image may be damaged, e2fsck on a copy of it tells more",
};

/** An error about damage or a missing feature, in the project's form. */
export function ext4Error(
  image: { readonly name: string },
  code: ErrorCode,
  what: string,
  found: string,
  facts: ErrorFacts,
): FormatError {
  const todo = TODO[code] ?? "the image is damaged";
  return new FormatError(
    code,
    `Cannot read ${what} of "${image.name}": ${found}; ${todo}`,
    { facts },
  );
}

/** The error of {@linkcode ext4Error} for a structure that is not what the format allows. */
export function damaged(
  image: Ext4Image,
  what: string,
  found: string,
  facts: ErrorFacts,
): FormatError {
  return ext4Error(image.data, "ext4.damaged", what, found, facts);
}

/** Refuses a structure whose sum is not the one that is stored with it. */
export function checkSum(
  image: { readonly name: string },
  what: string,
  position: number,
  found: number,
  expected: number,
): void {
  if (found === expected) return;
  throw ext4Error(
    image,
    "ext4.checksum-mismatch",
    what,
    `check sum at byte ${position} is ${hex(found)}, expected ${hex(expected)}`,
    { position, found, expected },
  );
}

/** A number of 32 bits for a message. */
export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

/** Refuses blocks that the image does not have: an address out of a damaged structure. */
export function checkBlocks(
  image: Ext4Image,
  what: string,
  block: number,
  count: number,
): void {
  const { blockCount, firstDataBlock } = image.superblock;
  if (block > firstDataBlock && block + count <= blockCount) return;
  throw damaged(
    image,
    what,
    `it is said to lie in blocks ${block} to ${block + count}, expected ${
      firstDataBlock + 1
    } to ${blockCount}`,
    { block, count, blockCount },
  );
}
