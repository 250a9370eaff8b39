import { type CachedReader, withCache } from "../../block/cache.ts";
import { type Extent, joinExtents, withExtents } from "../../block/extents.ts";
import { checkCount, clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { withSlice } from "../../block/slice.ts";
import type {
  DirectoryEntry,
  FileSystem,
  FileType,
  Inode,
  InodeSource,
} from "../../fs/filesystem.ts";
import { withPaths } from "../../fs/open_paths.ts";
import { Recent } from "../../fs/recent.ts";
import { Weighted } from "../../fs/weighted.ts";
import { type IsoDirectory, readDirectory, readInodeAt } from "./directory.ts";
import { isoError } from "./errors.ts";
import {
  checkRange,
  type IsoImage,
  type IsoInode,
  type IsoNames,
} from "./image.ts";
import { describe, readOwnRecord } from "./inode.ts";
import { parseRecord } from "./record.ts";
import { findSkip, readRockRidge, type RockRidge } from "./rock_ridge.ts";
import {
  type IsoDescriptors,
  type IsoVolume,
  readDescriptors,
  SECTOR_SIZE,
} from "./volume.ts";

/** What {@linkcode openIso9660} can be told. */
export interface IsoOptions extends ReadOptions {
  /**
   * The best names to use: `rock-ridge` when absent. Where the image does not have them, the next of
   * `rock-ridge`, `joliet`, `plain` is used.
   */
  readonly names?: IsoNames | undefined;
  /** Sector at which the last session begins, of an image of several; 0 when absent. */
  readonly sessionSector?: number | undefined;
  /** Most bytes of directories to keep; 8 MiB when absent. */
  readonly metadataBytes?: number | undefined;
}

/** An ISO 9660 image as a source of inodes, with what it says of itself. */
export interface IsoSource extends InodeSource {
  /** The format. */
  readonly kind: "ISO 9660";
  /** What the image says of itself. */
  readonly volume: IsoVolume;
  /** Where names and attributes come from. */
  readonly names: IsoNames;
  /** `rock-ridge`, `joliet`, `el-torito`: what the image has, used or not. */
  readonly features: readonly string[];
  /** Where the content of a file lies in the image, in its order; what touches is one extent. */
  extentsOf(file: Inode, options?: ReadOptions): Promise<readonly Extent[]>;
}

/** An open ISO 9660 image. */
export interface IsoFileSystem extends FileSystem {
  /** The format below, for what paths cannot say. */
  readonly source: IsoSource;
}

/** Bytes of metadata kept together. The descriptors and, mostly, the root directory are one page. */
const PAGE_SIZE = 32 << 10;
/** Names that are kept, of all directories together: about 100 MiB when an image has as many. */
const KEPT_NAMES = 1 << 18;

/**
 * Opens an ISO 9660 image: names and attributes by Rock Ridge, else by Joliet, else plain ones.
 *
 * Reads files of several sections (4 GiB and more), directories that were moved because they lay too
 * deep, blocks of 512 to 2,048 bytes, and one session of several. Not read: interleaved files, zisofs
 * and sparse files of Rock Ridge; their names are listed, their content is refused. Opening costs at
 * most 3 reads: descriptors, root directory, what the root's Rock Ridge points to. A directory costs
 * one read for each MiB.
 *
 * A file in one piece, as nearly all are, is a slice of `image`: its reader names the same bytes by
 * the same identity whoever asks, and nothing is copied.
 *
 * An inode's number is the byte at which its directory record stands, as in Linux: the names of a hard
 * link are inodes of their own with the same content. Plain names are given in small letters without
 * version, and found only so. An image that ends before its volume does opens; files that it does not
 * have whole are refused.
 *
 * @param image The image, from its byte 0: partitions of hybrid images are not used.
 * @throws {FormatError} `iso.bad-magic`, `iso.truncated`, `iso.damaged`, `iso.unsupported-feature`;
 * later reads too
 * @see ECMA-119; IEEE P1281 and P1282; Joliet Specification
 */
export async function openIso9660(
  image: BlockReader,
  options: IsoOptions = {},
): Promise<IsoFileSystem> {
  const metadataBytes = checkCount(
    "metadataBytes",
    options.metadataBytes ?? 8 << 20,
    PAGE_SIZE,
  );
  const session = SECTOR_SIZE *
    checkCount("sessionSector", options.sessionSector ?? 0);
  const wanted = options.names ?? "rock-ridge";
  const metadata = withCache(image, {
    pageSize: PAGE_SIZE,
    maxBytes: metadataBytes,
  });
  const descriptors = await readDescriptors(metadata, session, options);
  const { volume, primary, joliet } = descriptors;
  const base = { data: image, metadata, name: image.name, volume };
  const context = { ...base, blockSize: volume.blockSize };

  const top = parseRecord(context, primary.rootRecord, 0, primary.rootPosition);
  const rockRidge = await findRockRidge(context, top.extent.offset, options);
  const names: IsoNames = wanted === "rock-ridge" && rockRidge !== undefined
    ? "rock-ridge"
    : wanted !== "plain" && joliet !== undefined
    ? "joliet"
    : "plain";
  const iso: IsoImage = { ...context, names, skip: rockRidge?.skip ?? 0 };
  const tree = names === "joliet" ? joliet! : primary;
  const record = parseRecord(iso, tree.rootRecord, 0, tree.rootPosition);
  const root = describe(
    iso,
    [record],
    tree.rootPosition,
    names === "rock-ridge" ? rockRidge!.root : undefined,
  );
  if (root.type !== "directory") {
    throw isoError(
      "iso.damaged",
      image.name,
      `root directory record at byte ${tree.rootPosition}`,
      `it is of a ${root.type}, expected a directory`,
      { position: tree.rootPosition },
    );
  }
  const opened = new OpenIso(iso, root, descriptors, rockRidge !== undefined);
  return withPaths(opened) as IsoFileSystem;
}

/** What the `.` record of the root directory says, when the image has Rock Ridge. */
async function findRockRidge(
  context: Omit<IsoImage, "names" | "skip">,
  rootStart: number,
  options?: ReadOptions,
): Promise<{ skip: number; root: RockRidge } | undefined> {
  const own = await readOwnRecord(
    context,
    "root directory",
    rootStart,
    options,
  );
  const found = findSkip(own.systemUse);
  if (found === undefined) return undefined;
  // what other records pass over is not there in this one
  const image = { ...context, skip: found.start };
  const root = await readRockRidge(image, own, options);
  return root.identified || root.mode !== undefined
    ? { skip: found.skip, root }
    : undefined;
}

class OpenIso implements IsoSource {
  readonly kind = "ISO 9660";
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly rootNumber: number;
  readonly volume: IsoVolume;
  readonly names: IsoNames;
  readonly features: readonly string[];
  readonly #iso: IsoImage;
  readonly #root: IsoInode;
  readonly #inodes = new Recent<number, IsoInode>(KEPT_NAMES);
  readonly #directories = new Weighted<number, IsoDirectory>(KEPT_NAMES);

  constructor(
    iso: IsoImage,
    root: IsoInode,
    descriptors: IsoDescriptors,
    rockRidge: boolean,
  ) {
    this.blockSize = iso.blockSize;
    this.name = iso.name;
    this.identity = `${iso.data.identity}|iso:${root.number}:${iso.names}`;
    this.rootNumber = root.number;
    this.volume = iso.volume;
    this.names = iso.names;
    this.features = [
      ...(rockRidge ? ["rock-ridge"] : []),
      ...(descriptors.joliet === undefined ? [] : ["joliet"]),
      ...(descriptors.bootCatalog === undefined ? [] : ["el-torito"]),
    ];
    this.#iso = iso;
    this.#root = root;
  }

  async inode(number: number, options?: ReadOptions): Promise<IsoInode> {
    options?.signal?.throwIfAborted();
    if (number === this.rootNumber) return this.#root;
    const kept = this.#inodes.get(number);
    if (kept !== undefined) return kept;
    const found = await readInodeAt(this.#iso, number, options);
    if (found === undefined) {
      throw isoError(
        "iso.damaged",
        this.name,
        `directory record at byte ${number}`,
        "it is of a directory that was moved there from elsewhere",
        { position: number },
      );
    }
    this.#inodes.set(number, found.inode);
    return found.inode;
  }

  async lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    const { byName } = await this.#directory(directory, options);
    return byName.get(name)?.number;
  }

  async *list(
    directory: Inode,
    options?: ReadOptions,
  ): AsyncGenerator<DirectoryEntry> {
    const { byName } = await this.#directory(directory, options);
    for (const [name, { number, type }] of byName) {
      yield { name, number, type };
    }
  }

  // deno-lint-ignore require-await -- throwing must reject
  async readLink(link: Inode, options?: ReadOptions): Promise<string> {
    options?.signal?.throwIfAborted();
    return ours(link, "symlink").target!;
  }

  open(file: Inode): BlockReader {
    const inode = ours(file, "file");
    const { data } = this.#iso;
    try {
      const extents = this.#extents(inode);
      const [only = { offset: 0, size: 0 }] = extents;
      return extents.length > 1
        ? withExtents(data, extents)
        : withSlice(data, only);
    } catch (error) {
      // opening reads nothing, so that what is wrong is told by reading
      return refusing(inode.size, this.blockSize, data, error);
    }
  }

  // deno-lint-ignore require-await -- throwing must reject
  async extentsOf(
    file: Inode,
    options?: ReadOptions,
  ): Promise<readonly Extent[]> {
    options?.signal?.throwIfAborted();
    return this.#extents(ours(file, "file"));
  }

  #extents({ number, extents, refused }: IsoInode): Extent[] {
    const what = `file of directory record at byte ${number}`;
    if (refused !== undefined) {
      throw isoError("iso.unsupported-feature", this.name, what, refused, {
        position: number,
      });
    }
    const joined = joinExtents(extents);
    for (const { offset, size } of joined) {
      checkRange(this.#iso, what, offset, size);
    }
    return joined;
  }

  async #directory(
    directory: Inode,
    options?: ReadOptions,
  ): Promise<IsoDirectory> {
    options?.signal?.throwIfAborted();
    const inode = ours(directory, "directory");
    const kept = this.#directories.get(inode.number);
    if (kept !== undefined) return kept;
    const read = await readDirectory(this.#iso, inode, options);
    for (const child of read.byName.values()) {
      this.#inodes.set(child.number, child);
    }
    this.#directories.set(inode.number, read, read.byName.size + 1);
    return read;
  }
}

function refusing(
  size: number,
  blockSize: number,
  { name, identity }: CachedReader | BlockReader,
  error: unknown,
): BlockReader {
  return {
    blockSize,
    size,
    name,
    identity: `${identity}|iso:refused`,
    // deno-lint-ignore require-await -- throwing must reject
    async read(offset, into, options): Promise<number> {
      const count = clampRead(size, offset, into.length);
      options?.signal?.throwIfAborted();
      if (count === 0) return 0;
      throw error;
    },
  };
}

/** The inode, when it came from this format and is of the type that the call needs. */
function ours(inode: Inode, type: FileType): IsoInode {
  if (inode.type !== type || !("extents" in inode)) {
    throw new TypeError(
      `Cannot use inode ${inode.number}: found ${inode.type}, expected a ${type} of an ISO 9660 image`,
    );
  }
  return inode as IsoInode;
}
