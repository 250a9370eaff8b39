import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { crc32 } from "../../wasm/checksum.ts";
import {
  GPT_ENTRY_SIZE,
  GPT_HEADER_SIZE,
  GPT_SIGNATURE,
  GptHeader,
  MAX_TABLE_BYTES,
} from "./layout.ts";

/** A header whose check sum is right, and the table that it leads to. */
export interface GptCopy {
  readonly sectorSize: number;
  readonly header: ReturnType<typeof GptHeader.read>;
  /** The table, all entries. Its check sum is right. */
  readonly entries: Uint8Array;
}

/** Bytes of a disk that were read already. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An error of the table of `disk`, in the project's form. */
export function gptError(
  disk: BlockReader,
  code: ErrorCode,
  found: string,
  facts: Record<string, number | string>,
  cause?: unknown,
): FormatError {
  return new FormatError(code, `Cannot read GPT of "${disk.name}": ${found}`, {
    facts: { name: disk.name, ...facts },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Tells whether a header may begin at byte `offset`, as far as the signature says. */
export function hasSignature(piece: Piece, offset: number): boolean {
  const at = offset - piece.offset;
  if (at < 0 || at + 8 > piece.bytes.length) return false;
  const { buffer, byteOffset } = piece.bytes;
  return new DataView(buffer, byteOffset + at, 8).getBigUint64(0, true) ===
    GPT_SIGNATURE;
}

/**
 * Reads the header in sector `lba` and the table that it leads to.
 *
 * @param piece Bytes at hand; what is not among them is read, the table at once.
 * @throws {FormatError} `gpt.bad-magic`, `gpt.unsupported-revision`, `gpt.checksum-mismatch`,
 * `gpt.damaged`, `gpt.truncated`
 */
export async function readCopy(
  disk: BlockReader,
  piece: Piece,
  sectorSize: number,
  lba: number,
  options: ReadOptions,
): Promise<GptCopy> {
  const offset = lba * sectorSize;
  if (offset + sectorSize > disk.size) {
    throw gptError(
      disk,
      "gpt.truncated",
      `its header should be at byte ${offset}, the disk has ${disk.size} bytes; it is cut short`,
      { offset, size: disk.size },
    );
  }
  const sector = await take(disk, piece, offset, sectorSize, options);
  if (!hasSignature({ offset, bytes: sector }, offset)) {
    throw gptError(
      disk,
      "gpt.bad-magic",
      `no "EFI PART" at byte ${offset}; there is no header here`,
      { offset },
    );
  }
  const header = await checkHeader(disk, sector, sectorSize, lba);
  const start = header.partitionEntryLba * sectorSize;
  const size = header.numberOfPartitionEntries * header.sizeOfPartitionEntry;
  const entries = await take(disk, piece, start, size, options);
  const found = await crc32(entries);
  if (found !== header.partitionEntryArrayCrc32) {
    throw checksum(
      disk,
      `of ${header.numberOfPartitionEntries} entries from byte ${start}`,
      found,
      header.partitionEntryArrayCrc32,
      offset + GptHeader.offsets.partitionEntryArrayCrc32,
    );
  }
  return { sectorSize, header, entries };
}

async function checkHeader(
  disk: BlockReader,
  sector: Uint8Array,
  sectorSize: number,
  lba: number,
): Promise<GptCopy["header"]> {
  const offset = lba * sectorSize;
  const view = new DataView(sector.buffer, sector.byteOffset);
  const { offsets } = GptHeader;
  const u32 = (at: number) => view.getUint32(at, true);
  const headerSize = u32(offsets.headerSize);
  if (headerSize < GPT_HEADER_SIZE || headerSize > sectorSize) {
    throw damaged(
      disk,
      offset + offsets.headerSize,
      `header has ${headerSize} bytes`,
      `${GPT_HEADER_SIZE} to ${sectorSize}`,
    );
  }
  const summed = sector.slice(0, headerSize);
  summed.fill(0, offsets.headerCrc32, offsets.headerCrc32 + 4);
  const [crc, stated] = [await crc32(summed), u32(offsets.headerCrc32)];
  if (crc !== stated) {
    const at = offset + offsets.headerCrc32;
    throw checksum(disk, `of the header at byte ${offset}`, crc, stated, at);
  }
  // the revision is looked at only now: where the sum is wrong, it is damage
  if (u32(offsets.revision) >>> 16 !== 1) {
    throw gptError(
      disk,
      "gpt.unsupported-revision",
      `revision at byte ${offset + offsets.revision} is 0x${
        hex(u32(offsets.revision))
      }, expected 0x00010000; update fastboop`,
      { offset, revision: u32(offsets.revision) },
    );
  }
  const header = readHeader(disk, sector, offset);
  if (header.myLba !== lba) {
    const at = offset + offsets.myLba;
    throw damaged(disk, at, `header says it is in sector ${header.myLba}`, lba);
  }
  const { sizeOfPartitionEntry: size, numberOfPartitionEntries: count } =
    header;
  if (size < GPT_ENTRY_SIZE || size % 8 !== 0 || size > 4096) {
    const at = offset + offsets.sizeOfPartitionEntry;
    throw damaged(disk, at, `entries have ${size} bytes`, "128 to 4096");
  }
  if (count * size > MAX_TABLE_BYTES) {
    const at = offset + offsets.numberOfPartitionEntries;
    const found = `${count} entries of ${size} bytes`;
    throw damaged(disk, at, found, `at most ${MAX_TABLE_BYTES} bytes`);
  }
  const start = header.partitionEntryLba * sectorSize;
  if (!(start + count * size <= disk.size)) {
    throw gptError(
      disk,
      "gpt.truncated",
      `its table should be at bytes ${start} to ${
        start + count * size
      }, the disk has ${disk.size} bytes; it is cut short`,
      { offset: start, size: disk.size },
    );
  }
  return header;
}

/** Numbers of 2^53 and more are damage like any other. */
function readHeader(
  disk: BlockReader,
  sector: Uint8Array,
  offset: number,
): GptCopy["header"] {
  try {
    return GptHeader.read(sector);
  } catch (cause) {
    if (!isCoded(cause, "struct.number-too-large")) throw cause;
    throw gptError(
      disk,
      "gpt.damaged",
      `a sector number in the header at byte ${offset} is 2^53 or more; the disk is damaged`,
      { offset },
      cause,
    );
  }
}

/** Bytes at hand, or read. */
async function take(
  disk: BlockReader,
  piece: Piece,
  offset: number,
  size: number,
  options: ReadOptions,
): Promise<Uint8Array> {
  const at = offset - piece.offset;
  if (at >= 0 && at + size <= piece.bytes.length) {
    return piece.bytes.subarray(at, at + size);
  }
  return await readExactly(disk, offset, size, options);
}

function checksum(
  disk: BlockReader,
  what: string,
  found: number,
  stated: number,
  offset: number,
): FormatError {
  return gptError(
    disk,
    "gpt.checksum-mismatch",
    `CRC ${what} is 0x${hex(found)}, byte ${offset} says 0x${
      hex(stated)
    }; the disk is damaged`,
    { offset, found, expected: stated },
  );
}

function damaged(
  disk: BlockReader,
  offset: number,
  found: string,
  expected: string | number,
): FormatError {
  return gptError(
    disk,
    "gpt.damaged",
    `${found} (byte ${offset}), expected ${expected}; the disk is damaged`,
    { offset },
  );
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
