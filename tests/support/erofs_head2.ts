/**
 * Images with HEAD2 lclusters, which mkfs.erofs writes for nobody: made of those that have HEAD1.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import type { ErofsInode } from "../../src/format/erofs/image.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { sealSuperblock } from "./erofs_images.ts";

/** `EROFS_INODE_COMPRESSED_*` and `enum z_erofs_lcluster_type`, erofs_fs.h. */
const FULL = 1;
const COMPACT = 3;
const PLAIN = 0;
const HEAD1 = 1;
const HEAD2 = 3;
const INCOMPAT = 1104;

/** The type of one lcluster: 2 bits at bit `at` of the image. */
interface TypeField {
  readonly at: number;
  readonly type: number;
  /** Of a head: where its extent starts in the file. */
  readonly start: number;
}

/** Where the index of an inode keeps the types of its lclusters, by the layout in erofs_fs.h. */
function typeFields(
  bytes: Uint8Array<ArrayBuffer>,
  { layout, headEnd, size }: ErofsInode,
  blockSize: number,
): TypeField[] {
  const header = Math.ceil(headEnd / 8) * 8;
  const count = Math.ceil(size / blockSize);
  const at: number[] = [];
  if (layout === FULL) {
    for (let i = 0; i < count; i++) at.push((header + 16 + i * 8) * 8);
  } else {
    const start = header + 8;
    const packed = (bytes[header + 4]! & 1) !== 0; // Z_EROFS_ADVISE_COMPACTED_2B
    const before = packed ? (32 - start % 32) / 4 % 8 : count;
    let pack = start;
    for (let i = 0; i < count;) {
      const two = i >= before && count - i >= 16;
      const entries = two ? 16 : 2;
      for (let k = 0; k < entries && i < count; k++, i++) {
        at.push(pack * 8 + k * (two ? 14 : 16) + 12);
      }
      pack += two ? 32 : 8;
    }
  }
  const view = new DataView(bytes.buffer);
  const field = (bit: number, length: number) =>
    (view.getUint32(bit >> 3, true) >>> (bit & 7)) & (2 ** length - 1);
  return at.map((bit, i) => ({
    at: bit,
    type: field(bit, 2),
    start: i * blockSize +
      (layout === FULL ? field(bit + 16, 16) : field(bit - 12, 12)),
  }));
}

/** How {@linkcode withHead2} rewrites an inode. */
export interface Rewrite {
  /** Every how many HEAD1 lclusters become HEAD2. */
  readonly every: number;
  /** `h_algorithmtype` in place of `algorithm` for HEAD1. */
  algorithms(algorithm: number): number;
}

/** A copy in which HEAD1 lclusters are HEAD2; gives the number of both kinds and of PLAIN ones. */
export async function withHead2(
  image: Uint8Array<ArrayBuffer>,
  rewrite: Rewrite,
): Promise<{
  bytes: Uint8Array<ArrayBuffer>;
  counts: { head1: number; head2: number; plain: number };
}> {
  const bytes = image.slice();
  const counts = { head1: 0, head2: 0, plain: 0 };
  const files = await openErofs(openMemory(image));
  const seen = new Set<number>();
  let heads = 0;
  for await (const entry of files.walk("/")) {
    const inode = entry.inode as ErofsInode;
    const { layout, headEnd, number } = inode;
    if (layout !== FULL && layout !== COMPACT || seen.has(number)) continue;
    seen.add(number);
    const header = Math.ceil(headEnd / 8) * 8;
    if (bytes[header + 7]! & 0x80) continue; // no index, all of it is a fragment
    for (const field of typeFields(image, inode, files.blockSize)) {
      const { at, type, start } = field;
      // at the end of a file stands a plain head of nothing
      if (type === PLAIN && start < inode.size) counts.plain++;
      if (type !== HEAD1) continue;
      if (heads++ % rewrite.every !== 0) counts.head1++;
      else {
        counts.head2++;
        bytes[(at + 1) >> 3]! |= (HEAD2 >> 1) << ((at + 1) & 7);
      }
    }
    // Z_EROFS_ADVISE_BIG_PCLUSTER_2 where _1 is set
    if (bytes[header + 4]! & 2) bytes[header + 4]! |= 4;
    bytes[header + 6] = rewrite.algorithms(bytes[header + 6]! & 15);
  }
  bytes[INCOMPAT]! |= 8; // EROFS_FEATURE_INCOMPAT_COMPR_HEAD2
  sealSuperblock(bytes);
  return { bytes, counts };
}
