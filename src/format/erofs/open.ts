import { withCache } from "../../block/cache.ts";
import { DecodedCache } from "../../block/decoded_cache.ts";
import { checkCount } from "../../block/range.ts";
import { readExactly } from "../../block/read_exactly.ts";
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
import { loadErofsParser } from "../../wasm/erofs.ts";
import { openChunked } from "./chunked.ts";
import { openCompressed } from "./compressed.ts";
import { listDirectory, lookupName } from "./directory.ts";
import { openFlat } from "./flat.ts";
import {
  checkRange,
  EROFS_INODE_CHUNK_BASED,
  EROFS_INODE_COMPRESSED_COMPACT,
  EROFS_INODE_COMPRESSED_FULL,
  erofsError,
  type ErofsImage,
  type ErofsInode,
  parsing,
  readMetadata,
} from "./image.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";

/** Bounds of {@linkcode openErofs}, beside the signal of opening. */
export interface ErofsOptions extends ReadOptions {
  /** Most bytes of metadata to keep; 8 MiB when absent. */
  readonly metadataBytes?: number | undefined;
  /** Most bytes of decoded extents to keep; 16 MiB when absent. */
  readonly decodedBytes?: number | undefined;
}

/** An erofs image as a source of inodes, with what its superblock says. */
export interface ErofsSource extends InodeSource {
  /** The format. */
  readonly kind: "erofs";
  /** What the image says of itself. */
  readonly superblock: Superblock;
  /** Names of on-disk features in use, as `dump.erofs` prints them. */
  readonly features: readonly string[];
}

/** An open erofs image. */
export interface ErofsFileSystem extends FileSystem {
  /** The format below, for what paths cannot say. */
  readonly source: ErofsSource;
}

/**
 * Opens an erofs image.
 *
 * Reads every layout that `mkfs.erofs` up to 1.8 writes into one device: plain, inlined, chunked and
 * compressed (LZ4, MicroLZMA, DEFLATE, Zstandard; compact and full indexes; big pclusters,
 * ztailpacking, fragments, dedupe). Extended attributes are passed over. Opening costs at most 3
 * reads. Memory: the two bounds, and while a file is read at most 8 MiB as stored, in parts of up to
 * 1 MiB (one pcluster may be that large), and 12 MiB as decoded.
 *
 * The content of files has no check sums in this format: damage there is found where it does not
 * decode, and gives other bytes where it does.
 *
 * @param image The file system, from its byte 0. Put `withReadAhead` around a source that is slow to
 * answer; metadata and decoded extents are cached here.
 * @throws {FormatError} `erofs.bad-magic`, `erofs.bad-superblock`, `erofs.checksum-mismatch`,
 * `erofs.unsupported-feature`, `erofs.truncated`; later reads `erofs.damaged` too
 * @see Linux 6.12, fs/erofs/erofs_fs.h
 */
export async function openErofs(
  image: BlockReader,
  options: ErofsOptions = {},
): Promise<ErofsFileSystem> {
  const metadataBytes = checkCount(
    "metadataBytes",
    options.metadataBytes ?? 8 << 20,
    65536,
  );
  const decodedBytes = checkCount(
    "decodedBytes",
    options.decodedBytes ?? 16 << 20,
  );
  const parser = await loadErofsParser();
  const superblock = await readSuperblock(image, parser, options);
  const opened = new OpenErofs(image, {
    data: image,
    metadata: withCache(image, { pageSize: 4096, maxBytes: metadataBytes }),
    decoded: new DecodedCache(decodedBytes),
    superblock,
    parser,
  });
  const root = await opened.inode(superblock.rootNid, options);
  if (root.type !== "directory") {
    throw erofsError(
      opened.image,
      "erofs.damaged",
      `root inode ${root.number}`,
      `it is a ${root.type}, expected a directory`,
      { inode: root.number },
    );
  }
  return withPaths(opened) as ErofsFileSystem;
}

/** `S_IFMT` of a mode, shifted down. */
const TYPES: Readonly<Record<number, FileType>> = {
  0o01: "fifo",
  0o02: "character-device",
  0o04: "directory",
  0o06: "block-device",
  0o10: "file",
  0o12: "symlink",
  0o14: "socket",
};
/** `PATH_MAX` of Linux: no link is longer. */
const MAX_LINK_SIZE = 4096;

