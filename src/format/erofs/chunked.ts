import { clampRead } from "../../block/range.ts";
import { fillExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import {
  checkRange,
  contentReader,
  erofsError,
  type ErofsImage,
  type ErofsInode,
  readMetadata,
} from "./image.ts";

const CHUNK_BITS_MASK = 0x1f;
const CHUNK_INDEXES = 0x20;
const KNOWN_FORMAT = CHUNK_BITS_MASK | CHUNK_INDEXES;
/** A chunk that is a hole: reads as zeros because that is its content. */
const EROFS_NULL_ADDR = 0xffffffff;
/** Entries looked up at once: one read of the map serves a run of chunks. */
const MAP_ENTRIES = 1024;

/** Content in chunks of a fixed size, each at an address of its own or a hole. */
export function openChunked(image: ErofsImage, inode: ErofsInode): BlockReader {
  const { size } = inode;
  const { blockBits } = image.superblock;
  const blockSize = 2 ** blockBits;
  const what = `inode ${inode.number}`;
  const format = inode.u & 0xffff;
  const indexed = (format & CHUNK_INDEXES) !== 0;
  const chunkSize = 2 ** (blockBits + (format & CHUNK_BITS_MASK));
  const entrySize = indexed ? 8 : 4;
  const mapStart = Math.ceil(inode.headEnd / entrySize) * entrySize;

  /** Byte of the image where chunk `i` of `entries` starts; `undefined` for a hole. */
  function address(entries: DataView, i: number): number | undefined {
    // the device id between counts modulo the number of devices, and images of several are refused
    const block = entries.getUint32(indexed ? i * 8 + 4 : i * 4, true);
    return block === EROFS_NULL_ADDR ? undefined : block * blockSize;
  }

  async function read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    const count = clampRead(size, offset, into.length);
    options?.signal?.throwIfAborted();
    if (count > 0 && format & ~KNOWN_FORMAT) {
      const found = `chunk format is 0x${format.toString(16)}`;
      throw erofsError(image, "erofs.unsupported-feature", what, found, {
        format,
      });
    }
    let done = 0;
    while (done < count) {
      const first = Math.floor((offset + done) / chunkSize);
      const last = Math.min(
        Math.ceil((offset + count) / chunkSize),
        first + MAP_ENTRIES,
      );
      const mapAt = mapStart + first * entrySize;
      checkRange(image, what, mapAt, (last - first) * entrySize);
      const bytes = await readMetadata(
        image,
        mapAt,
        (last - first) * entrySize,
        options,
      );
      const entries = new DataView(
        bytes.buffer,
        bytes.byteOffset,
        bytes.length,
      );
      for (let chunk = first; chunk < last;) {
        const start = address(entries, chunk - first);
        // chunks that lie side by side are one read
        let end = chunk + 1;
        while (end < last) {
          const next = address(entries, end - first);
          const expected = start === undefined
            ? undefined
            : start + (end - chunk) * chunkSize;
          if (next !== expected) break;
          end++;
        }
        const skip = offset + done - chunk * chunkSize;
        const length = Math.min(count - done, (end - chunk) * chunkSize - skip);
        const part = into.subarray(done, done + length);
        if (start === undefined) part.fill(0);
        else {
          checkRange(image, what, start + skip, length);
          await fillExactly(image.data, start + skip, part, options);
        }
        done += length;
        chunk = end;
      }
    }
    return count;
  }
  return contentReader(image, inode, read);
}
