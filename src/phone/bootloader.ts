/**
 * What a bootloader makes of a boot image: it takes it apart, or says why it will not.
 *
 * @see LK, app/aboot/aboot.c, `cmd_boot`
 * @module
 */

import { struct, u32be } from "../bytes/struct.ts";
import { FormatError, isCoded } from "../errors.ts";
import { type BootImage, parseBootImage } from "../format/bootimg/parse.ts";
import { trailingDtb } from "../format/kernel/dtb.ts";
import { Arm64Header, identifyKernel } from "../format/kernel/identify.ts";
import { unwrapKernel } from "../format/kernel/unwrap.ts";
import type { PhoneMachine } from "./agent.ts";

/** What the phone is that the bootloader runs on. */
export interface BootloaderOptions {
  readonly machine: PhoneMachine;
  /** Of the phone: kernel and ramdisk have to fit into it. */
  readonly memoryMiB: number;
}

/** What the kernel is started with. */
export interface LoadedImage {
  readonly headerVersion: number;
  /** Decompressed, without a device tree behind it. */
  readonly kernel: Uint8Array<ArrayBuffer>;
  /** As it is in the boot image. */
  readonly ramdisk: Uint8Array;
  readonly cmdline: string;
  /** Behind the kernel, or of a header of version 2; the virtual machine has its own. */
  readonly dtb: Uint8Array | undefined;
}

/** A bootloader would not start an image; the message is in its words, for FAIL. */
export class BootRefusal extends Error {
  override readonly name = "BootRefusal";
}

const MAX_HEADER_VERSION = 2;
const MIB = 1 << 20;
/** What kernels of phones are compressed with. */
const ARM64_FORMATS = ["arm64", "gzip", "lz4-legacy"];
/** Devicetree Specification v0.4, section 5.2, as far as is looked at. */
const FdtHeader = struct("device tree header", {
  magic: u32be,
  totalSize: u32be,
});
const FDT_MAGIC = 0xd00dfeed;

/**
 * Takes a boot image apart as the bootloader of a phone does.
 *
 * Parts are looked for where the header says, each on a page of its own, and have to be there with
 * their padding.
 *
 * @throws {BootRefusal}
 */
export async function loadBootImage(
  bytes: Uint8Array,
  { machine, memoryMiB }: BootloaderOptions,
): Promise<LoadedImage> {
  const image = parse(bytes);
  const { headerVersion, pageSize, kernel, ramdisk, cmdline } = image;
  if (headerVersion > MAX_HEADER_VERSION) {
    throw new BootRefusal(`unsupported header version ${headerVersion}`);
  }
  if (kernel.length === 0) throw new BootRefusal("kernel not found");
  const parts = [kernel, ramdisk, image.second, image.recoveryDtbo, image.dtb];
  const pages = parts.map(({ length }) => Math.ceil(length / pageSize));
  const expected = pages.reduce((sum, count) => sum + count, 1) * pageSize;
  if (bytes.length < expected) {
    throw new BootRefusal(
      `incomplete boot image: ${bytes.length} of ${expected} bytes`,
    );
  }
  if (image.dtb.length > 0) checkDtb(image.dtb);
  const loaded = machine === "aarch64"
    ? await loadArm64(kernel, memoryMiB * MIB)
    : loadX86(kernel);
  const needed = loaded.size + ramdisk.length;
  if (needed > memoryMiB * MIB) {
    throw new BootRefusal(
      `out of memory: kernel and ramdisk take ${needed} bytes`,
    );
  }
  return {
    headerVersion,
    kernel: loaded.kernel,
    ramdisk,
    cmdline,
    dtb: image.dtb.length > 0 ? image.dtb : loaded.dtb,
  };
}

function parse(bytes: Uint8Array): BootImage {
  try {
    return parseBootImage(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { code, facts } = error;
    switch (code) {
      case "bootimg.bad-magic":
        throw new BootRefusal("invalid boot image header: no ANDROID! magic");
      case "bootimg.unknown-version":
        throw new BootRefusal(
          `unsupported header version ${facts["headerVersion"]}`,
        );
      case "bootimg.bad-page-size":
        throw new BootRefusal(`invalid page size ${facts["pageSize"]}`);
      default:
        throw new BootRefusal(
          `incomplete boot image: ${facts["part"]} is cut short`,
        );
    }
  }
}

interface Loaded {
  readonly kernel: Uint8Array<ArrayBuffer>;
  /** Bytes in memory. */
  readonly size: number;
  readonly dtb?: Uint8Array;
}

async function loadArm64(
  bytes: Uint8Array,
  maxSize: number,
): Promise<Loaded> {
  const format = identifyKernel(bytes);
  if (format === undefined || !ARM64_FORMATS.includes(format)) {
    throw new BootRefusal(
      `kernel is ${format ?? "of an unknown format"}, expected an arm64 Image`,
    );
  }
  // where something else follows the kernel, no device tree is looked for
  const end = trailingDtb(bytes);
  const dtb = bytes.subarray(end);
  const { image } = await unpack(bytes.subarray(0, end), maxSize);
  if (identifyKernel(image) !== "arm64") {
    throw new BootRefusal("kernel is no arm64 Image");
  }
  return {
    kernel: image,
    // with what it clears at its start
    size: Math.max(image.length, Arm64Header.read(image).imageSize),
    ...(dtb.length > 0 ? { dtb } : {}),
  };
}

async function unpack(bytes: Uint8Array, maxSize: number) {
  try {
    return await unwrapKernel(bytes as Uint8Array<ArrayBuffer>, { maxSize });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new BootRefusal(
      isCoded(error, "kernel.too-large")
        ? "out of memory: kernel does not fit"
        : "decompressing kernel failed",
    );
  }
}

/** It unpacks itself. */
function loadX86(bytes: Uint8Array): Loaded {
  const format = identifyKernel(bytes);
  if (format !== "bzimage") {
    throw new BootRefusal(
      `kernel is ${format ?? "of an unknown format"}, expected a bzImage`,
    );
  }
  const kernel = bytes as Uint8Array<ArrayBuffer>;
  return { kernel, size: kernel.length };
}

function checkDtb(dtb: Uint8Array): void {
  if (dtb.length >= FdtHeader.size) {
    const { magic, totalSize } = FdtHeader.read(dtb);
    if (magic === FDT_MAGIC && totalSize <= dtb.length) return;
  }
  throw new BootRefusal("invalid device tree");
}
