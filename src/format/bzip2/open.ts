import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { badMagic } from "../compressed/magic.ts";
import type { CompressedReader, DecodeOptions } from "../compressed/reader.ts";
import { openWhole } from "../compressed/whole.ts";

const MAGIC = /^BZh[1-9]$/;
const MAGIC_SIZE = 4;

/**
 * Opens the content of a bzip2 file: one or more streams. What follows them and does not begin as
 * another is ignored, as `bzip2` does.
 *
 * Its blocks begin at any bit and nothing lists them, so all of it is decoded once before it opens,
 * into `options.store`; `options.onProgress` tells how far that is. Without a store at most 256 MiB are
 * kept, in memory.
 *
 * @throws {FormatError} `bzip2.bad-magic`, `bzip2.damaged` (a failed check sum among it),
 * `bzip2.truncated`
 * @throws {ReadError} `store.no-room`
 * @see bzip2 1.0.8, manual.html
 */
export async function openBzip2(
  image: BlockReader,
  options: DecodeOptions = {},
): Promise<CompressedReader> {
  const size = Math.min(MAGIC_SIZE, image.size);
  const head = await readExactly(image, 0, size, options);
  if (!MAGIC.test(String.fromCharCode(...head))) {
    throw badMagic(image, "bzip2", head, "425a6839");
  }
  const spec = pieceSpecs.bzip2(Number.MAX_SAFE_INTEGER);
  return await openWhole(image, "bzip2", spec, options);
}
