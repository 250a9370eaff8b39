/**
 * What is asked of a boot image, checked.
 *
 * @module
 */

import { hex, refuse } from "./fault.ts";
import {
  BOOT_ARGS_SIZE,
  BOOT_EXTRA_ARGS_SIZE,
  V3_PAGE_SIZE,
} from "./layout.ts";

/** Version of the header: 0 to 2 hold everything, 3 and 4 leave the device tree to the phone's flash. */
export type HeaderVersion = 0 | 1 | 2 | 3 | 4;

/** Bytes of parts at which a phone refuses or overwrites something; 0 or absent is no limit. */
export interface BootImageLimits {
  /** Kernel, with the device tree that is appended to it. */
  readonly maxKernelBytes?: number;
  /** Initramfs as stored, compressed or not. */
  readonly maxInitrdBytes?: number;
  /** The whole image. */
  readonly maxTotalBytes?: number;
}

/** What a device profile says of the image, all in bytes. */
export interface BootImageParams {
  /** See {@linkcode HeaderVersion}; any other number is refused. */
  readonly headerVersion: number;
  /** Power of two, 2048 to 131072; 4096 for versions 3 and 4. */
  readonly pageSize: number;
  /** Added to each offset; default 0. */
  readonly base?: number;
  /** Default 0x8000. */
  readonly kernelOffset?: number;
  /** Default 0x01000000. */
  readonly ramdiskOffset?: number;
  /** Default 0x00f00000. */
  readonly secondOffset?: number;
  /** Default 0x100. */
  readonly tagsOffset?: number;
  /** Version 2 only; default 0x01f00000. */
  readonly dtbOffset?: number;
  /** The device tree follows the kernel within its part, as the encodings with `+dtb` say. */
  readonly appendDtb?: boolean;
  /** Default: none. */
  readonly limits?: BootImageLimits;
}

const OFFSETS = {
  base: 0,
  kernelOffset: 0x8000,
  ramdiskOffset: 0x01000000,
  secondOffset: 0x00f00000,
  tagsOffset: 0x100,
  dtbOffset: 0x01f00000,
} as const;

const MIN_PAGE = 2048, MAX_PAGE = 131072;

/** Where the bootloader is told to put the parts. */
export interface Addresses {
  readonly kernel: number;
  readonly ramdisk: number;
  readonly second: number;
  readonly tags: number;
  readonly dtb: number;
}

/** @throws {FormatError} `bootimg.unknown-version` */
export function checkVersion(version: number): HeaderVersion {
  if (Number.isInteger(version) && version >= 0 && version <= 4) {
    return version as HeaderVersion;
  }
  throw refuse(
    "unknown-version",
    `header version is ${version}, expected 0 to 4`,
    { headerVersion: version },
  );
}

/** @throws {FormatError} `bootimg.bad-page-size` */
export function checkPageSize(version: HeaderVersion, pageSize: number): void {
  if (version >= 3 && pageSize !== V3_PAGE_SIZE) {
    throw refuse(
      "bad-page-size",
      `page size is ${pageSize}, expected ${V3_PAGE_SIZE}, which header version ${version} fixes`,
      { pageSize },
    );
  }
  if (
    Number.isInteger(pageSize) && pageSize >= MIN_PAGE &&
    pageSize <= MAX_PAGE && Math.log2(pageSize) % 1 === 0
  ) return;
  throw refuse(
    "bad-page-size",
    `page size is ${pageSize}, expected a power of two from ${MIN_PAGE} to ${MAX_PAGE}`,
    { pageSize },
  );
}

/**
 * Base plus offsets.
 *
 * @throws {FormatError} `bootimg.address-overflow` beyond 32 bits (the device tree's may have 53)
 */
export function addressesOf(params: BootImageParams): Addresses {
  const base = params.base ?? OFFSETS.base;
  const sum = (name: string, offset: number, max = 0xffffffff) => {
    const address = base + offset;
    const fine = Number.isSafeInteger(base) && Number.isSafeInteger(offset) &&
      base >= 0 && offset >= 0 && address <= max;
    if (fine) return address;
    throw refuse(
      "address-overflow",
      `address of the ${name} is ${hex(base)} + ${hex(offset)} = ${
        hex(address)
      }, expected at most ${hex(max)}`,
      { part: name, base, offset },
    );
  };
  return {
    kernel: sum("kernel", params.kernelOffset ?? OFFSETS.kernelOffset),
    ramdisk: sum("ramdisk", params.ramdiskOffset ?? OFFSETS.ramdiskOffset),
    second: sum("second stage", params.secondOffset ?? OFFSETS.secondOffset),
    tags: sum("kernel tags", params.tagsOffset ?? OFFSETS.tagsOffset),
    dtb: sum(
      "device tree",
      params.dtbOffset ?? OFFSETS.dtbOffset,
      Number.MAX_SAFE_INTEGER,
    ),
  };
}

/**
 * Refuses addresses that the header has no fields for: versions 3 and 4 take them from `vendor_boot`.
 *
 * @throws {FormatError} `bootimg.address-lost`
 */
export function refuseLostAddresses(params: BootImageParams): void {
  for (const name of Object.keys(OFFSETS) as (keyof typeof OFFSETS)[]) {
    const value = params[name];
    if (value === undefined || value === OFFSETS[name]) continue;
    throw refuse(
      "address-lost",
      `${name} is ${
        hex(value)
      }, but header version ${params.headerVersion} holds no addresses: the bootloader takes them from vendor_boot in the phone's flash; leave it out, or use header version 0 to 2`,
      { name, value },
    );
  }
}

/**
 * Most bytes that the command line may have. In versions 0 to 2 it is split over two fields, in all
 * versions each field ends in a zero.
 *
 * @throws {FormatError} `bootimg.unknown-version`
 */
export function maxBootCmdline(headerVersion: number): number {
  const whole = BOOT_ARGS_SIZE + BOOT_EXTRA_ARGS_SIZE;
  return checkVersion(headerVersion) < 3 ? whole - 2 : whole - 1;
}
