import { type CachedReader, withCache } from "../../block/cache.ts";
import { type Extent, withExtents } from "../../block/extents.ts";
import { checkCount, clampRead } from "../../block/range.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import type {
  DirectoryEntry,
  FileSystem,
  FileType,
  Inode,
  InodeSource,
} from "../../fs/filesystem.ts";
import { withPaths } from "../../fs/open_paths.ts";
import { Weighted } from "../../fs/weighted.ts";
import { type FatVolume, readBootSector } from "./boot_sector.ts";
import {
  ENTRY_SIZE,
  type FatDirectory,
  MAX_DIRECTORY_SIZE,
  parseDirectory,
  parseEntry,
} from "./directory.ts";
import { fatError } from "./errors.ts";
import { foldName } from "./name.ts";
import { AllocationTable } from "./table.ts";

/** Bounds of {@linkcode openFat}, beside the signal of opening. */
export interface FatOptions extends ReadOptions {
  /** Most bytes of allocation table and directories to keep; 4 MiB when absent. */
  readonly metadataBytes?: number | undefined;
}

/** A FAT as a source of inodes, with what its boot sector says. */
export interface FatSource extends InodeSource {
  /** The format: of 12, 16 or 32 bits. */
  readonly kind: "FAT12" | "FAT16" | "FAT32";
  /** What the image says of itself. */
  readonly volume: FatVolume;
  /** Label of the volume, from the root directory or else the boot sector; empty when it has none. */
  readonly label: string;
  /** Where the content of a file lies in the image, in its order; what touches is one extent. */
  extentsOf(file: Inode, options?: ReadOptions): Promise<readonly Extent[]>;
}

/** An open FAT. */
export interface FatFileSystem extends FileSystem {
  /** The format below, for what paths cannot say. */
  readonly source: FatSource;
}

/** Number of the root directory's inode; entries are aligned, so no other has it. */
const ROOT = 1;
/** Bytes kept together; also the least that is read of the table. */
const PAGE_SIZE = 16 << 10;
/** Names that are kept, of all directories together. */
const KEPT_NAMES = 65536 * 2;

/**
 * Opens a FAT12, FAT16 or FAT32 file system with long names.
 *
 * Opening costs at most 3 reads: boot sector, allocation table, root directory (more for a root
 * directory in pieces). A file costs one read of the table, whatever its size up to 1 GiB in clusters
 * of 4 KiB, unless it is in pieces far apart.
 *
 * Names are found whatever their case, long ones and short ones. Where nothing in the format says
 * it, attributes are as Linux shows them: owner 0, mode 755, without write permission when read-only.
 * Times have no zone in this format and are taken for UTC. Directories have size 0. An inode's number
 * is the byte at which its directory entry stands; the root has number 1.
 *
 * The format has no check sums. What FSInfo says is not used; of mirrored tables the first is read,
 * where one is marked as active that one.
 *
 * @param image The file system, from its boot sector on.
 * @throws {FormatError} `fat.bad-magic`, `fat.truncated`, `fat.damaged`, `fat.unsupported-feature`
 * (exFAT, NTFS and BitLocker by name); later reads `fat.damaged` and `fat.truncated`
 * @see Microsoft FAT32 File System Specification 1.03
 */
export async function openFat(
  image: BlockReader,
  options: FatOptions = {},
): Promise<FatFileSystem> {
  const metadataBytes = checkCount(
    "metadataBytes",
    options.metadataBytes ?? 4 << 20,
    PAGE_SIZE,
  );
  const metadata = withCache(image, {
    pageSize: PAGE_SIZE,
    maxBytes: metadataBytes,
  });
  const volume = await readBootSector(metadata, options);
  const opened = new OpenFat(image, metadata, volume);
  await opened.readLabel(options);
  return withPaths(opened) as FatFileSystem;
}

/** An inode with where its content begins. */
interface FatInode extends Inode {
  readonly cluster: number;
}

class OpenFat implements FatSource {
  readonly kind: FatSource["kind"];
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly rootNumber = ROOT;
  readonly volume: FatVolume;
  label = "";
  readonly #image: BlockReader;
  readonly #metadata: CachedReader;
  readonly #table: AllocationTable;
  readonly #directories = new Weighted<number, FatDirectory>(KEPT_NAMES);

  constructor(image: BlockReader, metadata: CachedReader, volume: FatVolume) {
    this.kind = `FAT${volume.bits}`;
    this.blockSize = volume.clusterSize;
    this.name = image.name;
    this.identity = image.identity;
    this.volume = volume;
    this.#image = image;
    this.#metadata = metadata;
    this.#table = new AllocationTable(metadata, volume);
  }

