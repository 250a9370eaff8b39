/**
 * What is booted: image, profiles and all that is given besides.
 *
 * @module
 */

import type { BootSource } from "../../boot/run/options.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import type { FileSystem } from "../../fs/filesystem.ts";
import { loadProfiles } from "../node/profiles.ts";
import type { ImageOptions, PayloadOptions } from "./command.ts";
import { openSource } from "./image_source.ts";
import type { Output } from "./output.ts";
import { type GivenPlan, readGiven } from "./payload.ts";

/** Of the block devices on phones; what file systems use. */
const BLOCK_SIZE = 4096;

/** The profiles that phones may have: that of `id`, or all. */
export async function chosenProfiles(
  id: string | undefined,
  output: Pick<Output, "warn">,
  signal: AbortSignal,
): Promise<DeviceProfile[]> {
  const { pool, warnings } = await loadProfiles({ signal });
  for (const { message } of warnings) output.warn(`${message}; skipped`);
  if (id !== undefined) return [pool.get(id).profile];
  return pool.entries.map(({ profile }) => profile);
}

/**
 * What is to go into the boot image. The phone is told the time, which many cannot keep, and what
 * the image's system would ask on a console at its first boot.
 */
export async function bootPlan(
  options: PayloadOptions,
  signal: AbortSignal,
): Promise<GivenPlan> {
  const { firstboot = true } = options;
  const given = await readGiven({ ...options, firstboot }, signal);
  return {
    ...given,
    cmdline: { clockMicroseconds: Date.now() * 1000, ...given.cmdline },
  };
}

/** An image that is open, to be booted from. */
export interface OpenedBootSource {
  readonly source: BootSource;
  /** To go into the plan: file systems beside the root. */
  readonly others: readonly FileSystem[];
  close(): Promise<void>;
}

/** Opens an image: its files for the boot image, and its root file system to be served. */
export async function openBootSource(
  options: ImageOptions,
  output: Output,
  signal: AbortSignal,
): Promise<OpenedBootSource> {
  const { files, reader, others, fetched, close } = await openSource(
    options,
    output,
    signal,
  );
  // no kernel mounts a file system on a device whose blocks are larger than its own
  const blockSize = Math.min(BLOCK_SIZE, files.blockSize);
  return {
    source: { files, exports: [{ reader, blockSize }], fetched },
    others: others.map(({ files }) => files),
    close,
  };
}
