import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { withSlice } from "../../block/slice.ts";
import { type TarEntry, walkTar } from "./entries.ts";
import { tarError } from "./error.ts";
import { cleanName } from "./names.ts";
import { openSparseEntry } from "./sparse.ts";

/** An open archive. */
export interface TarArchive {
  /** What people call it, for messages. */
  readonly name: string;
  /**
   * Its entries in their order, read from header to header as far as they are asked for: many by one
   * read where files are small, and what large files hold is passed over. Each call begins anew.
   *
   * @throws {FormatError} `tar.checksum-mismatch`, `tar.damaged`, `tar.truncated`,
   * `tar.metadata-too-large` where it is damaged, when the entries before that have been given
   */
  entries(options?: ReadOptions): AsyncIterable<TarEntry>;
  /**
   * Opens the content of an entry: a direct range of the archive, or several with zeros between them.
   * Reads nothing but the map of a sparse file, and for a hard link whose target was not listed yet: it
   * is looked for from the start.
   *
   * @throws {FormatError} `tar.not-a-file`, `tar.unsupported-feature` for what belongs to other volumes
   * and sparse files of kinds that are not known, `tar.bad-name`; of a sparse file `tar.damaged` and
   * `tar.metadata-too-large`, of a hard link `tar.not-found` and what listing throws
   */
  open(entry: TarEntry, options?: ReadOptions): Promise<BlockReader>;
}

/** Hard links that lead to hard links. */
const MAX_HOPS = 8;

/**
 * Opens a tar archive, not compressed: v7, ustar, GNU (long names, sizes of 8 GiB and more), PAX (names
 * and sizes, of one entry and of all that follow), star; sparse files of GNU tar and bsdtar.
 *
 * Costs 1 read, of at most 64 KiB, which must hold a header with a right check sum or zeros.
 *
 * @throws {FormatError} `tar.bad-magic`, `tar.truncated`; besides what the first entry throws
 */
export async function openTar(
  image: BlockReader,
  options: ReadOptions = {},
): Promise<TarArchive> {
  if (image.size === 0) {
    throw tarError(image, "tar.truncated", "it is empty", { size: 0 });
  }
  for await (const _ of walkTar(image, options)) break;
  /** The first entry of each name, as far as they were listed. */
  const listed = new Map<string, TarEntry>();
  return {
    name: image.name,
    async *entries(options?: ReadOptions) {
      for await (const entry of walkTar(image, options)) {
        if (!listed.has(entry.name)) listed.set(entry.name, entry);
        yield entry;
      }
    },
    open: (entry, options) => openEntry(image, entry, options ?? {}, listed),
  };
}

/**
 * Opens the content of the first entry named `name` in a tar archive.
 *
 * What follows that entry is not read; of entries with the same name the first one counts. Costs the
 * reads of listing up to it.
 *
 * @param name Compared without `./`, and `/` in front or behind.
 * @throws {TypeError} when `name` is blank or leads out of the archive.
 * @throws {FormatError} `tar.not-found`, and what {@linkcode openTar} and {@linkcode TarArchive} throw
 *
 * @example
 * ```ts
 * import { openMemory } from "../../block/memory.ts";
 * import { openTarEntry } from "./open.ts";
 *
 * async function openImage(archive: Uint8Array) {
 *   return await openTarEntry(openMemory(archive), "images/debian.erofs");
 * }
 * ```
 */
export async function openTarEntry(
  image: BlockReader,
  name: string,
  options: ReadOptions = {},
): Promise<BlockReader> {
  const [wanted, problem] = cleanName(name);
  if (problem !== undefined || name.trim() === "") {
    throw new TypeError(
      `Cannot open tar entry ${JSON.stringify(name)}: ${
        problem ?? "it is blank"
      }`,
    );
  }
  const entry = await find(image, wanted, Infinity, options);
  return await openEntry(image, entry, options, new Map());
}

/** The first entry named `wanted` whose headers begin before byte `before`. */
async function find(
  image: BlockReader,
  wanted: string,
  before: number,
  options: ReadOptions,
): Promise<TarEntry> {
  let count = 0;
  for await (const entry of walkTar(image, options)) {
    if (entry.headerOffset >= before) break;
    if (entry.name === wanted) return entry;
    count++;
  }
  throw tarError(
    image,
    "tar.not-found",
    `there is no entry ${JSON.stringify(wanted)} among the ${count}${
      before === Infinity ? "" : " before the hard link to it"
    }`,
    { entry: wanted, entries: count },
  );
}

async function openEntry(
  image: BlockReader,
  entry: TarEntry,
  options: ReadOptions,
  listed: ReadonlyMap<string, TarEntry>,
  hops = MAX_HOPS,
): Promise<BlockReader> {
  const { name, type, offset, size, problem } = entry;
  const quoted = JSON.stringify(name);
  if (problem !== undefined) {
    throw tarError(
      image,
      problem.code,
      `entry ${quoted} cannot be opened: ${problem.text}`,
      { entry: name },
    );
  }
  if (type === "hard-link" && hops > 0) {
    const [target, wrong] = cleanName(entry.linkName ?? "");
    if (wrong === undefined) {
      const { headerOffset } = entry;
      const known = listed.get(target);
      const found = known !== undefined && known.headerOffset < headerOffset
        ? known
        : await find(image, target, headerOffset, options);
      return await openEntry(image, found, options, listed, hops - 1);
    }
  }
  if (type !== "file") {
    throw tarError(
      image,
      "tar.not-a-file",
      `entry ${quoted} is a ${type}, expected a file`,
      { entry: name, type },
    );
  }
  if (entry.sparse !== undefined) {
    return await openSparseEntry(image, entry, entry.sparse, options);
  }
  return {
    ...withSlice(image, { offset, size }),
    name: `${image.name}#${name}`,
    identity: `${image.identity}|tar:${offset}+${size}`,
  };
}
