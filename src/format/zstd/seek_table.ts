/**
 * The seek table behind the frames of the seekable format.
 *
 * @module
 */
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { struct, u32, u8 } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { MERGED_BYTES, PartTable } from "../compressed/parts.ts";

/** zstd, contrib/seekable_format/zstd_seekable_compression_format.md */
const Footer = struct("zstd seek table footer", {
  frames: u32,
  descriptor: u8,
  magic: u32,
});
const ZSTD_SEEKABLE_MAGICNUMBER = 0x8f92eab1;
const SkippableHeader = struct("zstd skippable frame", {
  magic: u32,
  size: u32,
});
/** The skippable frame that holds the table. */
const ZSTD_MAGIC_SKIPPABLE_SEEK_TABLE = 0x184d2a5e;
const DESCRIPTOR_CHECKSUMS = 0x80;
const DESCRIPTOR_RESERVED = 0x7c;
const MAX_FRAMES = 1 << 20;

/**
 * Reads the table, when there is one: at most 1 read beyond `tail`.
 *
 * @param tail Last bytes of the image.
 */
export async function readSeekTable(
  image: BlockReader,
  tail: Uint8Array,
  options: ReadOptions,
): Promise<PartTable | undefined> {
  if (tail.length < Footer.size) return undefined;
  const footer = Footer.read(tail, tail.length - Footer.size);
  if (footer.magic !== ZSTD_SEEKABLE_MAGICNUMBER) return undefined;
  const { frames, descriptor } = footer;
  const entrySize = (descriptor & DESCRIPTOR_CHECKSUMS) !== 0 ? 12 : 8;
  const size = SkippableHeader.size + frames * entrySize + Footer.size;
  const start = image.size - size;
  if ((descriptor & DESCRIPTOR_RESERVED) !== 0) {
    throw fault(
      image,
      "unsupported",
      `its descriptor is 0x${descriptor.toString(16)}`,
      "no reserved bits",
    );
  }
  if (frames > MAX_FRAMES || start < 0) {
    throw fault(
      image,
      "damaged",
      `it lists ${frames} frames`,
      `at most ${MAX_FRAMES}, in ${image.size} bytes`,
    );
  }
  const bytes = size <= tail.length
    ? tail.subarray(tail.length - size)
    : await readExactly(image, start, size, options);
  const header = SkippableHeader.read(bytes);
  if (
    header.magic !== ZSTD_MAGIC_SKIPPABLE_SEEK_TABLE ||
    header.size !== size - SkippableHeader.size
  ) {
    throw fault(
      image,
      "damaged",
      `its frame at byte ${start} has magic 0x${
        header.magic.toString(16)
      } and ${header.size} bytes`,
      `0x184d2a5e and ${size - SkippableHeader.size}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = new PartTable(MERGED_BYTES);
  let offset = 0;
  for (let frame = 0; frame < frames; frame++) {
    const at = SkippableHeader.size + frame * entrySize;
    const stored = view.getUint32(at, true);
    table.add(offset, stored, view.getUint32(at + 4, true));
    offset += stored;
  }
  if (offset !== start) {
    throw fault(
      image,
      "damaged",
      `its frames have ${offset} bytes`,
      `${start}`,
    );
  }
  return table;
}

function fault(
  image: BlockReader,
  what: "damaged" | "unsupported",
  found: string,
  expected: string,
): FormatError {
  return new FormatError(
    `zstd.${what}`,
    `Cannot read zstd seek table at the end of "${image.name}": ${found}, expected ${expected}; the file may be damaged`,
    { facts: { found, expected } },
  );
}
