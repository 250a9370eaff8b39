import type { ReadOptions } from "../../block/reader.ts";
import { crc16, CRC_START, littleEndian } from "./checksum.ts";
import {
  checkBlocks,
  checkSum,
  type Ext4Image,
  readMetadata,
} from "./image.ts";
import { DESCRIPTOR_TABLE_HIGH, DescriptorLayout } from "./layout.ts";
import type { Superblock } from "./superblock.ts";

/** The byte at which the inode table of a group begins. One read at most, neighbours share it. */
export async function findInodeTable(
  image: Ext4Image,
  group: number,
  options?: ReadOptions,
): Promise<number> {
  const known = image.tables.get(group);
  if (known !== undefined) return known;
  const { superblock } = image;
  const { blockSize, descriptorSize, inodesPerGroup, inodeSize } = superblock;
  const perBlock = blockSize / descriptorSize;
  const block = descriptorBlock(superblock, Math.floor(group / perBlock));
  const what = `descriptor of group ${group}`;
  checkBlocks(image, what, block, 1);
  const position = block * blockSize + (group % perBlock) * descriptorSize;
  const bytes = await readMetadata(
    image.metadata,
    position,
    descriptorSize,
    options,
  );
  const raw = DescriptorLayout.read(bytes);
  const expected = descriptorChecksum(image, group, bytes);
  if (expected !== undefined) {
    const at = position + DescriptorLayout.offsets.checksum;
    checkSum(image.data, what, at, raw.checksum, expected);
  }
  const high = descriptorSize > DESCRIPTOR_TABLE_HIGH
    ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(
      DESCRIPTOR_TABLE_HIGH,
      true,
    )
    : 0;
  const table = raw.inodeTableLow + high * 2 ** 32;
  const tableBlocks = inodesPerGroup * inodeSize / blockSize;
  checkBlocks(image, `inode table of group ${group}`, table, tableBlocks);
  image.tables.set(group, table * blockSize);
  return table * blockSize;
}

/** The block that holds the descriptors with index `index` when they are counted in blocks. */
function descriptorBlock(superblock: Superblock, index: number): number {
  const { blockSize, descriptorSize, firstDataBlock } = superblock;
  // with blocks of 1 KiB the superblock takes block 1 even where data may begin at block 0
  const superblockAt = blockSize === 1024 ? 1 : 0;
  if (index < superblock.firstMetaGroup) return superblockAt + 1 + index;
  const group = index * (blockSize / descriptorSize);
  const first = firstDataBlock + group * superblock.blocksPerGroup;
  const extra = group === 0 ? superblockAt - firstDataBlock : 0;
  return first + extra + (hasSuperblock(superblock, group) ? 1 : 0);
}

/** Whether a group begins with a copy of the superblock. */
function hasSuperblock(superblock: Superblock, group: number): boolean {
  if (group === 0) return true;
  if (superblock.has("sparse_super2")) {
    return superblock.backupGroups.includes(group);
  }
  if (group === 1 || !superblock.has("sparse_super")) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

/** The sum that a descriptor should have; `undefined` when this image has none. */
function descriptorChecksum(
  { superblock, crc }: Ext4Image,
  group: number,
  bytes: Uint8Array,
): number | undefined {
  const at = DescriptorLayout.offsets.checksum;
  const before = bytes.subarray(0, at);
  const behind = bytes.subarray(at + 2);
  if (superblock.has("metadata_csum")) {
    let sum = crc.sumU32(superblock.checksumSeed, group);
    sum = crc.sum(sum, before);
    sum = crc.sum(sum, Uint8Array.of(0, 0));
    return crc.sum(sum, behind) & 0xffff;
  }
  if (!superblock.has("uninit_bg")) return undefined;
  let sum = crc16(CRC_START & 0xffff, superblock.uuidBytes);
  sum = crc16(sum, littleEndian(group));
  return crc16(crc16(sum, before), behind);
}
