import { withCoalescing } from "../../block/coalesce.ts";
import { DecodedCache } from "../../block/decoded_cache.ts";
import { checkCount } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { decodeName } from "../../bytes/text.ts";
import type {
  DirectoryEntry,
  FileSystem,
  FileType,
  Inode,
  InodeSource,
} from "../../fs/filesystem.ts";
import { withPaths } from "../../fs/open_paths.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { BlockCodec } from "./codec.ts";
import { listDirectory, lookupName } from "./directory.ts";
import { SquashfsFile } from "./file.ts";
import { damaged, type SquashfsImage, type SquashfsInode } from "./image.ts";
import { readInode } from "./inode.ts";
import { MetadataReader } from "./metadata.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";
import { readIds } from "./tables.ts";

/** Bounds of {@linkcode openSquashfs}, beside the signal of opening. */
export interface SquashfsOptions extends ReadOptions {
  /** Most bytes of metadata to keep, half as stored and half as decoded; 8 MiB when absent. */
  readonly metadataBytes?: number | undefined;
  /** Most bytes of decoded blocks to keep; 16 MiB when absent. */
  readonly decodedBytes?: number | undefined;
  /**
   * Where xz and gzip blocks are decoded, several at the same time; here when absent.
   *
   * @ignore
   */
  readonly pool?: CodecPool | undefined;
}

/** A squashfs image as a source of inodes, with what its superblock says. */
export interface SquashfsSource extends InodeSource {
  /** The format. */
  readonly kind: "squashfs";
  /** What the image says of itself. */
  readonly superblock: Superblock;
  /** Compressor, block size, and flags, in the words of `unsquashfs -s`. */
  readonly features: readonly string[];
}

/** An open squashfs image. */
export interface SquashfsFileSystem extends FileSystem {
  /** The format below, for what paths cannot say. */
  readonly source: SquashfsSource;
}

/**
 * Opens a squashfs image of version 4.0.
 *
 * Reads gzip, xz (with BCJ filters), zstd, lz4 and lzo, blocks of 4 KiB to 1 MiB, fragments, holes,
 * and both kinds of every inode. Directory indexes are used; the export table is not needed; extended
 * attributes are passed over. An inode's number is its reference: 16 bits of offset below the place of
 * its block.
 *
 * Opening costs 3 reads: the superblock, the ids, the root's inode; the last two bring pages of 64 KiB
 * that are kept. Blocks of a file that are wanted together are fetched together, up to 1 MiB. Memory:
 * the two bounds, for each open file 12 bytes a block and at most 400 KiB, and while a file is read
 * 1 MiB as stored and two blocks as decoded.
 *
 * The format has no check sums but those of its codecs: of xz and gzip, none of lz4 and lzo, of zstd
 * none as mksquashfs writes it. Damage is found where it does not decode, and gives other bytes where
 * it does.
 *
 * @param image The file system, from its byte 0; what follows it is not looked at.
 * @throws {FormatError} `squashfs.bad-magic`, `squashfs.bad-superblock`,
 * `squashfs.unsupported-feature`, `squashfs.truncated`, `squashfs.damaged`, of later reads too
 * @see Linux 6.12, fs/squashfs/squashfs_fs.h and Documentation/filesystems/squashfs.rst
 */
export async function openSquashfs(
  image: BlockReader,
  options: SquashfsOptions = {},
): Promise<SquashfsFileSystem> {
  const metadataBytes = checkCount(
    "metadataBytes",
    options.metadataBytes ?? 8 << 20,
    1 << 20,
  );
  const decodedBytes = checkCount(
    "decodedBytes",
    options.decodedBytes ?? 16 << 20,
  );
  const superblock = await readSuperblock(image, options);
  const { inodeTable, directoryTable, directoryEnd } = superblock;
  const codec = new BlockCodec(superblock.compression, options.pool);
  const shared = withCoalescing(image);
  const parts: SquashfsImage = {
    superblock,
    reader: image,
    shared,
    codec,
    metadata: new MetadataReader(shared, codec, metadataBytes),
    inodes: { name: "inodes", start: inodeTable, end: directoryTable },
    directories: {
      name: "directories",
      start: directoryTable,
      end: directoryEnd,
    },
    decoded: new DecodedCache(decodedBytes),
  };
  const ids = await readIds(parts, options);
  const opened = new OpenSquashfs(parts, ids);
  const root = await opened.inode(superblock.rootInode, options);
  if (root.type !== "directory") {
    throw damaged(
      parts,
      `root inode ${root.number}`,
      `it is a ${root.type}, expected a directory`,
      { inode: root.number },
    );
  }
  return withPaths(opened) as SquashfsFileSystem;
}

/** `PATH_MAX` of Linux: no link is longer. */
const MAX_LINK_SIZE = 4096;

class OpenSquashfs implements SquashfsSource {
  readonly kind = "squashfs";
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly rootNumber: number;
  readonly superblock: Superblock;
  readonly features: readonly string[];
  readonly #image: SquashfsImage;
  readonly #ids: Uint32Array;

  constructor(image: SquashfsImage, ids: Uint32Array) {
    const { superblock, reader } = image;
    this.blockSize = superblock.blockSize;
    this.name = reader.name;
    this.identity = `${reader.identity}|squashfs`;
    this.rootNumber = superblock.rootInode;
    this.superblock = superblock;
    this.features = superblock.features;
    this.#image = image;
    this.#ids = ids;
  }

  inode(number: number, options?: ReadOptions): Promise<SquashfsInode> {
    return readInode(this.#image, this.#ids, number, options);
  }

  lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    return lookupName(this.#image, ours(directory, "directory"), name, options);
  }

  list(directory: Inode, options?: ReadOptions): AsyncIterable<DirectoryEntry> {
    return listDirectory(this.#image, ours(directory, "directory"), options);
  }

  async readLink(link: Inode, options?: ReadOptions): Promise<string> {
    const inode = ours(link, "symlink");
    const { number, size, tail } = inode;
    if (size === 0 || size > MAX_LINK_SIZE) {
      throw damaged(
        this.#image,
        `link inode ${number}`,
        `its target has ${size} bytes, expected 1 to ${MAX_LINK_SIZE}`,
        { inode: number, size },
      );
    }
    const { metadata, inodes } = this.#image;
    const cursor = metadata.cursor(inodes, tail);
    return decodeName(await cursor.take(size, options));
  }

  open(file: Inode): BlockReader {
    return new SquashfsFile(this.#image, ours(file, "file"));
  }
}

/** The inode, when it came from this format and is of the type that the call needs. */
function ours(inode: Inode, type: FileType): SquashfsInode {
  if (inode.type !== type || !("tail" in inode)) {
    throw new TypeError(
      `Cannot use inode ${inode.number}: found ${inode.type}, expected a ${type} of a squashfs image`,
    );
  }
  return inode as SquashfsInode;
}
