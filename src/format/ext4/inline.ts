/**
 * Inline data: content that stands in the inode, the first 60 bytes in `i_block`, the rest as the
 * value of the extended attribute `system.data` behind the inode's fields.
 *
 * @module
 */

import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { damaged, type Ext4Image, type Ext4Inode } from "./image.ts";

/** Magic of the extended attributes in an inode, `EXT4_XATTR_MAGIC`. */
const XATTR_MAGIC = 0xea020000;
/** `EXT4_XATTR_INDEX_SYSTEM`, and the name of the attribute in it. */
const INDEX_SYSTEM = 7;
const NAME = "data";
/** Bytes of `struct ext4_xattr_entry` before the name. */
const ENTRY_SIZE = 16;

/**
 * The value of `system.data` in an inode; empty when it has none.
 *
 * @param bytes The inode.
 * @param extraSize Bytes of fields behind its first 128.
 */
export function findInlineRest(
  image: Ext4Image,
  what: string,
  position: number,
  bytes: Uint8Array,
  extraSize: number,
): Uint8Array {
  const start = 128 + extraSize;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (
    start + 8 > bytes.length || view.getUint32(start, true) !== XATTR_MAGIC
  ) {
    return new Uint8Array(0);
  }
  const wrong = (found: string) =>
    damaged(image, what, `its extended attributes: ${found}`, { position });
  const first = start + 4;
  for (let at = first;;) {
    // four zero bytes end the list
    if (at + 4 > bytes.length) throw wrong("the list has no end");
    if (view.getUint32(at, true) === 0) return new Uint8Array(0);
    const nameSize = bytes[at]!;
    const end = at + ENTRY_SIZE + nameSize;
    if (end > bytes.length) throw wrong(`entry at byte ${at} is cut off`);
    const name = String.fromCharCode(...bytes.subarray(at + ENTRY_SIZE, end));
    if (bytes[at + 1] === INDEX_SYSTEM && name === NAME) {
      const valueAt = first + view.getUint16(at + 2, true);
      const inode = view.getUint32(at + 4, true);
      const size = view.getUint32(at + 8, true);
      if (inode !== 0 || valueAt + size > bytes.length) {
        throw wrong(
          `inline data of ${size} bytes at byte ${valueAt} is not in the inode`,
        );
      }
      return bytes.slice(valueAt, valueAt + size);
    }
    at = first + Math.ceil((end - first) / 4) * 4;
  }
}

/**
 * Content of an inode with inline data. What is past it reads as zeros, as Linux reads it: mke2fs
 * leaves a file that is one large hole so.
 */
export function openInline(image: Ext4Image, inode: Ext4Inode): BlockReader {
  const { size, block, inlineRest } = inode;
  const rest = inlineRest ?? new Uint8Array(0);
  return {
    blockSize: image.superblock.blockSize,
    size,
    name: image.data.name,
    identity: `${image.data.identity}#${inode.number}`,
    // deno-lint-ignore require-await -- throwing must reject
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const count = clampRead(size, offset, into.length);
      options?.signal?.throwIfAborted();
      const end = offset + count;
      const head = block.subarray(offset, end);
      const tail = rest.subarray(
        Math.max(0, offset - block.length),
        Math.max(0, end - block.length),
      );
      into.set(head);
      into.set(tail, head.length);
      into.fill(0, head.length + tail.length, count);
      return count;
    },
  };
}
