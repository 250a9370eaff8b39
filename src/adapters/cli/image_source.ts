/**
 * Images as the command line names them: files, links, pipelines.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { withReadAhead } from "../../block/read_ahead.ts";
import type { BlockReader } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { ReadError } from "../../errors.ts";
import type { Fetched } from "../../boot/run/events.ts";
import { isCasyncIndex } from "../../format/casync/index.ts";
import { defaultChunkStore } from "../../format/casync/store_location.ts";
import { shownUrl } from "../../http/address.ts";
import { withHttpAccess } from "../../http/access.ts";
import type { FoundRoot } from "../../image/find_root.ts";
import type { Layer } from "../../image/layers.ts";
import { openImage } from "../../image/open_image.ts";
import { openPipeline } from "../../pipeline/open.ts";
import { looksLikePipeline, parsePipeline } from "../../pipeline/parse.ts";
import type { ImageOptions } from "./command.ts";
import type { Output } from "./output.ts";
import { isLink, localPath, Sources } from "./sources.ts";

/** A file of more bytes is no pipeline. */
const MAX_PIPELINE = 64 << 10;

/** An image that is open. */
export interface OpenedSource extends FoundRoot {
  /** Bytes of the outermost file. */
  readonly size: number;
  /** Local files that were opened on the way: what is read must not be written to. */
  readonly localFiles: readonly string[];
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
    const outer = await openOuter(options, sources, signal);
    const { reader } = outer;
    // of files, phones read in their own order: nothing is read ahead of them
    const isFile = outer.chain.at(-1)?.label === "file";
    let ahead: BlockReader | undefined;
    const found = await openImage(reader, {
      roots: options.roots,
      ahead: (reader) =>
        ahead = isLink(options.path)
          ? withHttpAccess(reader)
          : withReadAhead(reader),
      store: sources.spool,
      onProgress: (progress) => sources.progress(progress),
      signal,
    });
    sources.keep(found);
    sources.view.clear();
    return {
      ...found,
      reader: isFile && found.reader === ahead ? reader : found.reader,
      chain: [...outer.chain, ...found.chain],
      size: reader.size,
      localFiles: sources.localFiles,
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

/** What the user named, or what the pipeline in it leads to. */
async function openOuter(
  options: ImageOptions,
  sources: Sources,
  signal: AbortSignal,
): Promise<Outer> {
  const outer = await openNamed(options, sources);
  const { reader, chain } = outer;
  const path = isLink(options.path) ? options.path : localPath(options.path);
  const size = Math.min(reader.size, MAX_PIPELINE);
  const head = await readExactly(reader, 0, size, { signal });
  if (isCasyncIndex(head)) {
    const file = await sources.openCasync(reader, chunksOf(path));
    const layer = { label: "casync", size: file.size };
    return { reader: file, chain: [...chain, layer] };
  }
  const whole = reader.size <= MAX_PIPELINE;
  if (!whole || !looksLikePipeline(head, reader.name)) return outer;
  const step = parsePipeline(new TextDecoder().decode(head), reader.name);
  return await openPipeline(step, {
    openLink: (url) => sources.openLink(url),
    openFile: (file) => sources.openFile(beside(path, file)),
    async openCasync(index, store) {
      const place = isLink(index) ? index : beside(path, index);
      const chunks = store === undefined
        ? chunksOf(place)
        : isLink(store)
        ? store
        : beside(path, store);
      return await sources.openCasync(await sources.open(place), chunks);
    },
    checkDigest: (reader, digest) => sources.checkDigest(reader, digest),
    keep: (opened) => sources.keep(opened),
  }, {
    store: sources.spool,
    onProgress: (progress) => sources.progress(progress),
    signal,
  });
}

/** Where the chunks of an index are; `casync make` puts them into `default.castr` unless told otherwise. */
function chunksOf(index: string): string {
  const store = defaultChunkStore(index);
  if (isLink(index)) return store;
  const beside = join(dirname(index), "default.castr");
  return existsSync(beside) ? beside : store;
}

/**
 * A path in a document, which is relative to that.
 *
 * @throws {ReadError} `pipeline.foreign-file`: a document from elsewhere is not to say which files of
 * this machine are read
 */
function beside(document: string, path: string): string {
  if (!isLink(document)) return resolve(dirname(document), localPath(path));
  throw new ReadError(
    "pipeline.foreign-file",
    `Cannot open "${path}" for pipeline "${
      shownUrl(document)
    }": a document from a link may name links alone; fetch it first`,
    { facts: { path } },
  );
}

/** The file or link, its digest checked as far as that can be done. */
async function openNamed(
  { path, digest }: ImageOptions,
  sources: Sources,
): Promise<Outer> {
  const reader = await sources.open(path);
  const chain = [{ label: isLink(path) ? "http" : "file", size: reader.size }];
  if (digest === undefined) return { reader, chain };
  return { reader: await sources.checkDigest(reader, digest), chain };
}
