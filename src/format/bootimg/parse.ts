/**
 * Takes Android boot images apart.
 *
 * @module
 */

import { concat } from "../../bytes/concat.ts";
import { hex, unreadable } from "./fault.ts";
import {
  BOOT_MAGIC,
  HEADER_VERSION_AT,
  HeaderV0,
  HeaderV1,
  HeaderV2,
  HeaderV3,
  HeaderV4,
  unfield,
  V3_PAGE_SIZE,
} from "./layout.ts";
import type { HeaderVersion } from "./params.ts";

/** Load addresses as the header states them. */
export interface BootImageAddresses {
  /** Of the kernel. */
  readonly kernel: number;
  /** Of the ramdisk. */
  readonly ramdisk: number;
  /** Of the second stage. */
  readonly second: number;
  /** Of the kernel's tags, or of the device tree. */
  readonly tags: number;
  /** Version 2 only, else 0. */
  readonly dtb: bigint;
}

/** A boot image taken apart; the parts are views of it. */
export interface BootImage {
  /** Which of the layouts it has. */
  readonly headerVersion: HeaderVersion;
  /** Bytes; 4096 in versions 3 and 4. */
  readonly pageSize: number;
  /** With a device tree behind it, where one is appended. */
  readonly kernel: Uint8Array;
  /** Initramfs as stored. */
  readonly ramdisk: Uint8Array;
  /** Empty where there is none, as the two below. */
  readonly second: Uint8Array;
  /** Versions 1 and 2. */
  readonly recoveryDtbo: Uint8Array;
  /** Version 2. */
  readonly dtb: Uint8Array;
  /** Both fields of versions 0 to 2 joined; damaged UTF-8 becomes U+FFFD. */
  readonly cmdline: string;
  /** Absent in versions 3 and 4. */
  readonly addresses?: BootImageAddresses;
  /** Name of the board; empty in versions 3 and 4. */
  readonly name: string;
  /** Version and patch level packed into 32 bits, 0 when not stated. */
  readonly osVersion: number;
  /** SHA-1 of the parts and 12 zeros, as mkbootimg makes it; not verified. Empty in versions 3 and 4. */
  readonly id: Uint8Array;
}

const MIN_PAGE = 2048, MAX_PAGE = 131072;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();

/**
 * Takes a boot image of version 0 to 4 apart, as a bootloader would.
 *
 * Every size is checked before a part is looked for. Padding behind the last part may be missing, and
 * what follows it is not looked at (a signature of AVB, for example). Nothing is copied.
 *
 * @throws {FormatError} `bootimg.bad-magic`, `bootimg.unknown-version`, `bootimg.bad-page-size`,
 * `bootimg.truncated`
 * @see AOSP system/tools/mkbootimg, bootimg.h
 *
 * @example
 * ```ts
 * import { buildBootImage, parseBootImage } from "../../../mod.ts";
 *
 * const { bytes } = await buildBootImage(
 *   { headerVersion: 3, pageSize: 4096 },
 *   { kernel: Uint8Array.of(1), ramdisk: Uint8Array.of(2), cmdline: "quiet" },
 * );
 * console.assert(parseBootImage(bytes).cmdline === "quiet");
 * ```
 */
export function parseBootImage(bytes: Uint8Array): BootImage {
  checkMagic(bytes, BOOT_MAGIC);
  if (bytes.length < HEADER_VERSION_AT + 4) {
    throw truncated("header", 0, HEADER_VERSION_AT + 4, bytes.length);
  }
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
    HEADER_VERSION_AT,
    true,
  );
  switch (version) {
    case 0:
    case 1:
    case 2:
      return parseOld(bytes, version);
    case 3:
    case 4:
      return parseNew(bytes, version);
    default:
      throw unreadable(
        "unknown-version",
        `header version at byte ${HEADER_VERSION_AT} is ${version}, expected 0 to 4; in images with a Qualcomm device tree table (QCDT) the field is its size`,
        { headerVersion: version },
      );
  }
}

