/**
 * The first sector of a FAT file system, which says where everything lies.
 *
 * Sources: Microsoft, "FAT32 File System Specification" 1.03 (fatgen103); where its rules and what
 * is out there differ, Linux 6.12 `fs/fat/inode.c` and EDK2 `FatPkg`.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { bytesOf, struct, u16, u32, u8 } from "../../bytes/struct.ts";
import { fatError } from "./errors.ts";
import { decodeOem } from "./name.ts";

/** Fields that every FAT has, from byte 0 (fatgen103, "BPB_*"). */
const BiosParameterBlock = struct("BIOS parameter block", {
  jump: bytesOf(3),
  oemName: bytesOf(8),
  bytesPerSector: u16,
  sectorsPerCluster: u8,
  reservedSectors: u16,
  tables: u8,
  rootEntries: u16,
  sectors16: u16,
  media: u8,
  tableSectors16: u16,
  sectorsPerTrack: u16,
  heads: u16,
  hiddenSectors: u32,
  sectors32: u32,
});

/** What follows in FAT32, from byte 36. */
const Fat32Extension = struct("FAT32 extension", {
  tableSectors32: u32,
  flags: u16,
  version: u16,
  rootCluster: u32,
  infoSector: u16,
  backupSector: u16,
  reserved: bytesOf(12),
});

/** What follows then: from byte 64 of FAT32, from byte 36 of the others. */
const VolumeExtension = struct("volume extension", {
  drive: u8,
  reserved: u8,
  signature: u8,
  serial: u32,
  label: bytesOf(11),
  type: bytesOf(8),
});

const BOOT_SECTOR_SIZE = 512;
/** Most clusters of the smaller types, exclusive (fatgen103, "FAT Type Determination"). */
const MAX_FAT12_CLUSTERS = 4085;
const MAX_FAT16_CLUSTERS = 65525;
const MAX_FAT32_CLUSTERS = 0x0ffffff5;
/** Marks of file systems that keep something else where FAT keeps the OEM name. */
const OTHERS: Readonly<Record<string, string>> = {
  "EXFAT   ": "exFAT",
  "NTFS    ": "NTFS",
  "-FVE-FS-": "BitLocker",
};

/** What the boot sector says, checked. Bytes count from the start of the image. */
export interface FatVolume {
  /** Bits of an entry of the allocation table. */
  readonly bits: 12 | 16 | 32;
  /** Bytes of a sector: 512, 1024, 2048 or 4096. */
  readonly sectorSize: number;
  /** Bytes of a cluster. */
  readonly clusterSize: number;
  /** Clusters; the first one is number 2. */
  readonly clusterCount: number;
  /** Byte of the allocation table in use. */
  readonly tableStart: number;
  /** Byte of cluster 2. */
  readonly dataStart: number;
  /** Of FAT12 and FAT16: byte of the root directory. */
  readonly rootStart: number;
  /** Of FAT12 and FAT16: its bytes; else 0. */
  readonly rootSize: number;
  /** Of FAT32: first cluster of the root directory; else 0. */
  readonly rootCluster: number;
  /** Bytes of the whole, as the boot sector says. */
  readonly size: number;
  /** Serial number, as `1234-abcd`; absent where there is none. */
  readonly serial?: string;
  /** Label in the boot sector; the one in the root directory is the one that counts. */
  readonly bootLabel: string;
}

/**
 * Reads and checks the boot sector; 1 read.
 *
 * @throws {FormatError} `fat.bad-magic`, `fat.truncated`, `fat.damaged`, `fat.unsupported-feature`
 */
