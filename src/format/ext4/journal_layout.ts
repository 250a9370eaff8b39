/**
 * Structures of a jbd2 journal, big-endian, as include/linux/jbd2.h of Linux 6.12 declares them.
 *
 * @module
 */

import { bytesOf, struct, u16be, u32be, u8 } from "../../bytes/struct.ts";

/** Begins every block of a journal but those that are content. */
export const JBD2_MAGIC_NUMBER = 0xc03b3998;

export const JBD2_DESCRIPTOR_BLOCK = 1;
export const JBD2_COMMIT_BLOCK = 2;
export const JBD2_SUPERBLOCK_V1 = 3;
export const JBD2_SUPERBLOCK_V2 = 4;
export const JBD2_REVOKE_BLOCK = 5;

/** Bytes of a journal's superblock. */
export const JOURNAL_SUPERBLOCK_SIZE = 1024;

/** `struct journal_header_s`. */
export const BlockHeader = struct("journal block", {
  magic: u32be,
  type: u32be,
  sequence: u32be,
});

/** `struct journal_superblock_s`, of version 1 up to `errno`. */
export const JournalSuperblock = struct("journal superblock", {
  magic: u32be,
  type: u32be,
  headerSequence: u32be,
  blockSize: u32be,
  blocks: u32be,
  first: u32be,
  sequence: u32be,
  start: u32be,
  errno: u32be,
  compat: u32be,
  incompat: u32be,
  roCompat: u32be,
  uuid: bytesOf(16),
  users: u32be,
  dynamicSuper: u32be,
  maxTransaction: u32be,
  maxTransactionData: u32be,
  checksumType: u8,
  padding: bytesOf(3),
  fastCommitBlocks: u32be,
  head: u32be,
  unused: bytesOf(160),
  checksum: u32be,
});

/** `s_feature_compat`: a CRC-32 of the transaction in its commit block. */
export const COMPAT_CHECKSUM = 0x1;
/** `s_feature_incompat`. */
export const INCOMPAT_REVOKE = 0x1;
export const INCOMPAT_64BIT = 0x2;
export const INCOMPAT_ASYNC_COMMIT = 0x4;
export const INCOMPAT_CSUM_V2 = 0x8;
export const INCOMPAT_CSUM_V3 = 0x10;
export const INCOMPAT_FAST_COMMIT = 0x20;
export const INCOMPAT_KNOWN = 0x3f;
/** `JBD2_CRC32C_CHKSUM` of `s_checksum_type`. */
export const JBD2_CRC32C_CHKSUM = 4;
/** `JBD2_DEFAULT_FAST_COMMIT_BLOCKS`. */
export const DEFAULT_FAST_COMMIT_BLOCKS = 256;

/** `struct commit_header`. */
export const CommitBlock = struct("commit block", {
  magic: u32be,
  type: u32be,
  sequence: u32be,
  checksumType: u8,
  checksumSize: u8,
  padding: bytesOf(2),
  checksum: u32be,
  moreChecksums: bytesOf(28),
  secondsHigh: u32be,
  secondsLow: u32be,
});
/** `JBD2_CRC32_CHKSUM` of a commit block. */
export const JBD2_CRC32_CHKSUM = 1;

/** `struct journal_block_tag3_s`. */
export const Tag3 = struct("journal tag", {
  blockLow: u32be,
  flags: u32be,
  blockHigh: u32be,
  checksum: u32be,
});
/** `struct journal_block_tag_s` without the higher half of the block number. */
export const Tag = struct("journal tag", {
  blockLow: u32be,
  checksum: u16be,
  flags: u16be,
});
/** Flags of a tag: its content began with the magic and had it replaced by zeros, … */
export const FLAG_ESCAPE = 1;
/** … no UUID follows, … */
export const FLAG_SAME_UUID = 2;
/** … it is the last of its block. */
export const FLAG_LAST_TAG = 8;
