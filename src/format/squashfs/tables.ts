/**
 * Tables of records of one size: ids and fragments. Their blocks are found by a list of places, which
 * is where the superblock says that the table is.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { struct, u32, u64 } from "../../bytes/struct.ts";
import { damaged, type SquashfsImage } from "./image.ts";
import { METADATA_SIZE } from "./metadata.ts";

/** `struct squashfs_fragment_entry` */
const FragmentEntry = struct("fragment", {
  start: u64,
  size: u32,
  unused: u32,
});
const ID_SIZE = 4;
const PLACE_SIZE = 8;

type Tables = Pick<SquashfsImage, "superblock" | "reader" | "metadata">;

/** Where a fragment block is stored, and how. */
export interface Fragment {
  /** Byte of the image. */
  readonly start: number;
  /** As in lists of blocks: bytes, and a bit for those stored as they are. */
  readonly size: number;
}

/** Reads the ids that inodes name by their index; mostly 1 read. */
export async function readIds(
  image: Tables,
  options?: ReadOptions,
): Promise<Uint32Array> {
  const { idCount, idTable, directoryTable } = image.superblock;
  const blocks = Math.ceil(idCount * ID_SIZE / METADATA_SIZE);
  // The blocks lie in front of their list: one read brings both into the cache.
  const start = Math.max(
    directoryTable,
    idTable - blocks * (METADATA_SIZE + 2),
  );
  const size = idTable + blocks * PLACE_SIZE - start;
  await readExactly(image.metadata.pages, start, size, options);
  const ids = new Uint32Array(idCount);
  for (let i = 0; i < idCount;) {
    const bytes = await readBlock(image, "ids", idTable, i, ID_SIZE, options);
    const count = Math.min(bytes.length / ID_SIZE, idCount - i);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let k = 0; k < count; k++) ids[i + k] = view.getUint32(k * 4, true);
    i += count;
  }
  return ids;
}

/** Reads where fragment block `index` is. */
export async function readFragment(
  image: Tables,
  index: number,
  options?: ReadOptions,
): Promise<Fragment> {
  const { fragmentCount, fragmentTable } = image.superblock;
  if (fragmentTable === undefined || index >= fragmentCount) {
    throw damaged(
      image,
      `fragment ${index}`,
      `the image has ${fragmentCount} fragments`,
      { index, fragmentCount },
    );
  }
  const bytes = await readBlock(
    image,
    "fragments",
    fragmentTable,
    index,
    FragmentEntry.size,
    options,
  );
  const { start, size } = FragmentEntry.read(bytes);
  if (start >= BigInt(image.superblock.imageSize)) {
    throw damaged(
      image,
      `fragment ${index}`,
      `it is said to lie at byte ${start}, expected less than ${image.superblock.imageSize}`,
      { index, start },
    );
  }
  return { start: Number(start), size };
}

/** The records of the table's block from record `index` to its end; at least one. */
async function readBlock(
  image: Tables,
  name: string,
  list: number,
  index: number,
  recordSize: number,
  options?: ReadOptions,
): Promise<Uint8Array> {
  const { metadata, superblock } = image;
  const offset = index * recordSize;
  const at = list + Math.floor(offset / METADATA_SIZE) * PLACE_SIZE;
  const what = `the table of ${name}`;
  if (at + PLACE_SIZE > superblock.imageSize) {
    throw damaged(
      image,
      what,
      `its list ends behind the image, at byte ${at}`,
      {
        position: at,
      },
    );
  }
  const bytes = metadata.pages.readCached(at, PLACE_SIZE) ??
    await readExactly(metadata.pages, at, PLACE_SIZE, options);
  const view = new DataView(bytes.buffer, bytes.byteOffset, PLACE_SIZE);
  const place = view.getBigUint64(0, true);
  const table = { name: what, start: superblock.directoryTable, end: list };
  if (place >= BigInt(list)) {
    throw metadata.damaged(
      table,
      at,
      `its block is said to lie at byte ${place}, expected less than ${list}`,
      { place },
    );
  }
  const block = await metadata.block(table, Number(place), options);
  const records = block.bytes.subarray(offset % METADATA_SIZE);
  if (records.length < recordSize) {
    throw metadata.damaged(
      table,
      Number(place),
      `its block of ${block.bytes.length} bytes has no record ${index}`,
      { index },
    );
  }
  return records.subarray(0, records.length - records.length % recordSize);
}
