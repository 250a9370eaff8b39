import type { ReadOptions } from "../../block/reader.ts";
import { struct, u16, u32 } from "../../bytes/struct.ts";
import { decodeName, encodeName } from "../../bytes/text.ts";
import type { DirectoryEntry } from "../../fs/filesystem.ts";
import { damaged, type SquashfsImage, type SquashfsInode } from "./image.ts";
import { listingSize, TYPES } from "./inode.ts";
import { METADATA_SIZE, type MetadataCursor } from "./metadata.ts";

/** Before a run of entries whose inodes lie in one block. `struct squashfs_dir_header` */
const Header = struct("directory header", {
  countLess1: u32,
  block: u32,
  number: u32,
});
/** Before a name. `struct squashfs_dir_entry` */
const Entry = struct("directory entry", {
  offset: u16,
  numberDelta: u16,
  type: u16,
  sizeLess1: u16,
});
/** Before a name of the index. `struct squashfs_dir_index` */
const IndexEntry = struct("directory index", {
  position: u32,
  block: u32,
  sizeLess1: u32,
});
/** `SQUASHFS_DIR_COUNT` */
const MAX_COUNT = 256;
/** `SQUASHFS_NAME_LEN` */
const MAX_NAME = 256;

interface RawEntry {
  readonly name: Uint8Array;
  readonly number: number;
  readonly type: number;
}

/** Lists a directory. */
export async function* listDirectory(
  image: SquashfsImage,
  directory: SquashfsInode,
  options?: ReadOptions,
): AsyncGenerator<DirectoryEntry> {
  const listing = new Listing(image, directory);
  for (;;) {
    const entry = listing.tryNext() ?? await listing.next(options);
    if (entry === undefined) return;
    const type = TYPES[entry.type];
    yield {
      name: decodeName(entry.name),
      number: entry.number,
      ...(type === undefined ? {} : { type }),
    };
  }
}

/**
 * Finds a name. The directory's index, where it has one, tells which block of the listing to begin in.
 * Names are sorted; as Linux, this relies on it for their first byte only.
 */
export async function lookupName(
  image: SquashfsImage,
  directory: SquashfsInode,
  name: string,
  options?: ReadOptions,
): Promise<number | undefined> {
  const wanted = encodeName(name);
  const listing = new Listing(image, directory);
  await seek(image, directory, listing, wanted, options);
  for (;;) {
    const entry = listing.tryNext() ?? await listing.next(options);
    if (entry === undefined) return undefined;
    if (entry.name[0]! > wanted[0]!) return undefined;
    if (compare(entry.name, wanted) === 0) return entry.number;
  }
}

/** Entries of one directory, from its start or from where the index points. */
class Listing {
  readonly #image: SquashfsImage;
  readonly #directory: SquashfsInode;
  #cursor: MetadataCursor;
  /** Bytes of the listing that are left. */
  #left: number;
  /** Entries of the run at hand that are left. */
  #count = 0;
  #block = 0;

  constructor(image: SquashfsImage, directory: SquashfsInode) {
    this.#image = image;
    this.#directory = directory;
    this.#cursor = image.metadata.cursor(
      image.directories,
      directory.listing!,
    );
    this.#left = listingSize(directory);
  }

  /** Goes to byte `position` of the listing, which lies in the block at byte `block`. */
  seek(position: number, block: number): void {
    const { metadata, directories } = this.#image;
    const offset = (this.#directory.listing!.offset + position) %
      METADATA_SIZE;
    this.#cursor = metadata.cursor(directories, { block, offset });
    this.#left = listingSize(this.#directory) - position;
  }

  /** The next entry if all of it is at hand; otherwise nothing has happened. */
  tryNext(): RawEntry | undefined {
    if (this.#count === 0 || this.#left < Entry.size) return undefined;
    const before = this.#cursor.place;
    const head = this.#cursor.tryTake(Entry.size);
    if (head === undefined) return undefined;
    const size = (head[6]! | (head[7]! << 8)) + 1;
    const name = size > MAX_NAME || size > this.#left - Entry.size
      ? undefined
      : this.#cursor.tryTake(size);
    if (name === undefined) {
      this.#cursor = this.#image.metadata.cursor(
        this.#image.directories,
        before,
      );
      return undefined;
    }
    return this.#entry(head, name);
  }

  /** The next entry, `undefined` behind the last one. */
  async next(options?: ReadOptions): Promise<RawEntry | undefined> {
    if (this.#left === 0) return undefined;
    if (this.#count === 0) await this.#readHeader(options);
    this.#need(Entry.size);
    const head = await this.#cursor.take(Entry.size, options);
    const size = (head[6]! | (head[7]! << 8)) + 1;
    if (size > MAX_NAME) {
      throw this.#damaged(`a name of ${size} bytes, expected at most 256`);
    }
    this.#need(Entry.size + size);
    return this.#entry(head, await this.#cursor.take(size, options));
  }

  async #readHeader(options?: ReadOptions): Promise<void> {
    this.#need(Header.size);
    const header = Header.read(await this.#cursor.take(Header.size, options));
    if (header.countLess1 >= MAX_COUNT) {
      throw this.#damaged(
        `a run of ${header.countLess1 + 1} entries, expected at most 256`,
      );
    }
    this.#count = header.countLess1 + 1;
    this.#block = header.block;
    this.#left -= Header.size;
  }

  #entry(head: Uint8Array, name: Uint8Array): RawEntry {
    this.#count--;
    this.#left -= Entry.size + name.length;
    const offset = head[0]! | (head[1]! << 8);
    const type = head[4]! | (head[5]! << 8);
    return { name, number: this.#block * 65536 + offset, type };
  }

  #need(size: number): void {
    if (size <= this.#left) return;
    throw this.#damaged(
      `its listing ends within an entry: ${this.#left} bytes are left of ${size}`,
    );
  }

  #damaged(found: string): Error {
    const { number, size } = this.#directory;
    const what = `directory inode ${number} at byte ${
      listingSize(this.#directory) - this.#left
    }`;
    return damaged(this.#image, what, found, { inode: number, size });
  }
}

/** Moves `listing` to the last place that the index names whose first name is not behind `wanted`. */
async function seek(
  image: SquashfsImage,
  directory: SquashfsInode,
  listing: Listing,
  wanted: Uint8Array,
  options?: ReadOptions,
): Promise<void> {
  const cursor = image.metadata.cursor(image.inodes, directory.tail);
  let best: { position: number; block: number } | undefined;
  for (let left = directory.indexCount ?? 0; left > 0; left--) {
    const head = IndexEntry.read(await cursor.take(IndexEntry.size, options));
    const what = `index of directory inode ${directory.number}`;
    if (head.sizeLess1 >= MAX_NAME) {
      const found = `a name of ${
        head.sizeLess1 + 1
      } bytes, expected at most 256`;
      throw damaged(image, what, found, { inode: directory.number });
    }
    const name = await cursor.take(head.sizeLess1 + 1, options);
    if (compare(name, wanted) > 0) break;
    if (head.position > listingSize(directory)) {
      const found = `place ${head.position} of a listing of ${
        listingSize(directory)
      } bytes`;
      throw damaged(image, what, found, { inode: directory.number });
    }
    best = { position: head.position, block: head.block };
  }
  if (best !== undefined) {
    listing.seek(best.position, image.directories.start + best.block);
  }
}

/** Order of names: that of their bytes, as `strcmp` has it. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const size = Math.min(a.length, b.length);
  for (let i = 0; i < size; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
