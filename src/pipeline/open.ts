/**
 * Opening what a pipeline document describes.
 *
 * @module
 */

import type { BlockReader, ClosableReader } from "../block/reader.ts";
import type { SpoolOptions } from "../block/store.ts";
import { ReadError } from "../errors.ts";
import {
  describePartition,
  openPartition,
  type Partition,
  type PartitionSelector,
  type PartitionTable,
  selectPartition,
} from "../format/gpt/partition.ts";
import { readGpt } from "../format/gpt/read.ts";
import { readMbr } from "../format/mbr/read.ts";
import { openSparse } from "../format/sparse/open.ts";
import { openTarEntry } from "../format/tar/open.ts";
import { openXz } from "../format/xz/open.ts";
import { type Digest, parseDigest } from "../image/digest.ts";
import { type Layer, named } from "../image/layers.ts";
import type { Content, PartitionStep, Step } from "./step.ts";

/** What steps without a step below them are opened by. */
export interface PipelineWorld {
  /** Opens a link. */
  openLink(url: string): Promise<BlockReader>;
  /** Opens a file by a path, which is relative to the document. */
  openFile(path: string): Promise<BlockReader>;
  /** Opens what an index describes; the store is found beside it when none is given. */
  openCasync(index: string, store: string | undefined): Promise<BlockReader>;
  /** Checks a digest as far as that can be done; gives what to read instead. */
  checkDigest(reader: BlockReader, digest: Digest): Promise<BlockReader>;
  /** Has it closed when the image is. */
  keep<T extends { close(): Promise<void> }>(opened: T): T;
}

/** What a pipeline gives. */
export interface OpenedPipeline {
  /** The bytes. */
  readonly reader: BlockReader;
  /** From the source to what it gives. */
  readonly chain: readonly Layer[];
}

/**
 * Opens a pipeline, its source first. What a step states of its content is held against what it gives:
 * the size at once, the digest as the world does it.
 *
 * @throws {ReadError} `pipeline.wrong-size`; what the world and the formats throw
 */
export async function openPipeline(
  step: Step,
  world: PipelineWorld,
  options: SpoolOptions = {},
): Promise<OpenedPipeline> {
  const { reader, chain, label } = await openStep(step, world, options);
  const checked = step.content === undefined
    ? reader
    : await checkContent(reader, step.content, world);
  return {
    reader: checked,
    chain: [...chain, { label, size: checked.size }],
  };
}

interface OpenedStep extends OpenedPipeline {
  readonly label: string;
}

async function openStep(
  step: Step,
  world: PipelineWorld,
  options: SpoolOptions,
): Promise<OpenedStep> {
  const source = (label: string, reader: BlockReader): OpenedStep => ({
    label,
    reader,
    chain: [],
  });
  switch (step.kind) {
    case "http":
      return source("http", await world.openLink(step.http));
    case "file":
      return source("file", await world.openFile(step.file));
    case "casync":
      return source(
        "casync",
        await world.openCasync(step.index, step.chunk_store),
      );
  }
  const below = await openPipeline(step.source, world, options);
  const inside = (label: string, reader: BlockReader | ClosableReader) => {
    if ("close" in reader) world.keep(reader);
    return { label, reader, chain: below.chain };
  };
  switch (step.kind) {
    case "xz":
      return inside("xz", await openXz(below.reader, options));
    case "android_sparseimg":
      return inside("Android sparse", await openSparse(below.reader, options));
    case "tar":
      return inside(
        `tar entry ${step.entry}`,
        named(
          await openTarEntry(below.reader, step.entry, options),
          `${below.reader.name}/${step.entry}`,
        ),
      );
    case "gpt":
    case "mbr": {
      const size = step.lba_size;
      const settings = size === undefined
        ? options
        : { ...options, sectorSize: size };
      const table = step.kind === "gpt"
        ? await readGpt(below.reader, settings)
        : await readMbr(below.reader, settings);
      const partition = partitionOf(table, step);
      const shown = describePartition(partition);
      return inside(
        `${step.kind.toUpperCase()} ${shown}`,
        named(
          openPartition(below.reader, partition),
          `${below.reader.name}${shown}`,
        ),
      );
    }
  }
}

function partitionOf(
  table: PartitionTable,
  step: PartitionStep,
): Partition {
  const selector: PartitionSelector = step.index !== undefined
    ? { index: step.index }
    : step.number !== undefined
    ? { number: step.number }
    : step.partuuid !== undefined
    ? { uuid: step.partuuid }
    : { label: step.partlabel! };
  return selectPartition(table, selector);
}

async function checkContent(
  reader: BlockReader,
  { digest, size_bytes: size }: Content,
  world: PipelineWorld,
): Promise<BlockReader> {
  if (reader.size !== size) {
    throw new ReadError(
      "pipeline.wrong-size",
      `Cannot use "${reader.name}": found ${reader.size} bytes, expected ${size} as the pipeline says; it is another file, or not complete`,
      { facts: { name: reader.name, found: reader.size, expected: size } },
    );
  }
  return await world.checkDigest(reader, parseDigest(digest));
}
