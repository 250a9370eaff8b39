import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { struct, u16, u32, u64 } from "../../bytes/struct.ts";
import { type ErrorFacts, FormatError } from "../../errors.ts";

/** `SQUASHFS_MAGIC`: `hsqs`. */
const MAGIC = 0x73717368;
/** The magic of big-endian images, which are of version 3 and older. */
const MAGIC_SWAPPED = 0x68737173;
/** Where a table is not there. */
const NONE = 0xffffffffffffffffn;

/** `struct squashfs_super_block`, little-endian, at byte 0. */
export const SuperblockLayout = struct("squashfs superblock", {
  magic: u32,
  inodes: u32,
  mkfsTime: u32,
  blockSize: u32,
  fragments: u32,
  compression: u16,
  blockLog: u16,
  flags: u16,
  ids: u16,
  major: u16,
  minor: u16,
  rootInode: u64,
  bytesUsed: u64,
  idTable: u64,
  xattrTable: u64,
  inodeTable: u64,
  directoryTable: u64,
  fragmentTable: u64,
  exportTable: u64,
});

/** Compressors that are read, by what messages and `unsquashfs -s` call them. */
export type Compression = "gzip" | "lzo" | "xz" | "lz4" | "zstd";

/** By their number, `ZLIB_COMPRESSION` and so on. */
const COMPRESSIONS: readonly (Compression | "lzma" | undefined)[] = [
  undefined,
  "gzip",
  "lzma",
  "lzo",
  "xz",
  "lz4",
  "zstd",
];

const COMPRESSOR_OPTIONS = 0x400;
const FLAGS = [
  [0x1, "uncompressed inodes"],
  [0x2, "uncompressed data"],
  [0x8, "uncompressed fragments"],
  [0x10, "no fragments"],
  [0x20, "always fragments"],
  [0x40, "duplicates removed"],
  [0x80, "exportable"],
  [0x100, "uncompressed xattrs"],
  [0x200, "no xattrs"],
  [0x800, "uncompressed ids"],
] as const;

/** What an image says of itself, checked. */
export interface Superblock {
  /** What blocks are packed by. */
  readonly compression: Compression;
  /** Bytes of a data block, a power of two of 4 KiB to 1 MiB. */
  readonly blockSize: number;
  /** Bytes of the image without padding. */
  readonly imageSize: number;
  /** As the image states it; not verified. */
  readonly inodeCount: number;
  /** Seconds since 1970-01-01 UTC of making, or of appending. */
  readonly mkfsTime: number;
  /** Reference of the root directory's inode. */
  readonly rootInode: number;
  /** Blocks that hold the ends of several files. */
  readonly fragmentCount: number;
  /** Owners and groups. */
  readonly idCount: number;
  /** Byte of the image at which the inodes start. */
  readonly inodeTable: number;
  /** The same of the directories. */
  readonly directoryTable: number;
  /** The same of the fragments; absent when there are none. */
  readonly fragmentTable?: number;
  /** The same of what leads from inode numbers to inodes. */
  readonly exportTable?: number;
  /** The same of owners and groups. */
  readonly idTable: number;
  /** The same of extended attributes, which are not read. */
  readonly xattrTable?: number;
  /** Byte behind the directory table at which something else starts at the latest. */
  readonly directoryEnd: number;
  /** Of the compressor, as `unsquashfs -s` names them; only those that are not the default. */
  readonly compressorOptions: Readonly<Record<string, number>>;
  /** Compressor, block size, and flags that are set, in the words of `unsquashfs -s`. */
  readonly features: readonly string[];
}

/** Bytes read first: the superblock, and the compressor's options behind it. */
const HEAD_SIZE = SuperblockLayout.size + 2 + 8;

/**
 * Reads and checks the superblock; 1 read.
 *
 * @throws {FormatError} `squashfs.bad-magic`, `squashfs.bad-superblock`,
 * `squashfs.unsupported-feature`, `squashfs.truncated`
 */
export async function readSuperblock(
  image: BlockReader,
  options?: ReadOptions,
): Promise<Superblock> {
  const { size: least } = SuperblockLayout;
  if (image.size < least) {
    throw refuse(
      image,
      "truncated",
      `found ${image.size} bytes, expected at least ${least}; the file is cut short or no image`,
      { size: image.size },
    );
  }
  const size = Math.min(HEAD_SIZE, image.size);
  const head = await readExactly(image, 0, size, options);
  const raw = SuperblockLayout.read(head);
  checkKind(image, raw);
  const bad = (reason: string, facts: ErrorFacts): FormatError =>
    refuse(image, "bad-superblock", `${reason}; the image is damaged`, facts);
  const { blockSize, blockLog, flags, ids, fragments } = raw;
  if (blockLog < 12 || blockLog > 20 || blockSize !== 2 ** blockLog) {
    throw bad(
      `block size is ${blockSize}, its logarithm ${blockLog}, expected a power of two from 4096 to 1048576`,
      { blockSize, blockLog },
    );
  }
  if (ids === 0) throw bad("it has no ids, expected at least 1", { ids });
  const imageSize = raw.bytesUsed;
  if (imageSize < BigInt(least) || imageSize >= 1n << 52n) {
    throw bad(`size is ${imageSize}, expected ${least} or more`, { imageSize });
  }
  if (imageSize > image.size) {
    throw refuse(
      image,
      "truncated",
      `found ${image.size} bytes, expected ${imageSize}; the image is cut short`,
      { size: image.size, expected: Number(imageSize) },
    );
  }
  if (fragments > 0 && raw.fragmentTable === NONE) {
    throw bad(`it has ${fragments} fragments, but no table of them`, {
      fragments,
    });
  }
  const tables = checkTables(raw, bad);
  const compression = COMPRESSIONS[raw.compression] as Compression;
  const compressorOptions = flags & COMPRESSOR_OPTIONS
    ? readOptions(compression, head)
    : {};
  return {
    compression,
    blockSize,
    imageSize: Number(imageSize),
    inodeCount: raw.inodes,
    mkfsTime: raw.mkfsTime,
    rootInode: Number(raw.rootInode),
    fragmentCount: fragments,
    idCount: ids,
    ...tables,
    compressorOptions,
    features: [
      compression,
      `block size ${blockSize}`,
      ...FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name),
    ],
  };
}

