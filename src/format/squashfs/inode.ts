import type { ReadOptions } from "../../block/reader.ts";
import { struct, u16, u32, u64 } from "../../bytes/struct.ts";
import type { FileType } from "../../fs/filesystem.ts";
import { damaged, type SquashfsImage, type SquashfsInode } from "./image.ts";

const Head = struct("inode", {
  kind: u16,
  mode: u16,
  uid: u16,
  gid: u16,
  mtime: u32,
  number: u32,
});

/** What follows the head, by kind. `struct squashfs_*_inode` */
const Directory = struct("directory inode", {
  block: u32,
  linkCount: u32,
  size: u16,
  offset: u16,
  parent: u32,
});
const ExtendedDirectory = struct("extended directory inode", {
  linkCount: u32,
  size: u32,
  block: u32,
  parent: u32,
  indexCount: u16,
  offset: u16,
  xattr: u32,
});
const File = struct("file inode", {
  start: u32,
  fragment: u32,
  offset: u32,
  size: u32,
});
const ExtendedFile = struct("extended file inode", {
  start: u64,
  size: u64,
  sparse: u64,
  linkCount: u32,
  fragment: u32,
  offset: u32,
  xattr: u32,
});
const Link = struct("symlink inode", { linkCount: u32, size: u32 });
const Device = struct("device inode", { linkCount: u32, device: u32 });
const Special = struct("fifo or socket inode", { linkCount: u32 });

/** `SQUASHFS_*_TYPE` of basic inodes; the extended ones are 7 higher. */
export const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  "directory",
  "file",
  "symlink",
  "block-device",
  "character-device",
  "fifo",
  "socket",
];
const EXTENDED = 7;
/** `SQUASHFS_INVALID_FRAG` */
const NO_FRAGMENT = 0xffffffff;
/** The size of a listing counts 3 bytes for `.` and `..`. */
const LISTING_EXTRA = 3;

/** Bytes of a directory's listing. */
export function listingSize(directory: SquashfsInode): number {
  return Math.max(0, directory.size - LISTING_EXTRA);
}

/**
 * Reads the inode at reference `number`: 16 bits of offset below the place of its block.
 *
 * @param ids What {@linkcode readIds} gave.
 */
export async function readInode(
  image: SquashfsImage,
  ids: Uint32Array,
  number: number,
  options?: ReadOptions,
): Promise<SquashfsInode> {
  const { inodes, directories, superblock } = image;
  const what = `inode ${number}`;
  const cursor = image.metadata.cursor(inodes, {
    block: inodes.start + Math.floor(number / 65536),
    offset: number % 65536,
  });
  const take = (size: number) => cursor.take(size, options);
  const head = Head.read(await take(Head.size));
  const extended = head.kind > EXTENDED;
  const type = TYPES[extended ? head.kind - EXTENDED : head.kind];
  if (type === undefined) {
    throw damaged(image, what, `its type is ${head.kind}, expected 1 to 14`, {
      inode: number,
      type: head.kind,
    });
  }
  const [uid, gid] = [ids[head.uid], ids[head.gid]];
  if (uid === undefined || gid === undefined) {
    throw damaged(
      image,
      what,
      `its owners are ids ${head.uid} and ${head.gid} of ${ids.length}`,
      { inode: number, uid: head.uid, gid: head.gid },
    );
  }
  const base = {
    number,
    type,
    mode: head.mode & 0o7777,
    uid,
    gid,
    mtime: head.mtime,
  };
  switch (type) {
    case "directory": {
      const raw = extended
        ? ExtendedDirectory.read(await take(ExtendedDirectory.size))
        : { ...Directory.read(await take(Directory.size)), indexCount: 0 };
      const { size, linkCount, block, offset, indexCount } = raw;
      const listing = { block: directories.start + block, offset };
      const tail = cursor.place;
      return { ...base, size, linkCount, listing, indexCount, tail };
    }
    case "file": {
      const raw = extended
        ? ExtendedFile.read(await take(ExtendedFile.size))
        : { ...File.read(await take(File.size)), linkCount: 1 };
      const size = Number(raw.size), blocksStart = Number(raw.start);
      if (
        size > Number.MAX_SAFE_INTEGER || blocksStart > superblock.imageSize
      ) {
        throw damaged(
          image,
          what,
          `it is said to hold ${raw.size} bytes stored from byte ${raw.start} on`,
          { inode: number, size: raw.size, start: raw.start },
        );
      }
      const { linkCount, fragment: index, offset } = raw;
      const fragment = index === NO_FRAGMENT
        ? {}
        : { fragment: { index, offset } };
      const tail = cursor.place;
      return { ...base, size, linkCount, blocksStart, ...fragment, tail };
    }
    case "symlink": {
      const { linkCount, size } = Link.read(await take(Link.size));
      return { ...base, size, linkCount, tail: cursor.place };
    }
    case "block-device":
    case "character-device": {
      const { linkCount, device } = Device.read(await take(Device.size));
      return { ...base, size: 0, linkCount, rdev: device, tail: cursor.place };
    }
    case "fifo":
    case "socket": {
      const { linkCount } = Special.read(await take(Special.size));
      return { ...base, size: 0, linkCount, tail: cursor.place };
    }
  }
}
