/**
 * Images as the command line names them: files, links, pipelines.
 *
 * @module
 */

import { withReadAhead } from "../../block/read_ahead.ts";
import type { BlockReader } from "../../block/reader.ts";
import type { SpoolProgress } from "../../block/store.ts";
import type { Fetched } from "../../boot/run/events.ts";
import type { FoundRoot } from "../../image/find_root.ts";
import { openImage } from "../../image/open_image.ts";
import { verifyDigest } from "../../image/digest.ts";
import { openFile } from "../node/file.ts";
import type { ImageOptions } from "./command.ts";
import type { Output } from "./output.ts";
import { SpoolView } from "./spool_view.ts";

/** An image that is open. */
export interface OpenedSource extends FoundRoot {
  /** Bytes of the outermost file. */
  readonly size: number;
  /** What was fetched so far from where it is kept. */
  fetched(): Fetched;
  close(): Promise<void>;
}

/**
 * Opens an image, and finds the root in it.
 *
 * @throws {ReadError | FormatError | ProfileError} what is wrong on the way
 */
export async function openSource(
  options: ImageOptions,
  output: Output,
  signal: AbortSignal,
): Promise<OpenedSource> {
  const view = new SpoolView(output);
  const file = await openFile(options.path, { signal });
  try {
    const onProgress = (progress: SpoolProgress) => view.progress(progress);
    if (options.digest !== undefined) {
      await verifyDigest(file, options.digest, { signal, onProgress });
    }
    const counted = withCount(file);
    const ahead = withReadAhead(counted.reader);
    const found = await openImage(ahead, {
      roots: options.roots,
      signal,
      onProgress,
    });
    return {
      ...found,
      // phones read in their own order: nothing is read ahead of them
      reader: found.reader === ahead ? counted.reader : found.reader,
      chain: [{ label: "file", size: file.size }, ...found.chain],
      size: file.size,
      fetched: counted.fetched,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  } finally {
    view.clear();
  }
}

/** Opens an image for as long as `use` takes. */
export async function withSource(
  options: ImageOptions,
  output: Output,
  signal: AbortSignal,
  use: (source: OpenedSource) => Promise<void>,
): Promise<void> {
  const source = await openSource(options, output, signal);
  try {
    await use(source);
  } finally {
    await source.close();
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
  return { reader: counting, fetched: () => ({ bytes }) };
}
