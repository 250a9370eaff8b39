import { readExactly } from "../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../block/reader.ts";
import { FormatError } from "../errors.ts";
import { openErofs } from "../format/erofs/open.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { SNIFF_SIZE, sniffFormat } from "./sniff.ts";

/**
 * Opens the file system that an image holds, whatever its format. At most 4 reads.
 *
 * @param image The whole image.
 * @throws {FormatError} `image.unknown-format`, `image.unsupported-format` (`facts.format` names it),
 * beside what the format throws when it opens
 */
export async function openImage(
  image: BlockReader,
  options?: ReadOptions,
): Promise<FileSystem> {
  const size = Math.min(SNIFF_SIZE, image.size);
  const format = sniffFormat(await readExactly(image, 0, size, options));
  if (format === "erofs") return await openErofs(image, options);
  if (format === undefined) {
    throw new FormatError(
      "image.unknown-format",
      `Cannot open "${image.name}": no known format in its first ${size} bytes, ` +
        "expected an erofs image; check that the download is complete",
      { facts: { size: image.size } },
    );
  }
  throw new FormatError(
    "image.unsupported-format",
    `Cannot open "${image.name}": found ${format}, expected an erofs image; ` +
      "this version of fastboop reads erofs only",
    { facts: { format } },
  );
}
