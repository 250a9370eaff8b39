import type { BlockReader } from "../../block/reader.ts";
import type { XzCheck } from "../../wasm/codecs.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { openParts } from "../compressed/parts_reader.ts";
import type { CompressedReader, DecodeOptions } from "../compressed/reader.ts";
import { scanXz } from "./scan.ts";

/** A match of 273 bytes takes a third of a bit when its codes are as likely as they can be. */
const XZ_RATIO = 8192;

/** The content of an xz file, with what its indexes say. */
export interface XzReader extends CompressedReader {
  /** What it is. */
  readonly format: "xz";
  /** Blocks with content, of all streams. */
  readonly blocks: number;
  /** Streams, one behind the other. */
  readonly streams: number;
  /** What protects the blocks; streams may differ. */
  readonly checks: readonly XzCheck[];
  /** Bytes of content of the largest block. */
  readonly largestBlock: number;
}

/**
 * Opens the content of an xz file: up to 2^14 streams and 2^20 blocks of any size, every check and
 * filter that xz 5.8 can write.
 *
 * Opening reads the indexes from the end backwards: 2 reads for one stream, 3 when its index has more
 * than 64 KiB, up to 3 for each stream before the last. Zeros behind the last stream are taken for padding
 * when there is a multiple of 4 of them.
 *
 * A block of up to 4 MiB is read and decoded whole, and its check verified, before a byte of it is
 * given. Larger ones, and those without a check, are decoded as far as is wanted, and a wrong check is
 * told by the read of their last bytes: a read behind the last one goes on from there, one before it
 * comes from memory or starts the block anew. With a store, blocks of more than half of
 * `maxCachedBytes` are kept in it and decoded once. Memory: `maxCachedBytes`, and the dictionaries of at
 * most 12 decoders: 1 to 8 MiB each as a rule, 64 MiB for `xz -9`, of which 4 are kept then.
 *
 * @param image The file; `withReadAhead` around it makes sense where reads are slow.
 * @throws {FormatError} `xz.bad-magic`, `xz.truncated`, `xz.damaged`, `xz.checksum-mismatch`,
 * `xz.unsupported-check`, `xz.too-many-blocks` (more than 2^20), `xz.too-many-streams` (more than
 * 2^14); later reads `xz.damaged` (a failed check among it), `xz.truncated`, `xz.unsupported-filter`, `xz.memory-limit` (a dictionary of more
 * than 128 MiB)
 * @see xz-file-format.txt 1.2.1
 */
export async function openXz(
  image: BlockReader,
  options: DecodeOptions = {},
): Promise<XzReader> {
  const layout = await scanXz(image, options);
  const { table } = layout;
  const reader = openParts(image, {
    format: "xz",
    slow: true,
    table,
    maxRatio: XZ_RATIO,
    coding(part) {
      const check = layout.check(part);
      return {
        name: `block ${part}`,
        spec: pieceSpecs.xzBlock(table.end(part) - table.start(part), check),
        unchecked: check === "none",
      };
    },
  }, options);
  return Object.assign(reader, {
    format: "xz" as const,
    blocks: table.count,
    streams: layout.streams,
    checks: layout.checks,
    largestBlock: table.largest,
  });
}
