/**
 * `vendor_boot` of header versions 3 and 4: what a phone keeps in flash, and its bootloader joins with
 * a boot image.
 *
 * @module
 */

import { refuse, unreadable } from "./fault.ts";
import {
  field,
  unfield,
  VENDOR_BOOT_ARGS_SIZE,
  VENDOR_BOOT_MAGIC,
  VendorHeaderV3,
  VendorHeaderV4,
  VendorRamdiskEntry,
} from "./layout.ts";
import {
  addressesOf,
  type BootImageParams,
  checkPageSize,
  checkVersion,
} from "./params.ts";
import { checkMagic, Parts, truncated } from "./parse.ts";

/** What a vendor boot image is made of. */
export interface VendorBootParts {
  /** Unpacked before the boot image's own ramdisk. */
  readonly ramdisk: Uint8Array;
  /** Device tree. */
  readonly dtb: Uint8Array;
  /** Put before the boot image's own; at most 2047 bytes. Default: empty. */
  readonly cmdline?: string;
}

/** A vendor boot image taken apart; the parts are views of it. */
export interface VendorBootImage {
  /** Which of the layouts it has. */
  readonly headerVersion: 3 | 4;
  /** Bytes. */
  readonly pageSize: number;
  /** All vendor ramdisks, one after the other. */
  readonly ramdisk: Uint8Array;
  /** Device tree. */
  readonly dtb: Uint8Array;
  /** Words before the boot image's own. */
  readonly cmdline: string;
  /** Version 4; empty when there is none. */
  readonly bootconfig: Uint8Array;
  /** Where the parts of both images are loaded. */
  readonly addresses: {
    readonly kernel: number;
    readonly ramdisk: number;
    readonly tags: number;
    readonly dtb: bigint;
  };
}

const RAMDISK_TYPE_PLATFORM = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Makes a vendor boot image of version 3 or 4, byte for byte as mkbootimg 34 does; in version 4 with
 * one ramdisk, of type "platform". It is for emulated phones: nothing here writes one to a real phone.
 *
 * @throws {FormatError} `bootimg.unknown-version`, `bootimg.bad-page-size`, `bootimg.address-overflow`,
 * `bootimg.cmdline-too-long`
 */
export function buildVendorBootImage(
  params: BootImageParams,
  parts: VendorBootParts,
): Uint8Array<ArrayBuffer> {
  const version = checkVersion(params.headerVersion);
  if (version < 3) {
    throw refuse(
      "unknown-version",
      `header version is ${version}, expected 3 or 4 for vendor_boot`,
      { headerVersion: version },
    );
  }
  const { pageSize } = params;
  checkPageSize(0, pageSize); // its pages may have any size, in these versions too
  const cmdline = encoder.encode(parts.cmdline ?? "");
  if (cmdline.length >= VENDOR_BOOT_ARGS_SIZE) {
    throw refuse(
      "cmdline-too-long",
      `the command line of vendor_boot has ${cmdline.length} bytes, expected at most ${
        VENDOR_BOOT_ARGS_SIZE - 1
      }`,
      { size: cmdline.length, limit: VENDOR_BOOT_ARGS_SIZE - 1 },
    );
  }
  const addresses = addressesOf(params);
  const v3 = {
    magic: encoder.encode(VENDOR_BOOT_MAGIC),
    headerVersion: version,
    pageSize,
    kernelAddress: addresses.kernel,
    ramdiskAddress: addresses.ramdisk,
    vendorRamdiskSize: parts.ramdisk.length,
    cmdline: field(cmdline, VENDOR_BOOT_ARGS_SIZE),
    tagsAddress: addresses.tags,
    name: new Uint8Array(16),
    headerSize: (version === 3 ? VendorHeaderV3 : VendorHeaderV4).size,
    dtbSize: parts.dtb.length,
    dtbAddress: BigInt(addresses.dtb),
  };
  if (version === 3) {
    return join(pageSize, [
      VendorHeaderV3.encode(v3),
      parts.ramdisk,
      parts.dtb,
    ]);
  }
  const header = VendorHeaderV4.encode({
    ...v3,
    vendorRamdiskTableSize: VendorRamdiskEntry.size,
    vendorRamdiskTableEntryCount: 1,
    vendorRamdiskTableEntrySize: VendorRamdiskEntry.size,
    bootconfigSize: 0,
  });
  const table = VendorRamdiskEntry.encode({
    size: parts.ramdisk.length,
    offset: 0,
    type: RAMDISK_TYPE_PLATFORM,
    name: new Uint8Array(32),
    boardId: new Uint8Array(64),
  });
  return join(pageSize, [header, parts.ramdisk, parts.dtb, table]);
}

/**
 * Takes a vendor boot image apart. Nothing is copied.
 *
 * @throws {FormatError} `bootimg.bad-magic`, `bootimg.unknown-version`, `bootimg.bad-page-size`,
 * `bootimg.truncated`
 */
export function parseVendorBootImage(bytes: Uint8Array): VendorBootImage {
  checkMagic(bytes, VENDOR_BOOT_MAGIC);
  if (bytes.length < VendorHeaderV3.size) {
    throw truncated("header", 0, VendorHeaderV3.size, bytes.length);
  }
  const header = VendorHeaderV3.read(bytes);
  const { headerVersion, pageSize } = header;
  if (headerVersion !== 3 && headerVersion !== 4) {
    throw unreadable(
      "unknown-version",
      `header version of vendor_boot at byte 8 is ${headerVersion}, expected 3 or 4`,
      { headerVersion },
    );
  }
  if (pageSize < 2048 || pageSize > 131072 || (pageSize & pageSize - 1) !== 0) {
    throw unreadable(
      "bad-page-size",
      `page size of vendor_boot at byte 12 is ${pageSize}, expected a power of two from 2048 to 131072; the image is damaged`,
      { pageSize },
    );
  }
  if (headerVersion === 4 && bytes.length < VendorHeaderV4.size) {
    throw truncated("header", 0, VendorHeaderV4.size, bytes.length);
  }
  const v4 = headerVersion === 4 ? VendorHeaderV4.read(bytes) : undefined;
  const size = (v4 === undefined ? VendorHeaderV3 : VendorHeaderV4).size;
  const parts = new Parts(bytes, pageSize, size);
  const ramdisk = parts.next("vendor ramdisk", header.vendorRamdiskSize);
  const dtb = parts.next("device tree", header.dtbSize);
  parts.next("vendor ramdisk table", v4?.vendorRamdiskTableSize ?? 0);
  return {
    headerVersion,
    pageSize,
    ramdisk,
    dtb,
    cmdline: decoder.decode(unfield(header.cmdline)),
    bootconfig: parts.next("bootconfig", v4?.bootconfigSize ?? 0),
    addresses: {
      kernel: header.kernelAddress,
      ramdisk: header.ramdiskAddress,
      tags: header.tagsAddress,
      dtb: header.dtbAddress,
    },
  };
}

/** Parts one after the other, each padded to whole pages. */
function join(
  pageSize: number,
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const pad = (size: number) => Math.ceil(size / pageSize) * pageSize;
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + pad(part.length), 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += pad(part.length);
  }
  return whole;
}