type Raw = ReturnType<typeof SuperblockLayout.read>;

/** Refuses what is no squashfs, or one that we do not read. */
function checkKind(image: BlockReader, raw: Raw): void {
  const { magic, major, minor, compression } = raw;
  if (magic !== MAGIC && magic !== MAGIC_SWAPPED) {
    throw refuse(
      image,
      "bad-magic",
      `magic at byte 0 is 0x${
        magic.toString(16).padStart(8, "0")
      }, expected 0x73717368; the file holds something else`,
      { magic },
    );
  }
  const unread = magic === MAGIC_SWAPPED
    ? "big-endian squashfs of version 3 or older"
    : major !== 4 || minor !== 0
    ? `squashfs of version ${major}.${minor}`
    : COMPRESSIONS[compression] === undefined
    ? `compression ${compression}`
    : COMPRESSIONS[compression] === "lzma"
    ? "lzma compression, which Linux does not read either"
    : undefined;
  if (unread === undefined) return;
  throw refuse(
    image,
    "unsupported-feature",
    `it is ${unread}, expected version 4.0 with gzip, xz, zstd, lz4 or lzo; make the image anew with mksquashfs 4`,
    { major, minor, compression },
  );
}

/** The places of the tables, which lie one behind the other in this order. */
function checkTables(
  raw: Raw,
  bad: (reason: string, facts: ErrorFacts) => FormatError,
) {
  const places = [
    ["inodeTable", raw.inodeTable],
    ["directoryTable", raw.directoryTable],
    ["fragmentTable", raw.fragmentTable],
    ["exportTable", raw.exportTable],
    ["idTable", raw.idTable],
    ["xattrTable", raw.xattrTable],
  ] as const;
  const optional = ["fragmentTable", "exportTable", "xattrTable"];
  const found: Partial<Record<(typeof places)[number][0], number>> = {};
  let before = BigInt(SuperblockLayout.size);
  for (const [name, place] of places) {
    if (place === NONE && optional.includes(name)) continue;
    if (place < before || place > raw.bytesUsed) {
      throw bad(
        `${name} starts at byte ${place}, expected ${before} to ${raw.bytesUsed}`,
        { [name]: place },
      );
    }
    found[name] = Number(place);
    before = place;
  }
  const idTable = found.idTable!;
  const idEnd = found.xattrTable ?? Number(raw.bytesUsed);
  const lists = Math.ceil(raw.ids * 4 / 8192) * 8;
  if (idTable + lists > idEnd) {
    throw bad(
      `the table of ${raw.ids} ids at byte ${idTable} ends behind byte ${idEnd}`,
      { ids: raw.ids, idTable },
    );
  }
  const inodeBytes = found.directoryTable! - found.inodeTable!;
  // Keeps references, which have 16 bits of offset below the place, exact as numbers.
  if (inodeBytes >= 2 ** 36) {
    throw bad(`inodes take ${inodeBytes} bytes, expected less than 2^36`, {
      inodeBytes,
    });
  }
  if (raw.rootInode >> 16n >= BigInt(inodeBytes)) {
    throw bad(
      `the root's inode is said to lie ${
        raw.rootInode >> 16n
      } bytes into ${inodeBytes} bytes of inodes`,
      { rootInode: raw.rootInode, inodeBytes },
    );
  }
  return {
    inodeTable: found.inodeTable!,
    directoryTable: found.directoryTable!,
    idTable,
    directoryEnd: found.fragmentTable ?? found.exportTable ?? idTable,
    ...(found.fragmentTable === undefined
      ? {}
      : { fragmentTable: found.fragmentTable }),
    ...(found.exportTable === undefined
      ? {}
      : { exportTable: found.exportTable }),
    ...(found.xattrTable === undefined ? {} : { xattrTable: found.xattrTable }),
  };
}

const OptionLayouts = {
  gzip: struct("gzip options", {
    compressionLevel: u32,
    windowSize: u16,
    strategies: u16,
  }),
  lzo: struct("lzo options", { algorithm: u32, compressionLevel: u32 }),
  xz: struct("xz options", { dictionarySize: u32, filters: u32 }),
  lz4: struct("lz4 options", { version: u32, flags: u32 }),
  zstd: struct("zstd options", { compressionLevel: u32 }),
};

/** What the compressor was told: facts for people, decoding needs none of it. */
function readOptions(
  compression: Compression,
  head: Uint8Array,
): Readonly<Record<string, number>> {
  const layout = OptionLayouts[compression];
  const at = SuperblockLayout.size + 2;
  return at + layout.size > head.length ? {} : layout.read(head, at);
}

function refuse(
  image: BlockReader,
  what: string,
  reason: string,
  facts: ErrorFacts,
): FormatError {
  return new FormatError(
    `squashfs.${what}`,
    `Cannot open squashfs of "${image.name}": ${reason}`,
    { facts },
  );
}
