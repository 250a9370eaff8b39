/**
 * Device trees that follow a kernel in the same file.
 *
 * @module
 */

import { struct, u32be } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";

/** Devicetree Specification v0.4, section 5.2, as far as is used. */
const FdtHeader = struct("device tree header", {
  magic: u32be,
  totalSize: u32be,
});
const FDT_MAGIC = 0xd00dfeed;
/** No device tree of a phone comes near. */
const MAX_DTB_SIZE = 4 << 20;
/** `struct fdt_header` of version 17. */
const MIN_DTB_SIZE = 40;

/**
 * Puts a device tree right behind a kernel, where bootloaders that take `+dtb` look for it.
 *
 * @param kernel As encoded for the bootloader, compressed or not.
 * @throws {FormatError} `kernel.not-a-dtb` when `dtb` is not one device tree from its first byte to
 * its last.
 */
export function appendDtb(
  kernel: Uint8Array,
  dtb: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const found = dtb.length < MIN_DTB_SIZE
    ? `${dtb.length} bytes`
    : describe(FdtHeader.read(dtb), dtb.length);
  if (found !== undefined) {
    throw new FormatError(
      "kernel.not-a-dtb",
      `Cannot append device tree to kernel: found ${found}, expected one flattened device tree`,
      { facts: { found, size: dtb.length } },
    );
  }
  const joined = new Uint8Array(kernel.length + dtb.length);
  joined.set(kernel);
  joined.set(dtb, kernel.length);
  return joined;
}

function describe(
  header: { magic: number; totalSize: number },
  size: number,
): string | undefined {
  if (header.magic !== FDT_MAGIC) {
    return `magic 0x${header.magic.toString(16).padStart(8, "0")}`;
  }
  if (header.totalSize !== size) {
    return `${size} bytes with a header that states ${header.totalSize}`;
  }
  return undefined;
}

/** Byte at which the device trees begin that `bytes` ends with; its length when there are none. */
export function trailingDtb(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length;
  for (let at = end - MIN_DTB_SIZE; at >= 0 && end - at <= MAX_DTB_SIZE; at--) {
    if (
      bytes[at] === 0xd0 && view.getUint32(at) === FDT_MAGIC &&
      view.getUint32(at + 4) === end - at
    ) {
      end = at;
      at = end - MIN_DTB_SIZE + 1;
    }
  }
  return end;
}