  async readLabel(options?: ReadOptions): Promise<void> {
    const root = await this.inode(ROOT, options);
    const { label } = await this.#directory(root, options);
    this.label = label ?? this.volume.bootLabel;
  }

  async inode(number: number, options?: ReadOptions): Promise<FatInode> {
    options?.signal?.throwIfAborted();
    if (number === ROOT) {
      const { rootCluster } = this.volume;
      return describe(ROOT, {
        directory: true,
        readOnly: false,
        mtime: 0,
        cluster: rootCluster,
        size: 0,
      });
    }
    const bytes = this.#metadata.readCached(number, ENTRY_SIZE) ??
      await readExactly(this.#metadata, number, ENTRY_SIZE, options);
    return describe(number, parseEntry(bytes, this.volume.bits));
  }

  async lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    const inode = ours(directory, "directory");
    const { byName } = await this.#directory(inode, options);
    return byName.get(foldName(name))?.position;
  }

  async *list(
    directory: Inode,
    options?: ReadOptions,
  ): AsyncGenerator<DirectoryEntry> {
    const inode = ours(directory, "directory");
    const { names } = await this.#directory(inode, options);
    for (const { name, directory, position } of names) {
      yield {
        name,
        number: position,
        type: directory ? "directory" : "file",
      };
    }
  }

  readLink(link: Inode): Promise<string> {
    return Promise.reject(
      new TypeError(
        `Cannot read link ${link.number} of "${this.name}": FAT has no links`,
      ),
    );
  }

  open(file: Inode): BlockReader {
    const inode = ours(file, "file");
    const image = this.#image;
    let content: BlockReader | undefined;
    return {
      blockSize: Math.min(image.blockSize, this.volume.sectorSize),
      size: inode.size,
      name: this.name,
      identity: `${this.identity}|fat:${inode.number}`,
      read: async (
        offset: number,
        into: Uint8Array,
        options?: ReadOptions,
      ): Promise<number> => {
        const count = clampRead(inode.size, offset, into.length);
        options?.signal?.throwIfAborted();
        if (count === 0) return 0;
        content ??= withExtents(image, await this.extentsOf(inode, options));
        return await content.read(offset, into, options);
      },
    };
  }

  async extentsOf(
    file: Inode,
    options?: ReadOptions,
  ): Promise<readonly Extent[]> {
    const { cluster, size, number } = ours(file, "file");
    const what = `file at byte ${number}`;
    const extents = await this.#table.fileExtents(what, cluster, size, options);
    this.#checkExtents(what, extents);
    return extents;
  }

  /** The whole directory, from what is kept or by one read for each piece. */
  async #directory(
    inode: FatInode,
    options?: ReadOptions,
  ): Promise<FatDirectory> {
    options?.signal?.throwIfAborted();
    const kept = this.#directories.get(inode.number);
    if (kept !== undefined) return kept;
    const { rootStart, rootSize } = this.volume;
    const what = inode.number === ROOT
      ? "root directory"
      : `directory at byte ${inode.number}`;
    const extents = inode.number === ROOT && rootSize > 0
      ? [{ offset: rootStart, size: rootSize }]
      : await this.#table.directoryExtents(
        what,
        inode.cluster,
        MAX_DIRECTORY_SIZE,
        options,
      );
    this.#checkExtents(what, extents);
    const content = withExtents(this.#metadata, extents);
    const bytes = await readExactly(content, 0, content.size, options);
    const directory = parseDirectory(bytes, extents);
    const weight = directory.names.length + 1;
    this.#directories.set(inode.number, directory, weight);
    return directory;
  }

  /** Refuses what the image does not have, before any part of it is given. */
  #checkExtents(what: string, extents: readonly Extent[]): void {
    const { size: imageSize } = this.#image;
    for (const { offset, size } of extents) {
      if (offset + size <= imageSize) continue;
      throw fatError(
        "fat.truncated",
        this.name,
        what,
        `it lies at bytes ${offset} to ${
          offset + size
        }, expected at most ${imageSize}`,
        { offset, size, imageSize },
      );
    }
  }
}

function describe(
  number: number,
  entry: ReturnType<typeof parseEntry>,
): FatInode {
  return {
    number,
    type: entry.directory ? "directory" : "file",
    size: entry.size,
    mode: entry.readOnly ? 0o555 : 0o755,
    uid: 0,
    gid: 0,
    mtime: entry.mtime,
    linkCount: 1,
    cluster: entry.cluster,
  };
}

/** The inode, when it came from this format and is of the type that the call needs. */
function ours(inode: Inode, type: FileType): FatInode {
  if (inode.type !== type || !("cluster" in inode)) {
    throw new TypeError(
      `Cannot use inode ${inode.number}: found ${inode.type}, expected a ${type} of a FAT`,
    );
  }
  return inode as FatInode;
}
