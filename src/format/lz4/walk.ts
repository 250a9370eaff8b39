/**
 * Finds the blocks of an LZ4 frame.
 *
 * @module
 */
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { FormatError } from "../../errors.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { PartTable } from "../compressed/parts.ts";
import type { Parts } from "../compressed/parts_reader.ts";
import { blockFrameHeader, type Lz4FrameHeader } from "./frame.ts";

/** Reads on opening that knowing the place of every block may cost. */
const MAX_WALK = 256;
/** A byte of a match length is 255 bytes of match. */
const LZ4_RATIO = 255;
/** The bit of a block's size that says it is stored as it is. */
const BLOCK_UNCOMPRESSED = 0x80000000;
const END_MARK = new Uint8Array(4);

/** The frame as parts; undefined when nothing says how much the file holds. */
export async function walkFrame(
  image: BlockReader,
  head: Uint8Array,
  header: Lz4FrameHeader,
  options: ReadOptions,
): Promise<Parts | undefined> {
  const { contentSize, blockMaxSize } = header;
  if (contentSize === undefined) return undefined;
  const count = Math.ceil(contentSize / blockMaxSize);
  if (count <= MAX_WALK) {
    const blocks = await findBlocks(image, head, header, count, options);
    if (blocks === undefined) return undefined;
    if (header.independent && count > 1) return blocks;
  }
  const table = new PartTable();
  table.add(0, image.size, contentSize);
  return {
    format: "lz4",
    table,
    maxRatio: LZ4_RATIO,
    coding: () => ({
      name: "frame 0",
      spec: pieceSpecs.lz4(contentSize),
      excess: {
        code: "lz4.several-frames",
        text:
          `it holds more than the ${contentSize} bytes that its first frame states, so others follow that nothing lists; unpack it by "lz4 -d" first`,
      },
      unchecked: !header.contentChecksum && !header.blockChecksums,
    }),
  };
}

/** Every block, when all but the last can only be full, and nothing follows the frame. */
async function findBlocks(
  image: BlockReader,
  head: Uint8Array,
  header: Lz4FrameHeader,
  count: number,
  options: ReadOptions,
): Promise<Parts | undefined> {
  const { contentSize = 0, blockMaxSize } = header;
  const word = async (at: number) => {
    if (at + 4 > image.size) {
      throw new FormatError(
        "lz4.truncated",
        `Cannot read lz4 block header at byte ${at} of "${image.name}": found the end at byte ${image.size}, expected 4 bytes; the file may be cut short`,
        { facts: { offset: at, size: image.size } },
      );
    }
    const bytes = at + 4 <= head.length
      ? head.subarray(at, at + 4)
      : await readExactly(image, at, 4, options);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  };
  const table = new PartTable();
  let at = header.size;
  for (let block = 0; block < count; block++) {
    const size = await word(at);
    const stored = size & ~BLOCK_UNCOMPRESSED;
    if (size === 0 || stored > blockMaxSize) return undefined;
    const whole = 4 + stored + (header.blockChecksums ? 4 : 0);
    const left = contentSize - block * blockMaxSize;
    table.add(at, whole, Math.min(left, blockMaxSize));
    at += whole;
  }
  // more blocks than full ones take, or another frame: then others are not full, or this is not all
  if (await word(at) !== 0) return undefined;
  at += 4 + (header.contentChecksum ? 4 : 0);
  if (at !== image.size) return undefined;
  const before = blockFrameHeader(header);
  return {
    format: "lz4",
    table,
    maxRatio: LZ4_RATIO,
    coding: (part) => ({
      name: `block ${part}`,
      spec: pieceSpecs.lz4(table.end(part) - table.start(part)),
      before,
      after: END_MARK,
      unchecked: !header.blockChecksums,
    }),
  };
}