class OpenErofs implements ErofsSource {
  readonly kind = "erofs";
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly rootNumber: number;
  readonly superblock: Superblock;
  readonly features: readonly string[];
  readonly image: ErofsImage;
  #packed: BlockReader | undefined;

  constructor(reader: BlockReader, parts: Omit<ErofsImage, "packed">) {
    const { superblock } = parts;
    this.blockSize = 2 ** superblock.blockBits;
    this.name = reader.name;
    this.identity = reader.identity;
    this.rootNumber = superblock.rootNid;
    this.superblock = superblock;
    this.features = superblock.features;
    this.image = { ...parts, packed: (options) => this.#openPacked(options) };
  }

  async inode(number: number, options?: ReadOptions): Promise<ErofsInode> {
    const { image } = this;
    const what = `inode ${number}`;
    const position = image.superblock.metaStart + number * 32;
    checkRange(image, what, position, 32);
    let bytes = readMetadata(image, position, 32, options);
    if (bytes instanceof Promise) bytes = await bytes;
    let raw = parsing(
      image,
      what,
      position,
      () => image.parser.inode(bytes as Uint8Array),
    );
    if (raw === undefined) {
      checkRange(image, what, position, 64);
      const all = await readMetadata(image, position, 64, options);
      raw = parsing(image, what, position, () => image.parser.inode(all))!;
    }
    const type = TYPES[raw.mode >> 12];
    if (type === undefined) {
      const found = `mode is 0o${raw.mode.toString(8)}`;
      throw erofsError(image, "erofs.damaged", what, found, {
        inode: number,
        position,
      });
    }
    const device = type === "character-device" || type === "block-device";
    return {
      number,
      type,
      size: raw.size,
      mode: raw.mode & 0o7777,
      uid: raw.uid,
      gid: raw.gid,
      mtime: raw.extended ? raw.mtime : image.superblock.buildTime + raw.mtime,
      linkCount: raw.linkCount,
      ...(device ? { rdev: raw.u } : {}),
      layout: raw.layout,
      headEnd: position + raw.headSize,
      u: raw.u,
    };
  }

  lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    const inode = ours(directory, "directory");
    return lookupName(this.image, inode, this.#content(inode), name, options);
  }

  list(directory: Inode, options?: ReadOptions): AsyncIterable<DirectoryEntry> {
    const inode = ours(directory, "directory");
    return listDirectory(this.image, inode, this.#content(inode), options);
  }

  async readLink(link: Inode, options?: ReadOptions): Promise<string> {
    const inode = ours(link, "symlink");
    if (inode.size === 0 || inode.size > MAX_LINK_SIZE) {
      const found =
        `its target has ${inode.size} bytes, expected 1 to ${MAX_LINK_SIZE}`;
      const what = `link inode ${inode.number}`;
      throw erofsError(this.image, "erofs.damaged", what, found, {
        inode: inode.number,
      });
    }
    return decodeName(
      await readExactly(this.#content(inode), 0, inode.size, options),
    );
  }

  open(file: Inode): BlockReader {
    return this.#content(ours(file, "file"));
  }

  #content(inode: ErofsInode): BlockReader {
    const { image } = this;
    switch (inode.layout) {
      case EROFS_INODE_COMPRESSED_FULL:
      case EROFS_INODE_COMPRESSED_COMPACT:
        return openCompressed(image, inode);
      case EROFS_INODE_CHUNK_BASED:
        return openChunked(image, inode);
      default:
        return openFlat(
          image,
          inode,
          inode.type === "file" ? image.data : image.metadata,
        );
    }
  }

  async #openPacked(options?: ReadOptions): Promise<BlockReader> {
    if (this.#packed !== undefined) return this.#packed;
    const { packedNid } = this.superblock;
    if (packedNid === undefined) {
      const found =
        "a file has a fragment, but the superblock names no inode that holds them";
      throw erofsError(this.image, "erofs.damaged", "fragments", found, {});
    }
    const inode = await this.inode(packedNid, options);
    return this.#packed ??= this.#content(inode);
  }
}

/** The inode, when it came from this format and is of the type that the call needs. */
function ours(inode: Inode, type: FileType): ErofsInode {
  if (inode.type !== type || !("headEnd" in inode)) {
    throw new TypeError(
      `Cannot use inode ${inode.number}: found ${inode.type}, expected a ${type} of an erofs image`,
    );
  }
  return inode as ErofsInode;
}
