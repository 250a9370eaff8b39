/**
 * What the parts of the squashfs reader share: an open image, its inodes, and how damage is told.
 *
 * @module
 */

import type { DecodedCache } from "../../block/decoded_cache.ts";
import type { BlockReader } from "../../block/reader.ts";
import { type ErrorCode, type ErrorFacts, FormatError } from "../../errors.ts";
import type { Inode } from "../../fs/filesystem.ts";
import type { BlockCodec } from "./codec.ts";
import type { MetadataReader, MetadataTable } from "./metadata.ts";
import type { Superblock } from "./superblock.ts";

/** A place in metadata: the block's own byte in the image, and a byte of what it decodes to. */
export interface MetadataPlace {
  readonly block: number;
  readonly offset: number;
}

/** An inode with what is needed to find its content. */
export interface SquashfsInode extends Inode {
  /** What stands behind the fixed part: sizes of blocks, the target of a link, a directory's index. */
  readonly tail: MetadataPlace;
  /** Of a file: byte of the image at which its first block lies. */
  readonly blocksStart?: number;
  /** Of a file: where its last bytes are, when they lie in a fragment. */
  readonly fragment?: { readonly index: number; readonly offset: number };
  /** Of a directory: where its listing starts. */
  readonly listing?: MetadataPlace;
  /** Of a directory: entries of its index. */
  readonly indexCount?: number;
}

/** An open image. */
export interface SquashfsImage {
  readonly superblock: Superblock;
  readonly reader: BlockReader;
  /** The same bytes; who wants what is on its way waits for it: metadata, fragments. */
  readonly shared: BlockReader;
  readonly codec: BlockCodec;
  readonly metadata: MetadataReader;
  readonly inodes: MetadataTable;
  readonly directories: MetadataTable;
  /** Data and fragment blocks decoded last. */
  readonly decoded: DecodedCache;
}

/** An error about damage or a missing feature in `image`, in the project's form. */
export function squashfsError(
  image: Pick<SquashfsImage, "reader">,
  code: ErrorCode,
  what: string,
  found: string,
  facts: ErrorFacts,
  cause?: unknown,
): FormatError {
  const todo = code === "squashfs.unsupported-feature"
    ? "make the image without it, or update fastboop"
    : "the image is damaged";
  return new FormatError(
    code,
    `Cannot read ${what} of "${image.reader.name}": ${found}; ${todo}`,
    { facts, ...(cause === undefined ? {} : { cause }) },
  );
}

/** {@linkcode squashfsError} with `squashfs.damaged`. */
export function damaged(
  image: Pick<SquashfsImage, "reader">,
  what: string,
  found: string,
  facts: ErrorFacts,
  cause?: unknown,
): FormatError {
  return squashfsError(image, "squashfs.damaged", what, found, facts, cause);
}
