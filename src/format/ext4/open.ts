import { withCache } from "../../block/cache.ts";
import { withCoalescing } from "../../block/coalesce.ts";
import { checkCount, clampRead } from "../../block/range.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { decodeName } from "../../bytes/text.ts";
import { FormatError } from "../../errors.ts";
import type {
  DirectoryEntry,
  FileSystem,
  FileType,
  Inode,
  InodeSource,
} from "../../fs/filesystem.ts";
import { withPaths } from "../../fs/open_paths.ts";
import { Recent } from "../../fs/recent.ts";
import { Crc32c } from "./checksum.ts";
import { openContent, refuseEncrypted } from "./content.ts";
import { listDirectory, lookupName } from "./directory.ts";
import { damaged, type Ext4Image, type Ext4Inode } from "./image.ts";
import { readInode } from "./inode.ts";
import { EXT4_ROOT_INO, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE } from "./layout.ts";
import { replayJournal } from "./replay.ts";
import { parseSuperblock, type Superblock } from "./superblock.ts";

export type { Ext4Feature } from "./features.ts";
export type { Superblock } from "./superblock.ts";

/** Bounds of {@linkcode openExt4}, beside the signal of opening. */
export interface Ext4Options extends ReadOptions {
  /** Most bytes of metadata to keep; 8 MiB when absent. */
  readonly metadataBytes?: number | undefined;
}

/** An ext2, ext3 or ext4 image as a source of inodes, with what its superblock says. */
export interface Ext4Source extends InodeSource {
  /** Which of its names the file system goes by; the driver `ext4` of Linux mounts all three. */
  readonly kind: "ext2" | "ext3" | "ext4";
  /** What the image says of itself. */
  readonly superblock: Superblock;
  /** Names of on-disk features in use, as `dumpe2fs` prints them. */
  readonly features: readonly string[];
  /**
   * The image was not unmounted: what is read is what its journal says. Linux refuses to mount it
   * from a device that cannot be written; it mounts {@linkcode Ext4Source.recovered}.
   */
  readonly needsRecovery: boolean;
  /**
   * The whole image as a kernel can mount it read-only: the image as it is or, when it was not
   * unmounted, with its journal put in place and emptied.
   */
  readonly recovered: BlockReader;
}

/** An open ext2, ext3 or ext4 image. */
export interface Ext4FileSystem extends FileSystem {
  /** The format below, for what paths cannot say. */
  readonly source: Ext4Source;
}

/** Bytes of the first read: the superblock and the descriptors of 1,024 groups, 128 GiB mostly. */
const HEAD_BYTES = 65536;
/** Bytes of directories and maps that are read together, and of inodes: 1,024 of them mostly. */
const METADATA_PAGE = 32768;
const INODE_PAGE = 262144;
/** Blocks of extents that are kept: at most 340 extents each in blocks of 4096 bytes. */
const EXTENT_BLOCKS = 256;

/**
 * Opens an ext2, ext3 or ext4 image.
 *
 * Reads what `mke2fs` and Linux up to 6.12 write: block maps and extents, inline data, indexed
 * directories, blocks of 1 to 64 KiB, 64-bit block numbers, `bigalloc`, `meta_bg`. With
 * `metadata_csum` every structure is verified before it is used. Extended attributes are passed
 * over; fs-verity and quota are not looked at. An image that was not unmounted is read as its journal
 * says, without writing.
 *
 * Opening costs at most 3 reads; when the journal must be replayed, one more for each MiB of its log,
 * and about 6. Memory: `metadataBytes`, and then 4 MiB of the journal and 100 bytes for each block in
 * it; while a file in many pieces is read at most 32 MiB more.
 *
 * The content of files has no check sums in this format: damage there gives other bytes.
 *
 * @param image The file system, from its byte 0. Put `withReadAhead` around a source that is slow to
 * answer; metadata is cached here.
 * @throws {FormatError} `ext4.bad-magic`, `ext4.bad-superblock`, `ext4.checksum-mismatch`,
 * `ext4.unsupported-feature`, `ext4.truncated`, `ext4.journal-damaged`, `ext4.journal-too-large`,
 * `ext4.journal-unsupported`, `ext4.journal-external`, `ext4.journal-fast-commit`; later reads
 * `ext4.damaged`, and `ext4.unsupported-feature` for what is encrypted
 * @see Linux 6.12, Documentation/filesystems/ext4
 */
