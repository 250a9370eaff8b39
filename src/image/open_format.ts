/**
 * Every format that can be opened, by the name that its first bytes give it.
 *
 * @module
 */

import type { BlockReader, ClosableReader } from "../block/reader.ts";
import type { SpoolOptions } from "../block/store.ts";
import { FormatError } from "../errors.ts";
import { openBzip2 } from "../format/bzip2/open.ts";
import { openErofs } from "../format/erofs/open.ts";
import { openExt4 } from "../format/ext4/open.ts";
import { openFat } from "../format/fat/open.ts";
import {
  describePartition,
  openPartition,
  type Partition,
  type PartitionTable,
} from "../format/gpt/partition.ts";
import { readGpt } from "../format/gpt/read.ts";
import { openGzip } from "../format/gzip/open.ts";
import { openLz4 } from "../format/lz4/open.ts";
import { openIso9660 } from "../format/iso9660/open.ts";
import { readMbr } from "../format/mbr/read.ts";
import { openSparse } from "../format/sparse/open.ts";
import { openSquashfs } from "../format/squashfs/open.ts";
import { openTar, type TarArchive } from "../format/tar/open.ts";
import { openXz } from "../format/xz/open.ts";
import { openZip } from "../format/zip/open.ts";
import { openZstd } from "../format/zstd/open.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import type { OpenedFormat, Part } from "./layers.ts";

type Open = (
  image: BlockReader,
  options: SpoolOptions,
) => Promise<OpenedFormat>;

/** A file system; its name is its own. */
const fileSystem = (
  open: (image: BlockReader, options: SpoolOptions) => Promise<FileSystem>,
): Open =>
async (image, options) => ({
  kind: "files",
  files: await open(image, options),
});

const OPENERS: Readonly<Record<string, Open>> = {
  erofs: fileSystem(openErofs),
  async ext4(image, options) {
    const files = await openExt4(image, options);
    const { needsRecovery, recovered } = files.source;
    // a kernel would have to write to put the journal in place
    return {
      kind: "files",
      files,
      ...(needsRecovery ? { mountable: recovered } : {}),
    };
  },
  squashfs: fileSystem(openSquashfs),
  FAT: fileSystem(openFat),
  async xz(image, options) {
    const reader = await openXz(image, options);
    return wrapper(`xz (${count(reader.blocks, "block")})`, reader);
  },
  async zstd(image, options) {
    const reader = await openZstd(image, options);
    const { access, parts = 1 } = reader;
    const frames = access === "random" ? ` (${count(parts, "frame")})` : "";
    return wrapper(`zstd${frames}`, reader);
  },
  gzip: async (image, options) =>
    wrapper("gzip", await openGzip(image, options)),
  lz4: async (image, options) => wrapper("lz4", await openLz4(image, options)),
  bzip2: async (image, options) =>
    wrapper("bzip2", await openBzip2(image, options)),
  async ZIP(image, options) {
    const archive = await openZip(image, options);
    const parts = archive.entries.flatMap((entry): Part[] =>
      entry.type !== "file" ? [] : [{
        label: entry.name,
        names: [entry.name],
        size: entry.size,
        open: ({ signal } = {}) => archive.open(entry, { ...options, signal }),
      }]
    );
    return { kind: "archive", label: "ZIP", parts };
  },
  async tar(image, options) {
    const archive = await openTar(image, options);
    return {
      kind: "archive",
      label: "tar",
      parts: await tarParts(archive, options),
    };
  },
  "ISO 9660": fileSystem(openIso9660),
  async "Android sparse"(image, options) {
    const reader = await openSparse(image, options);
    const { chunks } = reader.sparse;
    return wrapper(`Android sparse (${count(chunks, "chunk")})`, reader);
  },
  "GPT disk": async (image, options) =>
    disk(image, await readGpt(image, options)),
  async "MBR disk"(image, options) {
    const table = await readMbr(image, options);
    // the start of the GPT is damaged, its backup may be whole
    if (table.kind === "protective") {
      return disk(image, await readGpt(image, options));
    }
    return disk(image, table);
  },
};

const NOT_A_DISK = "convert it by qemu-img convert -O raw";
const NO_DRIVER =
  "stage0 mounts erofs, ext4 and squashfs alone: use an image with one of these";
/** What to do about formats that are known and not read. */
const ADVICE: Readonly<Record<string, string>> = {
  "QEMU disk (qcow2)": NOT_A_DISK,
  "VMware disk (vmdk)": NOT_A_DISK,
  "VirtualBox disk (vdi)": NOT_A_DISK,
  "Hyper-V disk (vhdx)": NOT_A_DISK,
  btrfs: NO_DRIVER,
  f2fs: NO_DRIVER,
  XFS: NO_DRIVER,
  NTFS: NO_DRIVER,
  exFAT: NO_DRIVER,
  "LUKS container": "encrypted images cannot be booted",
  "Linux swap": "it holds no files",
  "LVM volume": "volume groups are not read",
  "7-Zip": "unpack it first",
  RAR: "unpack it first",
  lzop: "unpack it first",
  lzip: "unpack it first",
  lzma: "unpack it first",
  "lz4 of the old kind": "unpack it first, by lz4 -d",
  "big-endian squashfs": "version 4 is always little-endian; make it anew",
  "Android boot image": "give the image of the root file system",
  "Android vendor boot image": "give the image of the root file system",
  "fastboop profile": "device profiles are given by FASTBOOP_SCHEMA_PATH",
  program: "give the image of the root file system",
  "web page": "the link leads to a page about the file; give that of the file",
};

/** Names of what can be opened. */
export const OPENABLE: readonly string[] = Object.keys(OPENERS);

/**
 * Opens what was found to be `format`.
 *
 * @throws {FormatError} `image.unsupported-format` (`facts.format` names it), and what the format throws
 */
export async function openFormat(
  format: string,
  image: BlockReader,
  options: SpoolOptions,
): Promise<OpenedFormat> {
  const open = OPENERS[format];
  if (open !== undefined) return await open(image, options);
  throw new FormatError(
    "image.unsupported-format",
    `Cannot open "${image.name}": found ${format}, expected one of ${
      OPENABLE.join(", ")
    }; ${ADVICE[format] ?? "use an image of another kind"}`,
    { facts: { format } },
  );
}

function wrapper(
  label: string,
  reader: BlockReader | ClosableReader,
): OpenedFormat {
  return { kind: "wrapper", label, reader };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Entries of an archive that are looked at: those of images have few, those of roots many. */
const MAX_ENTRIES = 1000;

async function tarParts(
  archive: TarArchive,
  options: SpoolOptions,
): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const entry of archive.entries(options)) {
    const { name, size, type } = entry;
    if (type !== "file" && type !== "hard-link") continue;
    parts.push({
      label: name,
      names: [name],
      size,
      open: (options) => archive.open(entry, options),
    });
    if (parts.length >= MAX_ENTRIES) break;
  }
  return parts;
}

function disk(image: BlockReader, table: PartitionTable): OpenedFormat {
  const { scheme, partitions } = table;
  return {
    kind: "disk",
    label: scheme.toUpperCase(),
    parts: partitions.map((partition) => partitionPart(image, partition)),
  };
}

function partitionPart(disk: BlockReader, partition: Partition): Part {
  const { number, label, uuid, size } = partition;
  return {
    label: describePartition(partition),
    names: [`#${number}`, ...(label === "" ? [] : [label]), uuid],
    size,
    // deno-lint-ignore require-await -- throwing must reject
    open: async () => openPartition(disk, partition),
  };
}
