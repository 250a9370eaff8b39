/**
 * Tells the forms that kernels come in apart.
 *
 * @module
 */

import { bytesOf, safeU64, struct, u16, u32 } from "../../bytes/struct.ts";
import { parsePeSections } from "./pe.ts";

/** What a bootloader jumps to: nothing left to take off. */
export type KernelImageFormat = "arm64" | "bzimage";
/** What holds a kernel. */
export type KernelWrapping =
  | "zboot"
  | "uki"
  | "gzip"
  | "lz4-legacy"
  | "lz4"
  | "zstd"
  | "xz"
  | "lzma";
/** What {@linkcode identifyKernel} tells apart. */
export type KernelFormat = KernelImageFormat | KernelWrapping;

/** Linux, Documentation/arch/arm64/booting.rst. */
export const Arm64Header = struct("arm64 Image header", {
  code: bytesOf(8),
  textOffset: safeU64,
  imageSize: safeU64,
  flags: safeU64,
  reserved: bytesOf(24),
  magic: u32,
  peOffset: u32,
});
/** `ARM\x64` */
export const ARM64_IMAGE_MAGIC = 0x644d5241;

/** Linux, Documentation/arch/x86/boot.rst, from byte {@linkcode SETUP_HEADER}, as far as is used. */
export const SetupHeader = struct("x86 setup header", {
  setupSects: bytesOf(1),
  rootFlags: u16,
  syssize: u32,
  ramSize: u16,
  vidMode: u16,
  rootDev: u16,
  bootFlag: u16,
  jump: u16,
  header: u32,
  version: u16,
  realmodeSwitch: u32,
  startSys: u16,
  kernelVersion: u16,
});
/** Byte at which the setup header of an x86 kernel begins. */
export const SETUP_HEADER = 0x1f1;
/** `HdrS` */
const SETUP_MAGIC = 0x53726448;
const BOOT_FLAG = 0xaa55;

/** `zimg`, at byte 4 of an EFI zboot image (Linux, drivers/firmware/efi/libstub/zboot-header.S). */
const ZBOOT_MAGIC = 0x676d697a;

const GZIP = [0x1f, 0x8b, 0x08];
const LZ4_LEGACY = [0x02, 0x21, 0x4c, 0x18];
const LZ4_FRAME = [0x04, 0x22, 0x4d, 0x18];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/**
 * Tells what a kernel file is by its first bytes.
 *
 * An arm64 Image or bzImage is called that whether or not it also is an EFI program.
 *
 * @param bytes The file, or its first 4 KiB at least.
 * @returns `undefined` for what is none of these.
 *
 * @example
 * ```ts
 * import { identifyKernel } from "./identify.ts";
 *
 * console.assert(identifyKernel(Uint8Array.of(0x1f, 0x8b, 8, 0)) === "gzip");
 * ```
 */
export function identifyKernel(bytes: Uint8Array): KernelFormat | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number) =>
    at + 4 <= bytes.length ? view.getUint32(at, true) : undefined;
  const begins = (magic: readonly number[]) =>
    magic.every((byte, i) => bytes[i] === byte);

  if (begins(GZIP)) return "gzip";
  if (begins(LZ4_LEGACY)) return "lz4-legacy";
  if (begins(LZ4_FRAME)) return "lz4";
  if (begins(ZSTD)) return "zstd";
  if (begins(XZ)) return "xz";
  if (begins([0x4d, 0x5a]) && word(4) === ZBOOT_MAGIC) return "zboot";
  if (bytes.length >= SETUP_HEADER + SetupHeader.size) {
    const { bootFlag, header } = SetupHeader.read(bytes, SETUP_HEADER);
    if (bootFlag === BOOT_FLAG && header === SETUP_MAGIC) return "bzimage";
  }
  if (word(Arm64Header.offsets.magic) === ARM64_IMAGE_MAGIC) return "arm64";
  if (parsePeSections(bytes)?.some(({ name }) => name === ".linux")) {
    return "uki";
  }
  // No magic: properties of every encoder (lc=3 lp=0 pb=2), a dictionary of whole 64 KiB, and the
  // byte that each LZMA stream begins with.
  if (begins([0x5d, 0, 0]) && bytes.length > 13 && bytes[13] === 0) {
    return "lzma";
  }
  return undefined;
}
