/**
 * Layouts of Android boot images, as `bootimg.h` of AOSP's mkbootimg declares them; little-endian.
 *
 * @module
 */

import { bytesOf, struct, u32, u64 } from "../../bytes/struct.ts";

/** Magic of a boot image. */
export const BOOT_MAGIC = "ANDROID!";
/** Magic of a vendor boot image. */
export const VENDOR_BOOT_MAGIC = "VNDRBOOT";
/** Byte of the header's version, the same in every version. */
export const HEADER_VERSION_AT = 40;
/** Pages of versions 3 and 4 have this size; none of the header's fields says so. */
export const V3_PAGE_SIZE = 4096;

/** Bytes of the fields for the command line. */
export const BOOT_ARGS_SIZE = 512;
export const BOOT_EXTRA_ARGS_SIZE = 1024;
export const VENDOR_BOOT_ARGS_SIZE = 2048;

const V0 = {
  magic: bytesOf(8),
  kernelSize: u32,
  kernelAddress: u32,
  ramdiskSize: u32,
  ramdiskAddress: u32,
  secondSize: u32,
  secondAddress: u32,
  tagsAddress: u32,
  pageSize: u32,
  headerVersion: u32,
  osVersion: u32,
  name: bytesOf(16),
  cmdline: bytesOf(BOOT_ARGS_SIZE),
  id: bytesOf(32),
  extraCmdline: bytesOf(BOOT_EXTRA_ARGS_SIZE),
} as const;

const V1 = {
  ...V0,
  recoveryDtboSize: u32,
  recoveryDtboOffset: u64,
  headerSize: u32,
} as const;

const V3 = {
  magic: bytesOf(8),
  kernelSize: u32,
  ramdiskSize: u32,
  osVersion: u32,
  headerSize: u32,
  reserved: bytesOf(16),
  headerVersion: u32,
  cmdline: bytesOf(BOOT_ARGS_SIZE + BOOT_EXTRA_ARGS_SIZE),
} as const;

const VENDOR_V3 = {
  magic: bytesOf(8),
  headerVersion: u32,
  pageSize: u32,
  kernelAddress: u32,
  ramdiskAddress: u32,
  vendorRamdiskSize: u32,
  cmdline: bytesOf(VENDOR_BOOT_ARGS_SIZE),
  tagsAddress: u32,
  name: bytesOf(16),
  headerSize: u32,
  dtbSize: u32,
  dtbAddress: u64,
} as const;

/** `boot_img_hdr_v0`, 1632 bytes. */
export const HeaderV0 = struct("boot image header v0", V0);
/** `boot_img_hdr_v1`, 1648 bytes. */
export const HeaderV1 = struct("boot image header v1", V1);
/** `boot_img_hdr_v2`, 1660 bytes. */
export const HeaderV2 = struct("boot image header v2", {
  ...V1,
  dtbSize: u32,
  dtbAddress: u64,
});
/** `boot_img_hdr_v3`, 1580 bytes. */
export const HeaderV3 = struct("boot image header v3", V3);
/** `boot_img_hdr_v4`, 1584 bytes. */
export const HeaderV4 = struct("boot image header v4", {
  ...V3,
  signatureSize: u32,
});
/** `vendor_boot_img_hdr_v3`, 2112 bytes. */
export const VendorHeaderV3 = struct("vendor boot header v3", VENDOR_V3);
/** `vendor_boot_img_hdr_v4`, 2128 bytes. */
export const VendorHeaderV4 = struct("vendor boot header v4", {
  ...VENDOR_V3,
  vendorRamdiskTableSize: u32,
  vendorRamdiskTableEntryCount: u32,
  vendorRamdiskTableEntrySize: u32,
  bootconfigSize: u32,
});
/** `vendor_ramdisk_table_entry_v4`, 108 bytes. */
export const VendorRamdiskEntry = struct("vendor ramdisk table entry", {
  size: u32,
  offset: u32,
  type: u32,
  name: bytesOf(32),
  boardId: bytesOf(64),
});

/** A text in a field that zeros fill up. */
export function field(text: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(text);
  return bytes;
}

/** What stands before the first zero, or all of it. */
export function unfield(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
