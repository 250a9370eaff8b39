/**
 * What lies around and inside an image: layers from the file to the root file system.
 *
 * @module
 */

import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../block/reader.ts";
import type { FileSystem } from "../fs/filesystem.ts";

/** One step of the way from a file to the root inside it. */
export interface Layer {
  /** For people: `xz (24 blocks)`, `GPT`, `#2 "root"`, `/live/filesystem.squashfs`, `ext4`. */
  readonly label: string;
  /** Bytes of what the layer shows: of a wrapper those inside it. */
  readonly size: number;
}

/** Something in a layer that may hold the root: a partition, a file, an entry of an archive. */
export interface Part {
  /** For people, and the first of `names`: `#2 "root"`. */
  readonly label: string;
  /** What may be given to choose it, compared exactly: `#2`, `root`. */
  readonly names: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** Its content. */
  open(options?: ReadOptions): Promise<BlockReader | ClosableReader>;
}

/** What a format is when it is opened. */
export type OpenedFormat =
  /** It stands for other bytes. */
  | {
    readonly kind: "wrapper";
    readonly label: string;
    /** Closed with the image when it can be. */
    readonly reader: BlockReader | ClosableReader;
  }
  /** It has parts that belong together, such as a boot partition and a root. */
  | {
    readonly kind: "disk";
    readonly label: string;
    readonly parts: readonly Part[];
  }
  /** It has parts of which one is meant. */
  | {
    readonly kind: "archive";
    readonly label: string;
    readonly parts: readonly Part[];
  }
  /** It has files. */
  | {
    readonly kind: "files";
    readonly files: FileSystem;
    /** What a kernel can mount, when that is not the image as it is. */
    readonly mountable?: BlockReader | undefined;
  };

/** Something that is not the root, and why. */
export interface PassedOver {
  /** Where it lies: labels, joined by arrows. */
  readonly what: string;
  /** For people. */
  readonly reason: string;
}

/** The same bytes under a name that says where they lie. */
export function named(reader: BlockReader, name: string): BlockReader {
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    identity: reader.identity,
    name,
    read: (offset, into, options) => reader.read(offset, into, options),
  };
}

/** Layers as one line. */
export function formatChain(chain: readonly Layer[]): string {
  return chain.map(({ label }) => label).join(" → ");
}
