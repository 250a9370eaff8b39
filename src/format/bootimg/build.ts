/**
 * Makes Android boot images, byte for byte as AOSP's mkbootimg 34 does.
 *
 * @module
 */

import { hex, refuse } from "./fault.ts";
import {
  BOOT_ARGS_SIZE,
  BOOT_EXTRA_ARGS_SIZE,
  BOOT_MAGIC,
  field,
  HeaderV0,
  HeaderV1,
  HeaderV2,
  HeaderV3,
  HeaderV4,
} from "./layout.ts";
import {
  addressesOf,
  type BootImageParams,
  checkPageSize,
  checkVersion,
  type HeaderVersion,
  maxBootCmdline,
  refuseLostAddresses,
} from "./params.ts";

/** What goes into an image. */
export interface BootImageParts {
  /** As the bootloader expects it, compressed or not, without a device tree. */
  readonly kernel: Uint8Array;
  /** Initramfs, compressed or not. */
  readonly ramdisk: Uint8Array;
  /** Versions 0 to 2 only. */
  readonly second?: Uint8Array;
  /** Device tree: a part of its own in version 2, or appended to the kernel. */
  readonly dtb?: Uint8Array;
  /** Default: empty. */
  readonly cmdline?: string;
}

/** One line of a table of what lies where in an image, in bytes. */
export interface BootImageRow {
  /** `header`, `kernel`, `kernel+dtb`, `ramdisk`, `second`, `dtb` or `total`. */
  readonly name: string;
  /** From the start of the image. */
  readonly offset: number;
  /** Without padding. */
  readonly size: number;
  /** Up to the next part. */
  readonly paddedSize: number;
  /** What the profile allows; absent where it sets no limit. */
  readonly limit?: number;
}

/** A boot image and what lies where in it; the last row is the total. */
export interface BuiltBootImage {
  /** What is sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In the order of the image. */
  readonly layout: readonly BootImageRow[];
}

interface Section {
  readonly name: string;
  readonly pieces: readonly Uint8Array[];
  readonly size: number;
  readonly limit: number | undefined;
}

/**
 * Makes the boot image that `fastboot boot` sends.
 *
 * Versions 0 to 2: the header with addresses and the SHA-1 of the parts, then kernel, ramdisk, second
 * stage and, in version 2, device tree, each padded with zeros to whole pages. Versions 3 and 4:
 * kernel, ramdisk and command line; the bootloader adds device tree, addresses, a first ramdisk and
 * words of its own from `vendor_boot` in the phone's flash, which `fastboot boot` has no way to
 * replace. Costs one copy of the parts, and one more in versions 0 to 2 while the SHA-1 is made.
 *
 * @throws {FormatError} `bootimg.unknown-version`, `bootimg.bad-page-size`, `bootimg.empty-part`,
 * `bootimg.dtb-lost`, `bootimg.dtb-missing`, `bootimg.second-lost`, `bootimg.address-lost`,
 * `bootimg.address-overflow`, `bootimg.cmdline-too-long`, `bootimg.bad-cmdline`,
 * `bootimg.kernel-too-large`, `bootimg.initrd-too-large`, `bootimg.total-too-large`
 * @see AOSP system/tools/mkbootimg, bootimg.h and mkbootimg.py; system/core, fastboot/bootimg_utils.cpp
 *
 * @example
 * ```ts
 * import { buildBootImage } from "../../../mod.ts";
 *
 * const { bytes, layout } = await buildBootImage(
 *   { headerVersion: 0, pageSize: 2048, limits: { maxTotalBytes: 64 << 20 } },
 *   { kernel: new Uint8Array(100), ramdisk: new Uint8Array(10), cmdline: "quiet" },
 * );
 * console.assert(bytes.length === 3 * 2048 && layout[1]?.name === "kernel");
 * ```
 */
