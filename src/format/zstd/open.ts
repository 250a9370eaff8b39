import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { badMagic } from "../compressed/magic.ts";
import { MERGED_BYTES, PartTable } from "../compressed/parts.ts";
import { openParts } from "../compressed/parts_reader.ts";
import type { CompressedReader, DecodeOptions } from "../compressed/reader.ts";
import { openWhole } from "../compressed/whole.ts";
import { isZstdMagic, walkFrames } from "./frames.ts";
import { readSeekTable } from "./seek_table.ts";

const TAIL_SIZE = 64 << 10;
/** Bytes in which a second frame would show. */
const HEAD_SIZE = 256 << 10;
/** Files up to this are looked through from frame to frame. */
const SMALL_SIZE = 8 << 20;

/** A block of 128 KiB that repeats one byte takes 4. */
const ZSTD_RATIO = 32768;

/** The content of a zstd file. */
export interface ZstdReader extends CompressedReader {
  /** What it is. */
  readonly format: "zstd";
  /** It has the seek table of the seekable format. */
  readonly seekable: boolean;
  /** Frames with content, where that is known; several small ones are one part. */
  readonly frames: number | undefined;
}

/**
 * Opens the content of a zstd file. Opening costs 2 reads, 3 when a seek table has more than 64 KiB.
 *
 * - With the seek table of the seekable format, and in files of up to 8 MiB (which are read once for it)
 *   whose frames say their sizes: frames are decoded as they are read, small ones 512 KiB together.
 * - One frame that says its size, which `zstd FILE` makes: opens at once, is decoded as far as is
 *   wanted, and kept in the store. That it is the only one shows at its end; if it is not,
 *   `zstd.several-frames` says so.
 * - Anything else, such as what `zstd` makes of a pipe, and `pzstd`: all of it is decoded once
 *   before it opens, into `options.store`; without a store at most 256 MiB, in memory.
 *
 * Check sums of frames are verified where there are any; those in a seek table are not. The table has
 * none of its own: damaged sizes in it show where the frames are read that they belong to.
 *
 * Memory: as {@linkcode openXz}; windows of up to 128 MiB are taken.
 *
 * @throws {FormatError} `zstd.bad-magic`, `zstd.damaged`, `zstd.truncated`, `zstd.checksum-mismatch`,
 * `zstd.unsupported` (a dictionary is needed), `zstd.memory-limit`, `zstd.several-frames`
 * @throws {ReadError} `store.no-room`
 * @see RFC 8878; zstd, contrib/seekable_format/zstd_seekable_compression_format.md
 */
export async function openZstd(
  image: BlockReader,
  options: DecodeOptions = {},
): Promise<ZstdReader> {
  const size = Math.min(
    image.size <= SMALL_SIZE ? SMALL_SIZE : HEAD_SIZE,
    image.size,
  );
  const head = await readExactly(image, 0, size, options);
  const view = new DataView(head.buffer, 0, head.length);
  if (size < 4 || !isZstdMagic(view.getUint32(0, true))) {
    throw badMagic(image, "zstd", head, "28b52ffd");
  }
  const tailSize = Math.min(TAIL_SIZE, image.size);
  const tail = size === image.size
    ? head
    : await readExactly(image, image.size - tailSize, tailSize, options);
  const seekTable = await readSeekTable(image, tail, options);
  const table = seekTable ?? tableOf(head, image.size);
  if (table === undefined) {
    const spec = pieceSpecs.zstd(Number.MAX_SAFE_INTEGER);
    const reader = await openWhole(image, "zstd", spec, options);
    return Object.assign(reader, {
      format: "zstd" as const,
      seekable: false,
      frames: undefined,
    });
  }
  const only = seekTable === undefined && table.count === 1;
  const reader = openParts(image, {
    format: "zstd",
    table,
    maxRatio: ZSTD_RATIO,
    coding: (part) => ({
      name: `part ${part}`,
      spec: pieceSpecs.zstd(table.end(part) - table.start(part)),
      ...(only
        ? {
          excess: {
            code: "zstd.several-frames",
            text:
              `it holds more than the ${table.size} bytes that its first frame states, so others follow that nothing lists; unpack it by "zstd -d" first`,
          },
        }
        : {}),
    }),
  }, options);
  return Object.assign(reader, {
    format: "zstd" as const,
    seekable: seekTable !== undefined,
    frames: table.added,
  });
}

/** The frames, when their sizes are known: of all of them, or of one that seems to be the only one. */
function tableOf(head: Uint8Array, size: number): PartTable | undefined {
  const { frames, complete } = walkFrames(head);
  const table = new PartTable(MERGED_BYTES);
  const [first] = frames;
  if (complete && head.length === size) {
    for (const { offset, size, contentSize } of frames) {
      if (contentSize === undefined) return undefined;
      table.add(offset, size!, contentSize);
    }
    return table;
  }
  const alone = frames.length === 1 && first?.size === undefined;
  if (!alone || first?.contentSize === undefined) return undefined;
  table.add(first.offset, size - first.offset, first.contentSize);
  return table;
}
