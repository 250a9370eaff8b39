import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { fillExactly } from "../../block/read_exactly.ts";
import { crc32 } from "../../wasm/checksum.ts";
import { readChunks, sparseError, type SparseLayout } from "./chunks.ts";
import { readRuns } from "./runs.ts";

/** An Android sparse image as the bytes that it stands for. */
export interface SparseReader extends BlockReader {
  /** What its headers say. */
  readonly sparse: {
    /** Bytes of a block, a multiple of 4. */
    readonly blockSize: number;
    /** Chunks of all kinds. */
    readonly chunks: number;
    /** Bytes of content that are in the file; the others are filled. */
    readonly rawBytes: number;
    /** Check sums that the file states, see {@linkcode verifySparse}. */
    readonly checksums: number;
    /** Bytes of the file behind the last chunk, which stand for nothing. */
    readonly trailingBytes: number;
  };
}

const VERIFY_BYTES = 1 << 20;

const layouts = new WeakMap<SparseReader, SparseLayout>();

/**
 * Opens an Android sparse image: reads give what `simg2img` writes, zeros where it does not care.
 *
 * All chunk headers are read and checked here. Nothing says where they are but the one before, so
 * this costs 1 read, and 1 more for each raw chunk that is longer than what is read at once (4 KiB to
 * 1 MiB, as they come): 10 for an image of 640 MiB that `img2simg` made. A read of content costs
 * 1 read where the runs that it touches lie side by side. Memory: 20 bytes for each run, and at most
 * 8 MiB during a read.
 *
 * CRC-32 chunks and the check sum in the header are of all content before them, so reads cannot be
 * verified by them: `sparse.checksums` says how many there are, {@linkcode verifySparse} reads
 * everything and compares.
 *
 * @throws {FormatError} `sparse.bad-magic`, `sparse.truncated`, `sparse.damaged`,
 * `sparse.unsupported-feature`
 * @see AOSP, system/core/libsparse
 */
export async function openSparse(
  image: BlockReader,
  options: ReadOptions = {},
): Promise<SparseReader> {
  const layout = await readChunks(image, options);
  const { header, runs, checksums, end } = layout;
  const { size } = runs;
  let rawBytes = 0;
  for (const run of runs.within(0, size)) {
    if (run.source !== undefined) rawBytes += run.size;
  }
  let blockSize = 4;
  while (header.blockSize % (blockSize * 2) === 0 && blockSize < 65536) {
    blockSize *= 2;
  }
  const reader: SparseReader = {
    blockSize,
    size,
    name: image.name,
    identity: `${image.identity}|sparse`,
    sparse: {
      blockSize: header.blockSize,
      chunks: header.totalChunks,
      rawBytes,
      checksums: checksums.length,
      trailingBytes: image.size - end,
    },
    async read(
      offset: number,
      into: Uint8Array,
      options: ReadOptions = {},
    ): Promise<number> {
      const count = clampRead(size, offset, into.length);
      options.signal?.throwIfAborted();
      await readRuns(image, runs, offset, into.subarray(0, count), options);
      return count;
    },
  };
  layouts.set(reader, layout);
  return reader;
}

/**
 * Reads all content and compares it with every check sum that the file states.
 *
 * @param reader What {@linkcode openSparse} gave.
 * @throws {FormatError} `sparse.checksum-mismatch`
 */
export async function verifySparse(
  reader: SparseReader,
  options: ReadOptions = {},
): Promise<void> {
  const layout = layouts.get(reader);
  if (layout === undefined) {
    throw new TypeError("Cannot verify: expected what openSparse() gave");
  }
  const buffer = new Uint8Array(Math.min(VERIFY_BYTES, reader.size));
  let offset = 0;
  let sum = 0;
  for (const { size, value } of layout.checksums) {
    while (offset < size) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - offset));
      await fillExactly(reader, offset, part, options);
      sum = await crc32(part, sum);
      offset += part.length;
    }
    if (sum !== value) {
      const [found, expected] = [sum, value].map((crc) =>
        crc.toString(16).padStart(8, "0")
      );
      throw sparseError(
        reader,
        "sparse.checksum-mismatch",
        `CRC of its first ${size} bytes of content is 0x${found}, expected 0x${expected}; the image is damaged`,
        { size, found: sum, expected: value },
      );
    }
  }
}