export async function buildBootImage(
  params: BootImageParams,
  parts: BootImageParts,
): Promise<BuiltBootImage> {
  const version = checkVersion(params.headerVersion);
  checkPageSize(version, params.pageSize);
  checkParts(version, params, parts);
  const cmdline = encodeCmdline(version, parts.cmdline ?? "");
  const sections = sectionsOf(version, params, parts);

  const { pageSize, limits = {} } = params;
  const pad = (size: number) => Math.ceil(size / pageSize) * pageSize;
  const headerSize = HEADERS[version].size;
  const total = pad(headerSize) +
    sections.reduce((sum, { size }) => sum + pad(size), 0);
  const maxTotal = limits.maxTotalBytes || undefined;
  checkLimit("total", "the whole image", total, maxTotal);

  const rows: BootImageRow[] = [{
    name: "header",
    offset: 0,
    size: headerSize,
    paddedSize: pad(headerSize),
  }];
  const bytes = new Uint8Array(total);
  let offset = pad(headerSize);
  for (const { name, pieces, size, limit } of sections) {
    let at = offset;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const paddedSize = pad(size);
    rows.push({ name, offset, size, paddedSize, ...limited(limit) });
    offset += paddedSize;
  }
  rows.push({
    name: "total",
    offset: 0,
    size: total,
    paddedSize: total,
    ...limited(maxTotal),
  });
  bytes.set(await makeHeader(version, params, sections, cmdline));
  return { bytes, layout: rows };
}

const HEADERS = {
  0: HeaderV0,
  1: HeaderV1,
  2: HeaderV2,
  3: HeaderV3,
  4: HeaderV4,
} as const;

const encoder = new TextEncoder();
const limited = (limit: number | undefined) =>
  limit === undefined ? {} : { limit };

function checkParts(
  version: HeaderVersion,
  params: BootImageParams,
  parts: BootImageParts,
): void {
  for (const name of ["kernel", "ramdisk"] as const) {
    if (parts[name].length > 0) continue;
    throw refuse("empty-part", `the ${name} has 0 bytes, expected some`, {
      part: name,
    });
  }
  const dtbSize = parts.dtb?.length ?? 0;
  const facts = { headerVersion: version, dtbSize };
  if (params.appendDtb === true) {
    if (dtbSize === 0) {
      throw refuse(
        "dtb-missing",
        "the kernel encoding ends in +dtb, but there is no device tree; give one",
        facts,
      );
    }
  } else if (version === 2) {
    if (dtbSize === 0) {
      throw refuse(
        "dtb-missing",
        "header version 2 demands a device tree, but there is none; give one, or use header version 0",
        facts,
      );
    }
  } else if (dtbSize > 0) {
    const rest = version < 2
      ? "use a kernel encoding with +dtb, or header version 2"
      : "the bootloader takes it from vendor_boot in the phone's flash; use header version 2 if the bootloader knows it, or a kernel encoding with +dtb if it looks there";
    throw refuse(
      "dtb-lost",
      `the device tree of ${dtbSize} bytes would be lost: header version ${version} has no place for it; ${rest}`,
      facts,
    );
  }
  if (version < 3) return;
  if (parts.second !== undefined && parts.second.length > 0) {
    throw refuse(
      "second-lost",
      `the second stage of ${parts.second.length} bytes would be lost: header version ${version} has no place for it; use header version 0 to 2`,
      { headerVersion: version },
    );
  }
  refuseLostAddresses(params);
}

function encodeCmdline(version: HeaderVersion, cmdline: string): Uint8Array {
  // deno-lint-ignore no-control-regex
  const control = /[\x00-\x1f\x7f]/.exec(cmdline);
  if (control !== null) {
    throw refuse(
      "bad-cmdline",
      `the command line has the control character ${
        hex(control[0].charCodeAt(0))
      } at character ${control.index}, expected none`,
      { index: control.index },
    );
  }
  const bytes = encoder.encode(cmdline);
  const limit = maxBootCmdline(version);
  if (bytes.length <= limit) return bytes;
  throw refuse(
    "cmdline-too-long",
    `the command line has ${bytes.length} bytes, expected at most ${limit} in header version ${version}; shorten it`,
    { size: bytes.length, limit },
  );
}

