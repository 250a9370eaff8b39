/**
 * Images as the command line names them: files, links, pipelines.
 *
 * @module
 */

import { withReadAhead } from "../../block/read_ahead.ts";
import type { BlockReader } from "../../block/reader.ts";
import type { Fetched } from "../../boot/run/events.ts";
import {
  type DigestReader,
  verifyDigest,
  withDigest,
} from "../../image/digest.ts";
import type { FoundRoot } from "../../image/find_root.ts";
import type { Layer } from "../../image/layers.ts";
import { openImage } from "../../image/open_image.ts";
import type { ImageOptions } from "./command.ts";
import type { Output } from "./output.ts";
import { isLink, Sources } from "./sources.ts";

/** An image that is open. */
export interface OpenedSource extends FoundRoot {
  /** Bytes of the outermost file. */
  readonly size: number;
  /** What was fetched so far from where it is kept. */
  fetched(): Fetched;
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
  const sources = new Sources(options, output, signal);
  try {
    const outer = await openOuter(options, sources, output, signal);
    const { reader } = outer;
    // links come with what reads ahead of them
    const ahead = isLink(options.path) ? reader : withReadAhead(reader);
    const found = await openImage(ahead, {
      roots: options.roots,
      store: sources.store,
      onProgress: (progress) => sources.progress(progress),
      signal,
    });
    sources.keep(found);
    sources.view.clear();
    return {
      ...found,
      // phones read in their own order: of files nothing is read ahead of them
      reader: found.reader === ahead ? reader : found.reader,
      chain: [...outer.chain, ...found.chain],
      size: reader.size,
      fetched: () => sources.fetched(),
      close: () => sources.close(),
    };
  } catch (error) {
    await sources.close();
    throw error;
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

interface Outer {
  readonly reader: BlockReader;
  readonly chain: readonly Layer[];
}

/** The outermost file, its digest checked as far as that can be done. */
async function openOuter(
  { path, digest, spool }: ImageOptions,
  sources: Sources,
  output: Output,
  signal: AbortSignal,
): Promise<Outer> {
  const reader = await sources.open(path);
  const chain = [{ label: isLink(path) ? "http" : "file", size: reader.size }];
  if (digest === undefined) return { reader, chain };
  if (!isLink(path) || spool) {
    await verifyDigest(reader, digest, {
      signal,
      onProgress: (progress) => sources.progress(progress),
    });
    return { reader, chain };
  }
  const checked = withDigest(reader, digest);
  sources.keep({ close: () => tellUnverified(checked, output) });
  return { reader: checked, chain };
}

/** Says at the end when a digest was given and could not be checked. */
function tellUnverified(
  { name, verified, size }: DigestReader,
  output: Output,
): Promise<void> {
  if (verified < size) {
    output.warn(
      `the digest of "${name}" was not verified: only parts of it were fetched; use --spool to fetch and verify all of it first`,
    );
  }
  return Promise.resolve();
}
