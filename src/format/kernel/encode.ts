/**
 * Kernels in the forms that bootloaders take.
 *
 * @module
 */

import { FormatError } from "../../errors.ts";
import {
  gzip,
  KERNEL_GZIP_LEVEL,
  lz4LegacyEncode,
  zstdEncode,
} from "../../wasm/codecs.ts";
import type { UnwrappedKernel } from "./unwrap.ts";

/** What a bootloader takes, named as the files that Linux builds. */
export type KernelEncoding = "image" | "image.gz" | "image.lz4" | "image.zst";

/** Every {@linkcode KernelEncoding}. */
export const KERNEL_ENCODINGS: readonly KernelEncoding[] = [
  "image",
  "image.gz",
  "image.lz4",
  "image.zst",
];

/** zstd's best of those built in; the result is what a phone decompresses, once. */
const ZSTD_LEVEL = 3;

/**
 * Gives a kernel the form that a bootloader takes.
 *
 * Equal kernels give equal bytes. Where gzip is wanted and the kernel came as gzip, that is what it
 * gives, not compressed again. `image.lz4` is a legacy frame, as Linux builds it.
 *
 * @param options.gzipLevel 0 to 9; `KERNEL_GZIP_LEVEL` when absent. Not for what came as gzip.
 * @returns A view of the kernel when nothing had to be done.
 * @throws {FormatError} `kernel.wrong-encoding` for an x86 kernel in any form but `image`: it
 * decompresses itself and has to be found by its header.
 */
export async function encodeKernel(
  kernel: UnwrappedKernel,
  encoding: KernelEncoding,
  options: { readonly gzipLevel?: number } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (kernel.format !== "arm64" && encoding !== "image") {
    throw new FormatError(
      "kernel.wrong-encoding",
      `Cannot encode kernel "${kernel.name}" as ${encoding}: found an x86 bzImage, expected an arm64 Image; use the encoding image`,
      { facts: { name: kernel.name, encoding, found: kernel.format } },
    );
  }
  switch (encoding) {
    case "image":
      return kernel.image;
    case "image.gz":
      return kernel.passthrough ??
        await gzip(kernel.image, {
          level: options.gzipLevel ?? KERNEL_GZIP_LEVEL,
        });
    case "image.lz4":
      return await lz4LegacyEncode(kernel.image);
    case "image.zst":
      return await zstdEncode(kernel.image, { level: ZSTD_LEVEL });
  }
}