function sectionsOf(
  version: HeaderVersion,
  params: BootImageParams,
  parts: BootImageParts,
): Section[] {
  const { limits = {} } = params;
  const sections: Section[] = [];
  const push = (
    name: string,
    limitName: string,
    limit: number | undefined,
    ...pieces: Uint8Array[]
  ) => {
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    checkLimit(limitName, `the ${name}`, size, limit || undefined);
    sections.push({ name, pieces, size, limit: limit || undefined });
  };
  const { kernel, ramdisk, second, dtb } = parts;
  if (params.appendDtb === true && dtb !== undefined) {
    push("kernel+dtb", "kernel", limits.maxKernelBytes, kernel, dtb);
  } else {
    push("kernel", "kernel", limits.maxKernelBytes, kernel);
  }
  push("ramdisk", "initrd", limits.maxInitrdBytes, ramdisk);
  if (second !== undefined && second.length > 0) {
    push("second", "second", undefined, second);
  }
  if (version === 2 && params.appendDtb !== true && dtb !== undefined) {
    push("dtb", "dtb", undefined, dtb);
  }
  return sections;
}

function checkLimit(
  name: string,
  what: string,
  size: number,
  limit = 0xffffffff,
): void {
  if (size <= limit) return;
  throw refuse(
    `${name}-too-large`,
    `${what} has ${size} bytes, expected at most ${limit}, ${
      size - limit
    } fewer`,
    { size, limit },
  );
}

async function makeHeader(
  version: HeaderVersion,
  params: BootImageParams,
  sections: readonly Section[],
  cmdline: Uint8Array,
): Promise<Uint8Array> {
  const find = (name: string) =>
    sections.find((section) => section.name.split("+")[0] === name);
  const kernel = find("kernel"), ramdisk = find("ramdisk");
  const second = find("second"), dtb = find("dtb");
  const sizes = {
    kernelSize: kernel?.size ?? 0,
    ramdiskSize: ramdisk?.size ?? 0,
  };
  const magic = encoder.encode(BOOT_MAGIC);
  if (version >= 3) {
    const header = HEADERS[version as 3 | 4];
    const v3 = {
      magic,
      ...sizes,
      osVersion: 0,
      headerSize: header.size,
      reserved: new Uint8Array(16),
      headerVersion: version,
      cmdline: field(cmdline, BOOT_ARGS_SIZE + BOOT_EXTRA_ARGS_SIZE),
    };
    return version === 3
      ? HeaderV3.encode(v3)
      : HeaderV4.encode({ ...v3, signatureSize: 0 });
  }
  const addresses = addressesOf(params);
  // What the SHA-1 covers is fixed by version, not by what is there.
  const hashed: (Section | undefined)[] = [kernel, ramdisk, second];
  if (version >= 1) hashed.push(undefined); // recovery_dtbo
  if (version >= 2) hashed.push(dtb);
  const v0 = {
    magic,
    ...sizes,
    kernelAddress: addresses.kernel,
    ramdiskAddress: addresses.ramdisk,
    secondSize: second?.size ?? 0,
    secondAddress: second === undefined ? 0 : addresses.second,
    tagsAddress: addresses.tags,
    pageSize: params.pageSize,
    headerVersion: version,
    osVersion: 0,
    name: new Uint8Array(16),
    cmdline: field(cmdline.subarray(0, BOOT_ARGS_SIZE - 1), BOOT_ARGS_SIZE),
    id: field(await sha1(hashed), 32),
    extraCmdline: field(
      cmdline.subarray(BOOT_ARGS_SIZE - 1),
      BOOT_EXTRA_ARGS_SIZE,
    ),
  };
  if (version === 0) return HeaderV0.encode(v0);
  const v1 = {
    ...v0,
    recoveryDtboSize: 0,
    recoveryDtboOffset: 0n,
    headerSize: HEADERS[version as 1 | 2].size,
  };
  if (version === 1) return HeaderV1.encode(v1);
  return HeaderV2.encode({
    ...v1,
    dtbSize: dtb?.size ?? 0,
    dtbAddress: dtb === undefined ? 0n : BigInt(addresses.dtb),
  });
}

/** Of each part and its size, as mkbootimg does. */
async function sha1(
  sections: readonly (Section | undefined)[],
): Promise<Uint8Array> {
  const size = sections.reduce((sum, part) => sum + (part?.size ?? 0) + 4, 0);
  const data = new Uint8Array(size);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const section of sections) {
    for (const piece of section?.pieces ?? []) {
      data.set(piece, at);
      at += piece.length;
    }
    view.setUint32(at, section?.size ?? 0, true);
    at += 4;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-1", data));
}
