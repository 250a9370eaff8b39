/**
 * EFI zboot: an EFI program that holds a compressed kernel and says where.
 *
 * @module
 */

import { bytesOf, struct, u32 } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";
import type { KernelWrapping } from "./identify.ts";

/** Linux, drivers/firmware/efi/libstub/zboot-header.S. */
export const ZbootHeader = struct("EFI zboot header", {
  dosMagic: u32,
  imageType: u32,
  payloadOffset: u32,
  payloadSize: u32,
  reserved: bytesOf(8),
  compressionType: bytesOf(32),
});

/** `comp-type-…` in Linux, drivers/firmware/efi/libstub/Makefile.zboot, and its short forms. */
const COMPRESSIONS: ReadonlyMap<string, KernelWrapping> = new Map([
  ["gzip", "gzip"],
  ["lz4", "lz4-legacy"],
  ["lzma", "lzma"],
  ["xz", "xz"],
  ["xzkern", "xz"],
  ["zstd", "zstd"],
  ["zstd22", "zstd"],
]);

/** What an EFI zboot image holds. */
export interface ZbootPayload {
  /** How it is compressed. */
  readonly format: KernelWrapping;
  /** The compressed bytes, a view: without the word that Linux appends to all but gzip. */
  readonly bytes: Uint8Array;
}

/**
 * Finds what an EFI zboot image holds.
 *
 * @param name What messages call the image.
 * @throws {FormatError} `kernel.truncated`, `kernel.unsupported-compression`
 */
export function parseZboot(bytes: Uint8Array, name: string): ZbootPayload {
  if (bytes.length < ZbootHeader.size) {
    throw cutShort(name, bytes.length, ZbootHeader.size);
  }
  const { payloadOffset, payloadSize, compressionType } = ZbootHeader.read(
    bytes,
  );
  const end = payloadOffset + payloadSize;
  if (end > bytes.length) throw cutShort(name, bytes.length, end);
  const type = new TextDecoder().decode(compressionType).split("\0")[0]!;
  const format = COMPRESSIONS.get(type);
  if (format === undefined) {
    const expected = [...COMPRESSIONS.keys()].join(", ");
    throw new FormatError(
      "kernel.unsupported-compression",
      `Cannot unwrap kernel "${name}": its EFI zboot payload is compressed as ${
        JSON.stringify(type)
      }, expected one of ${expected}`,
      { facts: { name, found: type, expected } },
    );
  }
  return { format, bytes: bytes.subarray(payloadOffset, end) };
}

/** The error for a kernel that states to be longer than it is. */
export function cutShort(
  name: string,
  found: number,
  expected: number,
): FormatError {
  return new FormatError(
    "kernel.truncated",
    `Cannot unwrap kernel "${name}": found ${found} bytes, expected at least ${expected} as its header states; it may be cut short`,
    { facts: { name, found, expected } },
  );
}
