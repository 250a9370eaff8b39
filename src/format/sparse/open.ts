import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { fillExactly } from "../../block/read_exactly.ts";
import { crc32 } from "../../wasm/checksum.ts";
import { readChunks, sparseError, type SparseLayout } from "./chunks.ts";
import type { Run } from "./table.ts";

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

/** Parts of a read that are fetched at the same time. */
const PARALLEL = 8;
/** What may lie between two runs that are fetched together: headers, as a rule of 12 bytes. */
const GAP = 4096;
/** Most that is fetched together, and copied. */
const JOINED_BYTES = 1 << 20;
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
      if (count === 0) return 0;
      await readRuns(image, runs.within(offset, count), offset, into, options);
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

/** Runs that are fetched by one read. */
interface Group {
  readonly source: number;
  end: number;
  readonly runs: Run[];
}

async function readRuns(
  image: BlockReader,
  runs: Iterable<Run>,
  offset: number,
  into: Uint8Array,
  options: ReadOptions,
): Promise<void> {
  const groups: Group[] = [];
  const fills: Run[] = [];
  for (const run of runs) {
    const { source, size } = run;
    if (source === undefined) {
      fills.push(run);
      continue;
    }
    const last = groups.at(-1);
    const end = source + size;
    if (
      last !== undefined && source - last.end <= GAP &&
      end - last.source <= JOINED_BYTES
    ) {
      last.end = end;
      last.runs.push(run);
    } else groups.push({ source, end, runs: [run] });
  }
  for (let at = 0; at < groups.length; at += PARALLEL) {
    // All of them end before this read does: `into` is the caller's again then.
    const ends = await Promise.allSettled(
      groups.slice(at, at + PARALLEL).map((group) =>
        readGroup(image, group, offset, into, options)
      ),
    );
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
  for (const { start, size, fill } of fills) {
    fillPattern(
      into.subarray(start - offset, start - offset + size),
      fill,
      start,
    );
  }
}

async function readGroup(
  image: BlockReader,
  { source, end, runs }: Group,
  offset: number,
  into: Uint8Array,
  options: ReadOptions,
): Promise<void> {
  const partOf = ({ start, size }: Run) =>
    into.subarray(start - offset, start - offset + size);
  if (runs.length === 1) {
    await fillExactly(image, source, partOf(runs[0]!), options);
    return;
  }
  const bytes = new Uint8Array(end - source);
  await fillExactly(image, source, bytes, options);
  for (const run of runs) {
    const from = run.source! - source;
    partOf(run).set(bytes.subarray(from, from + run.size));
  }
}

/** Repeats four bytes; which of them comes first is told by `start`, the place in the content. */
function fillPattern(into: Uint8Array, fill: number, start: number): void {
  if (fill === (fill & 0xff) * 0x01010101) {
    into.fill(fill & 0xff);
    return;
  }
  const pattern = new Uint8Array(4);
  new DataView(pattern.buffer).setUint32(0, fill, true);
  const first = Math.min(4, into.length);
  for (let i = 0; i < first; i++) into[i] = pattern[(start + i) & 3]!;
  for (let done = first; done < into.length; done *= 2) {
    into.copyWithin(done, 0, Math.min(done, into.length - done));
  }
}