export async function openExt4(
  image: BlockReader,
  options: Ext4Options = {},
): Promise<Ext4FileSystem> {
  const metadataBytes = checkCount(
    "metadataBytes",
    options.metadataBytes ?? 8 << 20,
    4 * INODE_PAGE,
  );
  if (image.size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) {
    throw new FormatError(
      "ext4.truncated",
      `Cannot open ext4 of "${image.name}": found ${image.size} bytes, expected at least ${
        SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE
      }; the file is cut short or no image`,
      { facts: { size: image.size } },
    );
  }
  const crc = await Crc32c.load();
  const size = Math.min(HEAD_BYTES, image.size);
  const head = withHead(image, await readExactly(image, 0, size, options));
  const raw = await openImage(head, crc, metadataBytes, options);
  const { needsRecovery } = raw.superblock;
  const recovered = needsRecovery ? await replayJournal(raw, options) : image;
  const opened = needsRecovery
    ? await openImage(recovered, crc, metadataBytes, options)
    : raw;
  const source = new OpenExt4(opened, needsRecovery, recovered);
  const root = await source.inode(EXT4_ROOT_INO, options);
  if (root.type !== "directory") {
    const what = `root inode ${root.number}`;
    throw damaged(opened, what, `it is a ${root.type}, expected a directory`, {
      inode: root.number,
    });
  }
  return withPaths(source) as Ext4FileSystem;
}

async function openImage(
  data: BlockReader,
  crc: Crc32c,
  metadataBytes: number,
  options: ReadOptions,
): Promise<Ext4Image> {
  const bytes = await readExactly(
    data,
    SUPERBLOCK_OFFSET,
    SUPERBLOCK_SIZE,
    options,
  );
  const superblock = parseSuperblock(bytes, data, crc);
  const { blockSize } = superblock;
  const maxBytes = metadataBytes / 2;
  // who looks up many names at once wants many of the same blocks
  const shared = withCoalescing(data);
  return {
    superblock,
    crc,
    data,
    metadata: withCache(shared, {
      pageSize: Math.max(METADATA_PAGE, blockSize),
      maxBytes,
    }),
    inodes: withCache(shared, { pageSize: INODE_PAGE, maxBytes }),
    extents: new Recent(EXTENT_BLOCKS * 4096 / blockSize),
    tables: new Map(),
  };
}

/** A reader whose first bytes are at hand. */
function withHead(reader: BlockReader, head: Uint8Array): BlockReader {
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: reader.identity,
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = clampRead(reader.size, offset, into.length);
      if (offset + count > head.length) {
        return await reader.read(offset, into, options);
      }
      options?.signal?.throwIfAborted();
      into.set(head.subarray(offset, offset + count));
      return count;
    },
  };
}

/** `PATH_MAX` of Linux: no link is longer. */
const MAX_LINK_SIZE = 4096;

class OpenExt4 implements Ext4Source {
  readonly kind: "ext2" | "ext3" | "ext4";
  readonly blockSize: number;
  readonly name: string;
  readonly identity: string;
  readonly rootNumber = EXT4_ROOT_INO;
  readonly superblock: Superblock;
  readonly features: readonly string[];
  readonly needsRecovery: boolean;
  readonly recovered: BlockReader;
  readonly #image: Ext4Image;

  constructor(
    image: Ext4Image,
    needsRecovery: boolean,
    recovered: BlockReader,
  ) {
    const { superblock, data } = image;
    this.#image = image;
    this.kind = superblock.kind;
    this.blockSize = superblock.blockSize;
    this.name = data.name;
    this.identity = data.identity;
    this.superblock = superblock;
    this.features = superblock.features;
    this.needsRecovery = needsRecovery;
    this.recovered = recovered;
  }

  inode(number: number, options?: ReadOptions): Promise<Ext4Inode> {
    return readInode(this.#image, number, options);
  }

  lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    const inode = ours(directory, "directory");
    const content = openContent(this.#image, inode, this.#image.metadata);
    return lookupName(this.#image, inode, content, name, options);
  }

  list(directory: Inode, options?: ReadOptions): AsyncIterable<DirectoryEntry> {
    const inode = ours(directory, "directory");
    const content = openContent(this.#image, inode, this.#image.metadata);
    return listDirectory(this.#image, inode, content, options);
  }

  async readLink(link: Inode, options?: ReadOptions): Promise<string> {
    const inode = ours(link, "symlink");
    const image = this.#image;
    options?.signal?.throwIfAborted();
    refuseEncrypted(image, inode);
    const { size, number, fastLink, block } = inode;
    const most = fastLink ? block.length - 1 : MAX_LINK_SIZE;
    if (size === 0 || size > most) {
      const found = `its target has ${size} bytes, expected 1 to ${most}`;
      throw damaged(image, `link inode ${number}`, found, { inode: number });
    }
    if (fastLink) return decodeName(block.subarray(0, size));
    const content = openContent(image, inode, image.metadata);
    return decodeName(await readExactly(content, 0, size, options));
  }

  open(file: Inode): BlockReader {
    const inode = ours(file, "file");
    return openContent(this.#image, inode, this.#image.data);
  }
}

/** The inode, when it came from this format and is of the type that the call needs. */
function ours(inode: Inode, type: FileType): Ext4Inode {
  if (inode.type !== type || !("checksumSeed" in inode)) {
    throw new TypeError(
      `Cannot use inode ${inode.number}: found ${inode.type}, expected a ${type} of an ext4 image`,
    );
  }
  return inode as Ext4Inode;
}
