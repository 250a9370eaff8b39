import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { FormatError } from "../../errors.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { badMagic } from "../compressed/magic.ts";
import { openParts } from "../compressed/parts_reader.ts";
import type { CompressedReader, DecodeOptions } from "../compressed/reader.ts";
import { openWhole } from "../compressed/whole.ts";
import { LZ4F_MAGICNUMBER, parseFrameHeader } from "./frame.ts";
import { walkFrame } from "./walk.ts";

const LEGACY_MAGICNUMBER = 0x184c2102;
const SKIPPABLE_MAGIC = 0x184d2a50;
const HEAD_SIZE = 64 << 10;

/**
 * Opens the content of an LZ4 frame file.
 *
 * - A frame that states its size, as `lz4 --content-size` makes, and has at most 256 blocks: their
 *   places are found on opening by one small read each. If they are independent, each is decoded alone.
 * - A larger one, or one of linked blocks: opens at once, is decoded as far as is wanted, and kept in the
 *   store. That a larger one is the only one shows at its end; `lz4.several-frames` if it is not.
 * - Anything else, such as what plain `lz4` makes: all of it is decoded once before it opens, into
 *   `options.store`; without a store at most 256 MiB, in memory.
 *
 * Check sums of blocks are verified where there are any; that of the content only where all of the frame
 * is decoded.
 *
 * @throws {FormatError} `lz4.bad-magic`, `lz4.legacy` (the frame of Linux kernels), `lz4.damaged`,
 * `lz4.truncated`, `lz4.checksum-mismatch`, `lz4.unsupported`, `lz4.several-frames`
 * @throws {ReadError} `store.no-room`
 * @see lz4_Frame_format.md 1.6.4
 */
export async function openLz4(
  image: BlockReader,
  options: DecodeOptions = {},
): Promise<CompressedReader> {
  const size = Math.min(HEAD_SIZE, image.size);
  const head = await readExactly(image, 0, size, options);
  const magic = size < 4 ? 0 : new DataView(head.buffer).getUint32(0, true);
  if (magic === LEGACY_MAGICNUMBER) {
    throw new FormatError(
      "lz4.legacy",
      `Cannot open lz4 file "${image.name}": magic at byte 0 is that of a legacy frame, which states no sizes, expected "04224d18"; pack it again without "-l"`,
    );
  }
  const skippable = (magic & ~15) === SKIPPABLE_MAGIC;
  if (magic !== LZ4F_MAGICNUMBER && !skippable) {
    throw badMagic(image, "lz4", head, "04224d18");
  }
  const header = skippable ? undefined : parseFrameHeader(head);
  const parts = header === undefined
    ? undefined
    : await walkFrame(image, head, header, options);
  if (parts === undefined) {
    const spec = pieceSpecs.lz4(Number.MAX_SAFE_INTEGER);
    return await openWhole(image, "lz4", spec, options);
  }
  return openParts(image, parts, options);
}
