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
  /** Path of the kernel to take, instead of the newest. */
  readonly path?: string;
  /** Where the modules are, when not in the same file system as the kernel. */
  readonly modules?: FileSystem;
  /** Bytes of a kernel, packed or not, at which it fails; 128 MiB when absent. */
  readonly maxSize?: number;
}

/** The kernel to boot. */
export interface ChosenKernel extends KernelCandidate {
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
 * in the kernel itself, and the image must hold the modules of that.
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
  const chosen = options.path === undefined
    ? await newest(files, found, options)
    : await readKernel(files, await given(files, options), options);
  const { modules: elsewhere } = options;
  const { modules } = elsewhere === undefined
    ? found
    : await findKernels(elsewhere, options);
  const folder = modules.get(chosen.release);
  if (folder !== undefined) return { ...chosen, modules: folder };
  if (modules.size === 0) return chosen;
  throw mismatch(chosen, [...modules.keys()], elsewhere ?? files);
}

async function given(
  files: FileSystem,
  options: ChooseKernelOptions,
): Promise<KernelCandidate> {
  const path = await files.resolve(options.path!, options);
  return { path, origin: "boot" };
}

async function newest(
  files: FileSystem,
  { candidates, looked }: FoundKernels,
  options: ChooseKernelOptions,
): Promise<ChosenKernel> {
  const [first, ...others] = candidates;
  if (first === undefined) {
    throw new FormatError(
      "kernel.not-found",
      `Cannot find a kernel in "${files.name}": looked for ${
        looked.join(", ")
      }, found none; use an image that has one`,
      { facts: { image: files.name, looked: looked.join("\n") } },
    );
  }
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
