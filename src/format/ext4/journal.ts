/**
 * The journal of an image that was not unmounted: where its log lies and in which form.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { type ErrorFacts, FormatError } from "../../errors.ts";
import { type Crc32c, CRC_START } from "./checksum.ts";
import { findRunsOf, openContent } from "./content.ts";
import { type Ext4Image, hex } from "./image.ts";
import { readInode } from "./inode.ts";
import * as jbd2 from "./journal_layout.ts";
import type { FindRuns } from "./runs.ts";

/** An open journal. Blocks are counted from its start; those of the log form a ring. */
export interface Journal {
  /** What people call the image, for messages. */
  readonly name: string;
  readonly blockSize: number;
  readonly crc: Crc32c;
  /** All of the journal. */
  readonly content: BlockReader;
  /** Where its blocks lie in the image. */
  readonly findRuns: FindRuns;
  /** Its superblock, 1024 bytes. */
  readonly superblock: Uint8Array;
  /** First block of the ring, and the one behind its last. */
  readonly first: number;
  readonly end: number;
  /** Where the log begins; 0 when it is empty. */
  readonly start: number;
  /** Number of the transaction that it begins with. */
  readonly sequence: number;
  /** How its blocks are checked: not, by a CRC-32 of each transaction, or by CRC-32C everywhere. */
  readonly sums: "none" | "crc32" | "v2" | "v3";
  /** What the CRC-32C of its blocks start from. */
  readonly checksumSeed: number;
  /** Block numbers have 64 bits. */
  readonly wide: boolean;
  /** A transaction may be in the log before all of its blocks are. */
  readonly asyncCommit: boolean;
  /** Behind the ring, there may be fast commits. */
  readonly fastCommits: boolean;
}

/** An error about a journal, in the project's form. */
export function journalError(
  image: { readonly name: string },
  code: `ext4.journal-${string}`,
  found: string,
  facts: ErrorFacts = {},
): FormatError {
  return new FormatError(
    code,
    `Cannot replay the journal of "${image.name}", which was not unmounted: ${found}; run e2fsck on a copy of the image`,
    { facts },
  );
}

/**
 * Opens the journal of an image that needs recovery. Three reads, mostly.
 *
 * @throws {FormatError} `ext4.journal-external`, `ext4.journal-damaged`,
 * `ext4.journal-unsupported`, beside those of any file
 */
