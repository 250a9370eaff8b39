/**
 * The release of a kernel, read from the kernel.
 *
 * @module
 */

import { SETUP_HEADER, SetupHeader } from "./identify.ts";
import type { UnwrappedKernel } from "./unwrap.ts";

/** A kernel's release. */
export interface KernelRelease {
  /** As `uname -r` prints it. */
  readonly release: string;
  /** `banner`: what the kernel prints first; `setup-header`: what a bzImage says of itself. */
  readonly method: "banner" | "setup-header";
}

/** `linux_banner` in Linux, init/version-timestamp.c. */
const BANNER = new TextEncoder().encode("Linux version ");
/** How a release begins; others are formats for printing, such as `%s`. */
const RELEASE = /^\d[!-~]{0,63}$/;

/**
 * Reads the release of a kernel from the kernel itself, whatever its file is called.
 *
 * Looks through all of an arm64 Image: about 20 ms.
 *
 * @returns `undefined` when it does not say.
 */
export function kernelRelease(
  kernel: Pick<UnwrappedKernel, "format" | "image">,
): KernelRelease | undefined {
  return kernel.format === "bzimage"
    ? fromSetupHeader(kernel.image)
    : fromBanner(kernel.image);
}

function fromSetupHeader(image: Uint8Array): KernelRelease | undefined {
  const { kernelVersion } = SetupHeader.read(image, SETUP_HEADER);
  // Counted from the end of the boot sector.
  const release = kernelVersion === 0
    ? undefined
    : word(image, kernelVersion + 0x200);
  return release === undefined
    ? undefined
    : { release, method: "setup-header" };
}

function fromBanner(image: Uint8Array): KernelRelease | undefined {
  for (const at of occurrences(image, BANNER)) {
    const release = word(image, at + BANNER.length);
    if (release !== undefined) return { release, method: "banner" };
  }
  return undefined;
}

/** The release at `at`, which a space ends. */
function word(bytes: Uint8Array, at: number): string | undefined {
  const some = bytes.subarray(at, at + 65);
  const end = some.indexOf(0x20);
  if (end < 0) return undefined;
  const text = new TextDecoder("latin1").decode(some.subarray(0, end));
  return RELEASE.test(text) ? text : undefined;
}

/** Where `wanted` is in `bytes` (Horspool: most bytes are never looked at). */
function* occurrences(
  bytes: Uint8Array,
  wanted: Uint8Array,
): Generator<number, void, undefined> {
  const length = wanted.length, last = length - 1;
  const skip = new Uint8Array(256).fill(length);
  for (let i = 0; i < last; i++) skip[wanted[i]!] = last - i;
  for (let at = 0; at + length <= bytes.length;) {
    let i = last;
    while (i >= 0 && bytes[at + i] === wanted[i]) i--;
    if (i < 0) yield at;
    at += skip[bytes[at + last]!]!;
  }
}