export async function readBootSector(
  image: BlockReader,
  options?: ReadOptions,
): Promise<FatVolume> {
  const { name } = image;
  if (image.size < BOOT_SECTOR_SIZE) {
    const found =
      `found ${image.size} bytes, expected at least ${BOOT_SECTOR_SIZE}`;
    throw fatError("fat.truncated", name, "boot sector", found, {
      size: image.size,
    });
  }
  const bytes = await readExactly(image, 0, BOOT_SECTOR_SIZE, options);
  const block = BiosParameterBlock.read(bytes);
  const other = OTHERS[decodeOem(block.oemName)];
  if (other !== undefined) {
    throw fatError(
      "fat.unsupported-feature",
      name,
      "boot sector",
      `it is ${other}, which fastboop does not read`,
      { format: other },
    );
  }
  if (!hasSignature(bytes)) {
    const found = (bytes[510]! << 8 | bytes[511]!).toString(16).padStart(
      4,
      "0",
    );
    throw fatError(
      "fat.bad-magic",
      name,
      "boot sector",
      `signature at byte 510 is 0x${found}, expected 0x55aa`,
      { found },
    );
  }
  const check = (good: boolean, at: number, what: string, wanted: string) => {
    if (good) return;
    const found = `${what} at byte ${at}, expected ${wanted}`;
    throw fatError("fat.damaged", name, "boot sector", found, { offset: at });
  };
  const { bytesPerSector, sectorsPerCluster, reservedSectors, tables } = block;
  check(
    isSectorSize(bytesPerSector),
    11,
    `sectors have ${bytesPerSector} bytes`,
    "512, 1024, 2048 or 4096",
  );
  check(
    isPowerOfTwo(sectorsPerCluster),
    13,
    `clusters have ${sectorsPerCluster} sectors`,
    "a power of two",
  );
  check(reservedSectors > 0, 14, "no reserved sectors", "at least 1");
  check(tables > 0, 16, "no allocation table", "at least 1");

  // fatgen103 decides by the number of clusters alone. mkfs.vfat -F 32 makes smaller FAT32 for small
  // boot partitions; Linux and EDK2 know it by the missing 16-bit size of the table, and so do we.
  const wide = block.tableSectors16 === 0;
  const extension = Fat32Extension.read(bytes, BiosParameterBlock.size);
  const tableSectors = wide ? extension.tableSectors32 : block.tableSectors16;
  const sectors = block.sectors16 || block.sectors32;
  const rootSectors = Math.ceil(block.rootEntries * 32 / bytesPerSector);
  const dataSector = reservedSectors + tables * tableSectors + rootSectors;
  check(tableSectors > 0, wide ? 36 : 22, "a table of 0 sectors", "some");
  check(sectors > 0, 32, "a size of 0 sectors", "some");
  check(
    dataSector < sectors,
    wide ? 36 : 22,
    `tables and root directory end at sector ${dataSector} of ${sectors}`,
    "an end before the last sector",
  );
  const clusters = Math.floor((sectors - dataSector) / sectorsPerCluster);
  const bits = wide ? 32 : clusters < MAX_FAT12_CLUSTERS ? 12 : 16;
  if (wide) {
    check(
      extension.version === 0,
      42,
      `FAT32 of version ${extension.version >> 8}.${extension.version & 0xff}`,
      "0.0",
    );
    check(
      clusters < MAX_FAT32_CLUSTERS,
      32,
      `${clusters} clusters`,
      `less than ${MAX_FAT32_CLUSTERS}`,
    );
  } else {
    check(
      clusters < MAX_FAT16_CLUSTERS,
      22,
      `${clusters} clusters under a table of 16 bits`,
      `less than ${MAX_FAT16_CLUSTERS}`,
    );
  }
  const tableSize = tableSectors * bytesPerSector;
  // clusters that the table has no entry for cannot be used; Linux leaves them out as well
  const clusterCount = Math.min(
    clusters,
    Math.floor(tableSize * 8 / bits) - 2,
  );
  check(clusterCount > 0, wide ? 36 : 22, "no cluster", "at least 1");
  // bit 7: one table is in use, bits 0 to 3 say which; else all are the same
  const active = wide && (extension.flags & 0x80) !== 0
    ? extension.flags & 0xf
    : 0;
  check(active < tables, 40, `table ${active} in use`, `one of ${tables}`);
  if (wide) {
    const { rootCluster } = extension;
    check(
      rootCluster >= 2 && rootCluster < clusterCount + 2,
      44,
      `root directory at cluster ${rootCluster}`,
      `2 to ${clusterCount + 1}`,
    );
  } else {
    check(block.rootEntries > 0, 17, "a root directory of 0 entries", "some");
  }
  const dataStart = dataSector * bytesPerSector;
  if (dataStart > image.size) {
    const found =
      `found ${image.size} bytes, expected tables and root directory up to ${dataStart}`;
    throw fatError("fat.truncated", name, "boot sector", found, {
      size: image.size,
    });
  }
  const volume = VolumeExtension.read(
    bytes,
    BiosParameterBlock.size + (wide ? Fat32Extension.size : 0),
  );
  const stated = volume.signature === 0x29;
  const label = stated ? decodeOem(volume.label).trimEnd() : "";
  const rootSize = block.rootEntries * 32;
  return {
    bits,
    sectorSize: bytesPerSector,
    clusterSize: sectorsPerCluster * bytesPerSector,
    clusterCount,
    tableStart: reservedSectors * bytesPerSector + active * tableSize,
    dataStart,
    rootStart: dataStart - rootSectors * bytesPerSector,
    rootSize: wide ? 0 : rootSize,
    rootCluster: wide ? extension.rootCluster : 0,
    size: sectors * bytesPerSector,
    ...(stated ? { serial: formatSerial(volume.serial) } : {}),
    bootLabel: label === "NO NAME" ? "" : label,
  };
}

function hasSignature(bytes: Uint8Array): boolean {
  return bytes[510] === 0x55 && bytes[511] === 0xaa;
}

function isSectorSize(size: number): boolean {
  return isPowerOfTwo(size) && size >= 512 && size <= 4096;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function formatSerial(serial: number): string {
  const hex = serial.toString(16).padStart(8, "0");
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}
