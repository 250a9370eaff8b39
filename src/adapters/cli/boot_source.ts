/**
 * What is booted: image, profiles and all that is given besides.
 *
 * @module
 */

import { withReadAhead } from "../../block/read_ahead.ts";
import type { BlockReader } from "../../block/reader.ts";
import type { BootSource } from "../../boot/run/options.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { openImage } from "../../image/open_image.ts";
import { openFile } from "../node/file.ts";
import { loadProfiles } from "../node/profiles.ts";
import type { PayloadOptions } from "./command.ts";
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

/** What is to go into the boot image; the phone is told the time, which many cannot keep. */
export async function bootPlan(
  options: PayloadOptions,
  signal: AbortSignal,
): Promise<GivenPlan> {
  const given = await readGiven(options, signal);
  return {
    ...given,
    cmdline: { clockMicroseconds: Date.now() * 1000, ...given.cmdline },
  };
}

/** An image that is open, to be booted from. */
export interface OpenedSource {
  readonly source: BootSource;
  close(): Promise<void>;
}

/** Opens an image: its files for the boot image, and the whole of it to be served. */
export async function openBootSource(
  path: string,
  signal: AbortSignal,
): Promise<OpenedSource> {
  const file = await openFile(path, { signal });
  try {
    const counted = withCount(file);
    const files = await openImage(withReadAhead(counted.reader), { signal });
    return {
      source: {
        files,
        exports: [{ reader: file, blockSize: BLOCK_SIZE }],
        bytesRead: counted.bytesRead,
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function withCount(reader: BlockReader) {
  let bytes = 0;
  const counting: BlockReader = {
    blockSize: reader.blockSize,
    size: reader.size,
    identity: reader.identity,
    name: reader.name,
    async read(offset, into, options) {
      const size = await reader.read(offset, into, options);
      bytes += size;
      return size;
    },
  };
  return { reader: counting, bytesRead: () => bytes };
}