function parseOld(bytes: Uint8Array, version: 0 | 1 | 2): BootImage {
  const layout = [HeaderV0, HeaderV1, HeaderV2][version]!;
  if (bytes.length < layout.size) {
    throw truncated("header", 0, layout.size, bytes.length);
  }
  const header = HeaderV0.read(bytes);
  const v1 = version >= 1 ? HeaderV1.read(bytes) : undefined;
  const v2 = version >= 2 ? HeaderV2.read(bytes) : undefined;
  const { pageSize } = header;
  if (
    pageSize < MIN_PAGE || pageSize > MAX_PAGE ||
    (pageSize & pageSize - 1) !== 0
  ) {
    throw unreadable(
      "bad-page-size",
      `page size at byte 36 is ${pageSize}, expected a power of two from ${MIN_PAGE} to ${MAX_PAGE}; the image is damaged`,
      { pageSize },
    );
  }
  const parts = new Parts(bytes, pageSize, layout.size);
  return {
    headerVersion: version,
    pageSize,
    kernel: parts.next("kernel", header.kernelSize),
    ramdisk: parts.next("ramdisk", header.ramdiskSize),
    second: parts.next("second stage", header.secondSize),
    recoveryDtbo: parts.next("recovery dtbo", v1?.recoveryDtboSize ?? 0),
    dtb: parts.next("device tree", v2?.dtbSize ?? 0),
    cmdline: decoder.decode(
      concat([unfield(header.cmdline), unfield(header.extraCmdline)]),
    ),
    addresses: {
      kernel: header.kernelAddress,
      ramdisk: header.ramdiskAddress,
      second: header.secondAddress,
      tags: header.tagsAddress,
      dtb: v2?.dtbAddress ?? 0n,
    },
    name: decoder.decode(unfield(header.name)),
    osVersion: header.osVersion,
    id: header.id,
  };
}

function parseNew(bytes: Uint8Array, version: 3 | 4): BootImage {
  const layout = version === 3 ? HeaderV3 : HeaderV4;
  if (bytes.length < layout.size) {
    throw truncated("header", 0, layout.size, bytes.length);
  }
  const header = HeaderV3.read(bytes);
  const parts = new Parts(bytes, V3_PAGE_SIZE, layout.size);
  return {
    headerVersion: version,
    pageSize: V3_PAGE_SIZE,
    kernel: parts.next("kernel", header.kernelSize),
    ramdisk: parts.next("ramdisk", header.ramdiskSize),
    second: NOTHING,
    recoveryDtbo: NOTHING,
    dtb: NOTHING,
    cmdline: decoder.decode(unfield(header.cmdline)),
    name: "",
    osVersion: header.osVersion,
    id: NOTHING,
  };
}

/** Parts that follow each other, each from a page of its own. */
export class Parts {
  readonly #bytes: Uint8Array;
  readonly #pageSize: number;
  #at: number;

  /** Begins behind a header of `headerSize` bytes. */
  constructor(bytes: Uint8Array, pageSize: number, headerSize: number) {
    this.#bytes = bytes;
    this.#pageSize = pageSize;
    this.#at = this.#pad(headerSize);
  }

  /** The next part; `name` is for the message when it is not all there. */
  next(name: string, size: number): Uint8Array {
    const offset = this.#at;
    if (size === 0) return NOTHING;
    if (offset + size > this.#bytes.length) {
      throw truncated(name, offset, size, this.#bytes.length);
    }
    this.#at = offset + this.#pad(size);
    return this.#bytes.subarray(offset, offset + size);
  }

  #pad(size: number): number {
    return Math.ceil(size / this.#pageSize) * this.#pageSize;
  }
}

/** Throws unless `bytes` begin with `magic`. */
export function checkMagic(bytes: Uint8Array, magic: string): void {
  const start = bytes.subarray(0, magic.length);
  const found = String.fromCharCode(...start);
  if (found === magic) return;
  throw unreadable(
    "bad-magic",
    `found ${
      [...start].map((byte) => byte.toString(16).padStart(2, "0")).join(" ") ||
      "nothing"
    } at byte 0, expected "${magic}"`,
    { found },
  );
}

/** The error for a part that the image ends within. */
export function truncated(
  name: string,
  offset: number,
  size: number,
  length: number,
): Error {
  return unreadable(
    "truncated",
    `the ${name} takes ${size} bytes from byte ${offset} (${
      hex(offset)
    }) on, but the image has ${length}; it is cut short or damaged`,
    { part: name, offset, size, length },
  );
}