export async function openJournal(
  image: Ext4Image,
  options?: ReadOptions,
): Promise<Journal> {
  const { superblock, crc } = image;
  const { blockSize, journalInode } = superblock;
  if (journalInode === 0) {
    throw journalError(
      image.data,
      "ext4.journal-external",
      "it is on another device",
    );
  }
  const inode = await readInode(image, journalInode, options);
  const content = openContent(image, inode, image.data);
  const wrong = (what: string, facts: ErrorFacts = {}) =>
    journalError(image.data, "ext4.journal-damaged", what, facts);
  if (inode.type !== "file" || inode.size < blockSize * 2) {
    throw wrong(
      `inode ${journalInode} is a ${inode.type} of ${inode.size} bytes, expected a file of blocks`,
      { inode: journalInode, size: inode.size },
    );
  }
  const bytes = await readExactly(
    content,
    0,
    jbd2.JOURNAL_SUPERBLOCK_SIZE,
    options,
  );
  const raw = jbd2.JournalSuperblock.read(bytes);
  if (raw.magic !== jbd2.JBD2_MAGIC_NUMBER) {
    throw wrong(
      `magic of its superblock is ${hex(raw.magic)}, expected ${
        hex(jbd2.JBD2_MAGIC_NUMBER)
      }`,
      { magic: raw.magic },
    );
  }
  const modern = raw.type === jbd2.JBD2_SUPERBLOCK_V2;
  if (!modern && raw.type !== jbd2.JBD2_SUPERBLOCK_V1) {
    throw wrong(`type of its superblock is ${raw.type}, expected 3 or 4`);
  }
  const compat = modern ? raw.compat : 0;
  const incompat = modern ? raw.incompat : 0;
  const has = (bit: number) => (incompat & bit) !== 0;
  const unknown = incompat & ~jbd2.INCOMPAT_KNOWN;
  if (unknown !== 0 || (modern && raw.roCompat !== 0)) {
    throw journalError(
      image.data,
      "ext4.journal-unsupported",
      `it uses feature bits ${hex(unknown >>> 0)} (incompatible) and ${
        hex(raw.roCompat)
      } (read-only compatible), which fastboop does not read`,
      { incompat: unknown >>> 0, roCompat: raw.roCompat },
    );
  }
  const summed = has(jbd2.INCOMPAT_CSUM_V2) || has(jbd2.INCOMPAT_CSUM_V3);
  if (summed) {
    if (
      raw.checksumType !== jbd2.JBD2_CRC32C_CHKSUM ||
      (has(jbd2.INCOMPAT_CSUM_V2) && has(jbd2.INCOMPAT_CSUM_V3))
    ) {
      throw wrong(`its superblock names no one kind of check sum`);
    }
    const expected = journalSuperblockChecksum(bytes, crc);
    if (raw.checksum !== expected) {
      throw wrong(
        `check sum of its superblock is ${hex(raw.checksum)}, expected ${
          hex(expected)
        }`,
        { found: raw.checksum, expected },
      );
    }
  }
  const fastCommits = has(jbd2.INCOMPAT_FAST_COMMIT);
  const aside = fastCommits
    ? raw.fastCommitBlocks || jbd2.DEFAULT_FAST_COMMIT_BLOCKS
    : 0;
  const end = raw.blocks - aside;
  if (
    raw.blockSize !== blockSize || raw.blocks * blockSize > inode.size ||
    raw.first < 1 || raw.first >= end ||
    (raw.start !== 0 && (raw.start < raw.first || raw.start >= end))
  ) {
    throw wrong(
      `its log is said to begin at block ${raw.start} of ${raw.first} to ${end}, of ${raw.blockSize} bytes each, in ${inode.size} bytes`,
      { start: raw.start, first: raw.first, end, blockSize: raw.blockSize },
    );
  }
  return {
    name: image.data.name,
    blockSize,
    crc,
    content,
    findRuns: findRunsOf(image, inode),
    superblock: bytes,
    first: raw.first,
    end,
    start: raw.start,
    sequence: raw.sequence,
    sums: has(jbd2.INCOMPAT_CSUM_V3)
      ? "v3"
      : has(jbd2.INCOMPAT_CSUM_V2)
      ? "v2"
      : compat & jbd2.COMPAT_CHECKSUM
      ? "crc32"
      : "none",
    checksumSeed: crc.sum(CRC_START, raw.uuid),
    wide: has(jbd2.INCOMPAT_64BIT),
    asyncCommit: has(jbd2.INCOMPAT_ASYNC_COMMIT),
    fastCommits,
  };
}

/** The superblock as it is once the log was put in place: the log is empty. */
export function emptiedSuperblock(
  journal: Journal,
  nextSequence: number,
): Uint8Array {
  const bytes = journal.superblock.slice();
  const raw = jbd2.JournalSuperblock.read(bytes);
  const emptied = { ...raw, start: 0, sequence: nextSequence };
  jbd2.JournalSuperblock.write(emptied, bytes);
  if (journal.sums === "v2" || journal.sums === "v3") {
    const checksum = journalSuperblockChecksum(bytes, journal.crc);
    jbd2.JournalSuperblock.write({ ...emptied, checksum }, bytes);
  }
  return bytes;
}

/** The sum of all 1024 bytes, that of the field itself taken as zeros. */
function journalSuperblockChecksum(bytes: Uint8Array, crc: Crc32c): number {
  const at = jbd2.JournalSuperblock.offsets.checksum;
  const sum = crc.sumU32(crc.sum(CRC_START, bytes.subarray(0, at)), 0);
  return crc.sum(sum, bytes.subarray(at + 4));
}
