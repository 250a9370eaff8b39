import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { badMagic } from "../compressed/magic.ts";
import { MERGED_BYTES, PartTable } from "../compressed/parts.ts";
import { openParts } from "../compressed/parts_reader.ts";
import type { CompressedReader, DecodeOptions } from "../compressed/reader.ts";
import { openWhole } from "../compressed/whole.ts";
import {
  badIndex,
  BGZF_HEADER_SIZE,
  bgzfBlockSize,
  isGzip,
  readGzi,
  walkBlocks,
} from "./bgzf.ts";

/** 258 bytes from two codes of a bit each. */
const DEFLATE_RATIO = 1032;

/** How a gzip file is read. */
export interface GzipOptions extends DecodeOptions {
  /** The `.gzi` index of a BGZF file, which saves reading all of it on opening. */
  readonly index?: Uint8Array | undefined;
}

/**
 * Opens the content of a gzip file: one or more members. What follows them and does not begin as
 * another is ignored, as `gzip` does: OpenWrt adds metadata to its images.
 *
 * gzip does not say how much it holds (ISIZE is modulo 2^32, and of the last member alone) nor where
 * its members begin, so all of it is decoded once before it opens, into `options.store`;
 * `options.onProgress` tells how far that is. Without a store at most 256 MiB are kept, in memory.
 *
 * BGZF, which `bgzip` makes, does say where its members are: they are decoded as they are read, 512 KiB
 * of content together.
 * Opening it reads the file once without decoding it, in reads of 1 MiB; with `options.index` only its
 * start and its end.
 *
 * @throws {FormatError} `gzip.bad-magic`, `gzip.damaged`, `gzip.truncated`,
 * `gzip.checksum-mismatch`, `gzip.unsupported`, `gzip.bad-index`
 * @throws {ReadError} `store.no-room`
 * @see RFC 1952; SAM/BAM format specification, section 4.1
 */
export async function openGzip(
  image: BlockReader,
  options: GzipOptions = {},
): Promise<CompressedReader> {
  const size = Math.min(BGZF_HEADER_SIZE, image.size);
  const head = await readExactly(image, 0, size, options);
  if (!isGzip(head)) {
    throw badMagic(image, "gzip", head, "1f8b08");
  }
  const table = await readTable(image, head, options);
  if (table === undefined) {
    const spec = pieceSpecs.gzip(Number.MAX_SAFE_INTEGER);
    return await openWhole(image, "gzip", spec, options);
  }
  return openParts(image, {
    format: "gzip",
    table,
    maxRatio: DEFLATE_RATIO,
    coding: (part) => ({
      name: `part ${part}`,
      spec: pieceSpecs.gzip(table.end(part) - table.start(part)),
    }),
  }, options);
}

async function readTable(
  image: BlockReader,
  head: Uint8Array,
  options: GzipOptions,
): Promise<PartTable | undefined> {
  if (bgzfBlockSize(head) === undefined) return undefined;
  const table = new PartTable(MERGED_BYTES);
  const { index } = options;
  const from = index === undefined ? 0 : readGzi(image, index, table);
  if (await walkBlocks(image, table, from, options)) return table;
  if (index !== undefined) throw badIndex(image, `no block at byte ${from}`);
  return undefined;
}
