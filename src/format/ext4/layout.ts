/**
 * On-disk structures, little-endian, as fs/ext4/ext4.h and fs/ext4/ext4_extents.h of Linux 6.12
 * declare them.
 *
 * @module
 */

import { bytesOf, i32, struct, u16, u32, u8 } from "../../bytes/struct.ts";

/** Byte of the superblock in every image, whatever its block size. */
export const SUPERBLOCK_OFFSET = 1024;
/** Bytes of the superblock. */
export const SUPERBLOCK_SIZE = 1024;
export const EXT4_SUPER_MAGIC = 0xef53;

/** `struct ext4_super_block`. */
export const SuperblockLayout = struct("superblock", {
  inodesCount: u32,
  blocksCountLow: u32,
  reservedBlocksLow: u32,
  freeBlocksLow: u32,
  freeInodes: u32,
  firstDataBlock: u32,
  logBlockSize: u32,
  logClusterSize: u32,
  blocksPerGroup: u32,
  clustersPerGroup: u32,
  inodesPerGroup: u32,
  mountTime: u32,
  writeTime: u32,
  mountCount: u16,
  maxMountCount: u16,
  magic: u16,
  state: u16,
  errors: u16,
  minorRevision: u16,
  lastCheck: u32,
  checkInterval: u32,
  creatorOs: u32,
  revision: u32,
  reservedUid: u16,
  reservedGid: u16,
  firstInode: u32,
  inodeSize: u16,
  blockGroup: u16,
  compat: u32,
  incompat: u32,
  roCompat: u32,
  uuid: bytesOf(16),
  volumeName: bytesOf(16),
  lastMounted: bytesOf(64),
  algorithms: u32,
  preallocBlocks: u8,
  preallocDirBlocks: u8,
  reservedGdtBlocks: u16,
  journalUuid: bytesOf(16),
  journalInode: u32,
  journalDevice: u32,
  lastOrphan: u32,
  hashSeed0: u32,
  hashSeed1: u32,
  hashSeed2: u32,
  hashSeed3: u32,
  hashVersion: u8,
  journalBackupType: u8,
  descriptorSize: u16,
  mountOptions: u32,
  firstMetaGroup: u32,
  makeTime: u32,
  journalBlocks: bytesOf(68),
  blocksCountHigh: u32,
  reservedBlocksHigh: u32,
  freeBlocksHigh: u32,
  minExtraSize: u16,
  wantExtraSize: u16,
  flags: u32,
  raidStride: u16,
  mmpInterval: u16,
  mmpBlock: bytesOf(8),
  raidStripeWidth: u32,
  logGroupsPerFlex: u8,
  checksumType: u8,
  encryptionLevel: u8,
  reservedPad: u8,
  kbytesWritten: bytesOf(8),
  snapshots: bytesOf(20),
  errorsSeen: bytesOf(108),
  mountOptionsText: bytesOf(64),
  userQuotaInode: u32,
  groupQuotaInode: u32,
  overhead: u32,
  backupGroup0: u32,
  backupGroup1: u32,
  encryption: bytesOf(20),
  lostFoundInode: u32,
  projectQuotaInode: u32,
  checksumSeed: u32,
  timesHigh: bytesOf(8),
  encoding: u16,
  encodingFlags: u16,
  orphanFileInode: u32,
  reserved: bytesOf(376),
  checksum: u32,
});

/** `s_flags`: whether names were hashed as signed or unsigned characters. */
export const EXT2_FLAGS_SIGNED_HASH = 1;
export const EXT2_FLAGS_UNSIGNED_HASH = 2;

/** The first half of `struct ext4_group_desc`; the other one exists with 64-bit block numbers. */
export const DescriptorLayout = struct("group descriptor", {
  blockBitmapLow: u32,
  inodeBitmapLow: u32,
  inodeTableLow: u32,
  freeBlocksLow: u16,
  freeInodesLow: u16,
  directoriesLow: u16,
  flags: u16,
  excludeBitmapLow: u32,
  blockBitmapChecksumLow: u16,
  inodeBitmapChecksumLow: u16,
  unusedInodesLow: u16,
  checksum: u16,
});
/** Byte of `bg_inode_table_hi`. */
export const DESCRIPTOR_TABLE_HIGH = 0x28;

/** The part of `struct ext4_inode` that every inode has. */
export const InodeLayout = struct("inode", {
  mode: u16,
  uidLow: u16,
  sizeLow: u32,
  accessTime: i32,
  changeTime: i32,
  modifyTime: i32,
  deleteTime: u32,
  gidLow: u16,
  links: u16,
  blocksLow: u32,
  flags: u32,
  version: u32,
  block: bytesOf(60),
  generation: u32,
  xattrBlockLow: u32,
  sizeHigh: u32,
  fragment: u32,
  blocksHigh: u16,
  xattrBlockHigh: u16,
  uidHigh: u16,
  gidHigh: u16,
  checksumLow: u16,
  reserved: u16,
});

/** What follows in inodes of more than 128 bytes, as far as `extraSize` says. */
export const InodeExtraLayout = struct("inode", {
  extraSize: u16,
  checksumHigh: u16,
  changeTimeExtra: u32,
  modifyTimeExtra: u32,
});

/** `i_flags` that decide how an inode is read. */
export const EXT4_INDEX_FL = 0x1000;
export const EXT4_HUGE_FILE_FL = 0x40000;
export const EXT4_EXTENTS_FL = 0x80000;
export const EXT4_ENCRYPT_FL = 0x800;
export const EXT4_INLINE_DATA_FL = 0x10000000;
export const EXT4_CASEFOLD_FL = 0x40000000;

/** `struct ext4_extent_header`. */
export const ExtentHeaderLayout = struct("extent header", {
  magic: u16,
  entries: u16,
  max: u16,
  depth: u16,
  generation: u32,
});
export const EXT4_EXT_MAGIC = 0xf30a;
/** A length above this is that of an extent that was allocated and never written: it reads as zeros. */
export const EXT_INIT_MAX_LEN = 32768;

/** Inode of the root directory. */
export const EXT4_ROOT_INO = 2;
