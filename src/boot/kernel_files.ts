/**
 * The kernel to boot of those that an image holds.
 *
 * @module
 */

import { readExactly } from "../block/read_exactly.ts";
import type { ReadOptions } from "../block/reader.ts";
import { compareVersions } from "../bytes/version.ts";
import { FormatError } from "../errors.ts";
import { kernelRelease } from "../format/kernel/release.ts";
import {
  MAX_KERNEL_SIZE,
  unwrapKernel,
  type UnwrappedKernel,
} from "../format/kernel/unwrap.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import {
  findKernels,
  type FoundKernels,
  type KernelCandidate,
} from "../image/find_kernels.ts";

/** What {@linkcode chooseKernel} may be told. */
export interface ChooseKernelOptions extends ReadOptions {
  /**
   * File systems beside the one with the modules, such as a boot partition or the medium around a live
   * image: a kernel is looked for there when none of the first has modules.
   */
  readonly others?: readonly FileSystem[] | undefined;
  /** Bytes of a kernel, packed or not, at which it fails; 128 MiB when absent. */
  readonly maxSize?: number;
}

/** The kernel to boot. */
export interface ChosenKernel extends KernelCandidate {
  /** Name of the file system it lies in, when not the one with the modules. */
  readonly from?: string;
  /** As `uname -r` will print it: read from the kernel itself. */
  readonly release: string;
  /** Bytes of its file. */
  readonly fileSize: number;
  /** The kernel. */
  readonly kernel: UnwrappedKernel;
  /** Folder of its modules, without links; absent when the image has no folder of modules at all. */
  readonly modules?: string;
}

/**
 * Chooses the newest kernel of an image and reads it, once.
 *
 * Of several, the one whose place or name states the newest release is read; kernels that state none
 * are read only where no other is, and the newest of these is taken. What counts then is the release
 * in the kernel itself, and the image must hold the modules of that. Where its own kernel does not fit
 * its modules, or there is none, the other file systems are looked through, and the first kernel is
 * taken that fits.
 *
 * @throws {FormatError} `kernel.not-found`, `kernel.no-release`, `kernel.modules-mismatch`,
 * `kernel.too-large`, and what `unwrapKernel()` and the file system throw
 *
 * @example
 * ```ts
 * import { MemorySource } from "../fs/memory_source.ts";
 * import { withPaths } from "../fs/open_paths.ts";
 * import { chooseKernel } from "./kernel_files.ts";
 *
 * const empty = withPaths(MemorySource.from([{ path: "/boot", type: "directory" }]));
 * await chooseKernel(empty).catch((error) => {
 *   console.assert(error.code === "kernel.not-found");
 * });
 * ```
 */
export async function chooseKernel(
  files: FileSystem,
  options: ChooseKernelOptions = {},
): Promise<ChosenKernel> {
  const found = await findKernels(files, options);
  const { modules } = found;
  const unfit: ChosenKernel[] = [];
  if (found.candidates.length > 0) {
    const chosen = await newest(files, found, options);
    const fit = withModules(chosen, modules);
    if (fit !== undefined) return fit;
    unfit.push(chosen);
  }
  const looked = [...found.looked];
  for (const other of options.others ?? []) {
    const { candidates } = await findKernels(other, options);
    looked.push(`the same in "${other.name}"`);
    for (const candidate of candidates) {
      // a release that is stated is believed when it rules the kernel out
      const { release } = candidate;
      if (release !== undefined && modules.size > 0 && !modules.has(release)) {
        continue;
      }
      const read = await readKernel(other, candidate, options);
      const chosen = { ...read, from: other.name };
      const fit = withModules(chosen, modules);
      if (fit !== undefined) return fit;
      unfit.push(chosen);
    }
  }
  if (unfit.length > 0) throw mismatch(unfit[0]!, [...modules.keys()], files);
  throw new FormatError(
    "kernel.not-found",
    `Cannot find a kernel in "${files.name}": looked for ${
      looked.join(", ")
    }, found none; use an image that has one`,
    { facts: { image: files.name, looked: looked.join("\n") } },
  );
}

/** The kernel with the folder of its modules; nothing when there are those of others only. */
function withModules(
  kernel: ChosenKernel,
  modules: FoundKernels["modules"],
): ChosenKernel | undefined {
  const folder = modules.get(kernel.release);
  if (folder !== undefined) return { ...kernel, modules: folder };
  return modules.size === 0 ? kernel : undefined;
}

async function newest(
  files: FileSystem,
  { candidates }: FoundKernels,
  options: ChooseKernelOptions,
): Promise<ChosenKernel> {
  const [first, ...others] = candidates as [KernelCandidate];
  let best = await readKernel(files, first, options);
  if (first.release !== undefined) return best;
  for (const candidate of others) {
    const other = await readKernel(files, candidate, options);
    if (compareVersions(other.release, best.release) > 0) best = other;
  }
  return best;
}

async function readKernel(
  files: FileSystem,
  candidate: KernelCandidate,
  options: ChooseKernelOptions,
): Promise<ChosenKernel> {
  const { path } = candidate;
  const { maxSize = MAX_KERNEL_SIZE } = options;
  const file = await files.open(path, options);
  if (file.size > maxSize) {
    throw new FormatError(
      "kernel.too-large",
      `Cannot read kernel "${path}" of "${files.name}": found ${file.size} bytes, expected at most ${maxSize}`,
      { facts: { path, image: files.name, found: file.size, maxSize } },
    );
  }
  const bytes = await readExactly(file, 0, file.size, options);
  options.signal?.throwIfAborted();
  const kernel = await unwrapKernel(bytes, { maxSize, name: path });
  options.signal?.throwIfAborted();
  const found = kernelRelease(kernel);
  if (found === undefined) {
    throw new FormatError(
      "kernel.no-release",
      `Cannot tell the release of kernel "${path}" of "${files.name}": found no "Linux version" in it, expected one; it may not be a Linux kernel`,
      { facts: { path, image: files.name } },
    );
  }
  return {
    ...candidate,
    release: found.release,
    fileSize: file.size,
    kernel,
  };
}

function mismatch(
  { path, release }: ChosenKernel,
  others: readonly string[],
  files: FileSystem,
): FormatError {
  const found = [...others].sort(compareVersions).join(", ");
  return new FormatError(
    "kernel.modules-mismatch",
    `Cannot use kernel "${path}" of release ${release}: "${files.name}" has modules of ${found}, expected those of ${release}; use an image whose kernel and modules fit`,
    { facts: { path, release, found, image: files.name } },
  );
}
