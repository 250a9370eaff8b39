/**
 * What the parts of the ISO 9660 reader share: an open image, its inodes, ranges checked.
 *
 * @module
 */

import type { CachedReader } from "../../block/cache.ts";
import type { Extent } from "../../block/extents.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import type { Inode } from "../../fs/filesystem.ts";
import { isoError } from "./errors.ts";
import type { RecordContext } from "./record.ts";
import type { IsoVolume } from "./volume.ts";

/** Where names and attributes come from. */
export type IsoNames = "rock-ridge" | "joliet" | "plain";

/** An open image. */
export interface IsoImage extends RecordContext {
  /** Where file content is read from. */
  readonly data: BlockReader;
  /** The same bytes, in cached pages: directories and what belongs to them. */
  readonly metadata: CachedReader;
  /** What the image says of itself. */
  readonly volume: IsoVolume;
  /** Where names and attributes come from. */
  readonly names: IsoNames;
  /** With Rock Ridge: bytes to pass over in the system use area of every record. */
  readonly skip: number;
}

/** An inode with what is needed to find its content. */
export interface IsoInode extends Inode {
  /** Where the content lies, in its order. */
  readonly extents: readonly Extent[];
  /** Of a link. */
  readonly target?: string;
  /** Why the content cannot be given, in words. */
  readonly refused?: string;
}

/** Bytes of metadata; a view that must not be written to. */
export async function readMetadata(
  image: Pick<IsoImage, "data" | "metadata" | "name" | "volume">,
  what: string,
  offset: number,
  size: number,
  options?: ReadOptions,
): Promise<Uint8Array> {
  const cached = image.metadata.readCached(offset, size);
  if (cached !== undefined) return cached;
  checkRange(image, what, offset, size);
  return await readExactly(image.metadata, offset, size, options);
}

/** Refuses a range that the image does not have. */
export function checkRange(
  image: Pick<IsoImage, "data" | "name" | "volume">,
  what: string,
  offset: number,
  size: number,
): void {
  const { data, name, volume } = image;
  if (offset + size <= data.size) return;
  // an address outside of the volume is damage, wherever the image ends
  const outside = offset + size > volume.size && data.size >= volume.size;
  throw isoError(
    outside ? "iso.damaged" : "iso.truncated",
    name,
    what,
    `it lies at bytes ${offset} to ${
      offset + size
    }, expected at most ${data.size}`,
    { offset, size, imageSize: data.size },
  );
}
