import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withSlice } from "../../block/slice.ts";
import { openSpooled } from "../../block/spool.ts";
import type { SpoolOptions } from "../../block/store.ts";
import { struct, u16, u32 } from "../../bytes/struct.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { cleanName } from "../tar/names.ts";
import { readDirectory, zipError } from "./directory.ts";
import { makeEntry, refuseDuplicates, type ZipEntry } from "./entries.ts";
import { inflated } from "./inflated.ts";

/** How the content of an entry is read. */
export interface ZipEntryOptions extends SpoolOptions {
  /**
   * Decodes in its workers. Without it, on the caller's thread, 10 ms at a time.
   *
   * @ignore
   */
  readonly pool?: CodecPool | undefined;
}

/** An open archive. */
export interface ZipArchive {
  /** What people call it, for messages. */
  readonly name: string;
  /** Its entries in the order of the directory. */
  readonly entries: readonly ZipEntry[];
  /**
   * Opens the content of an entry, by 1 read of its local header, which must say what the directory
   * says.
   *
   * A stored entry is a direct range of the archive; its CRC-32 is not verified, for that would take
   * all of it. A deflated one is decoded from its start and kept in `options.store` on the way, see
   * `openSpooled()`; its size and CRC-32 are verified at its end, and all of it is given up where they
   * are wrong.
   *
   * @throws {FormatError} `zip.unsupported-feature` (encrypted, other methods, several disks),
   * `zip.bad-name`, `zip.duplicate-name`, `zip.not-a-file`, `zip.damaged`, `zip.truncated`; reads
   * `zip.damaged`, `zip.checksum-mismatch`
   * @throws {ReadError} `store.no-room` without a store, of more than 256 MiB
   */
  open(entry: ZipEntry, options?: ZipEntryOptions): Promise<ClosableReader>;
}

/** DEFLATE makes no more of a byte. */
const MAX_RATIO = 1032;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;
const FLAG_DESCRIPTOR = 1 << 3;
/** Encryption, descriptor, strong encryption, UTF-8: what decides how the entry is read. */
const FLAGS_REPEATED = 1 | FLAG_DESCRIPTOR | 1 << 6 | 1 << 11;
const IN_ZIP64 = 0xffffffff;

/** APPNOTE.TXT, section 4.3.7. */
const LocalHeader = struct("local header", {
  signature: u32,
  version: u16,
  flags: u16,
  method: u16,
  time: u16,
  date: u16,
  crc32: u32,
  storedSize: u32,
  size: u32,
  nameLength: u16,
  extraLength: u16,
});

/**
 * Opens a ZIP archive, ZIP64 included: reads its directory, no more.
 *
 * Costs 1 read of the last 64 KiB, and 1 more for a directory that begins before them: 2 from 8 MiB
 * on, up to 64 MiB, which is the most.
 *
 * @throws {FormatError} `zip.bad-magic`, `zip.truncated`, `zip.damaged`,
 * `zip.unsupported-feature` (several disks, encrypted directory), `zip.directory-too-large`
 * @see PKWARE APPNOTE.TXT 6.3.10
 */
export async function openZip(
  image: BlockReader,
  options: ReadOptions = {},
): Promise<ZipArchive> {
  const entries: ZipEntry[] = [];
  for await (const parsed of readDirectory(image, options)) {
    entries.push(makeEntry(parsed));
  }
  return {
    name: image.name,
    entries: refuseDuplicates(entries),
    open: (entry, options) => openEntry(image, entry, options ?? {}),
  };
}

/**
 * Opens the content of the entry named `name` in a ZIP archive.
 *
 * @param name Compared without `./`, and `/` in front or behind.
 * @throws {TypeError} when `name` is blank or leads out of the archive.
 * @throws {FormatError} `zip.not-found`, and what {@linkcode openZip} and {@linkcode ZipArchive} throw
 *
 * @example
 * ```ts
 * import { openMemory } from "../../block/memory.ts";
 * import { openZipEntry } from "./open.ts";
 *
 * async function openImage(archive: Uint8Array) {
 *   return await openZipEntry(openMemory(archive), "images/debian.erofs");
 * }
 * ```
 */
export async function openZipEntry(
  image: BlockReader,
  name: string,
  options: ZipEntryOptions = {},
): Promise<ClosableReader> {
  const [wanted, problem] = cleanName(name);
  if (problem !== undefined || name.trim() === "") {
    throw new TypeError(
      `Cannot open ZIP entry ${JSON.stringify(name)}: ${
        problem ?? "it is blank"
      }`,
    );
  }
  const { entries, open } = await openZip(image, options);
  const entry = entries.find(({ name }) => name === wanted);
  if (entry !== undefined) return await open(entry, options);
  throw zipError(
    image,
    "zip.not-found",
    `there is no entry ${JSON.stringify(wanted)} among the ${entries.length}`,
    { entry: wanted, entries: entries.length },
  );
}

async function openEntry(
  image: BlockReader,
  entry: ZipEntry,
  options: ZipEntryOptions,
): Promise<ClosableReader> {
  const { name, size, storedSize, method, problem } = entry;
  if (problem !== undefined) {
    throw zipError(
      image,
      problem.code,
      `entry ${JSON.stringify(name)} cannot be opened: ${problem.text}`,
      { entry: name },
    );
  }
  const offset = await findData(image, entry, options);
  const fullName = `${image.name}#${name}`;
  const identity = `${image.identity}|zip:${offset}+${storedSize}`;
  if (method === "stored") {
    return {
      ...withSlice(image, { offset, size }),
      name: fullName,
      identity,
      close: () => Promise.resolve(),
    };
  }
  return await openSpooled({
    key: { identity: `${identity}:deflate`, name: fullName, size },
    source: (signal) => inflated(image, entry, offset, options.pool, signal),
    store: options.store,
    onProgress: options.onProgress,
    signal: options.signal,
  });
}

/** Compares the local header with the directory; gives the byte at which the data begins. */
async function findData(
  image: BlockReader,
  entry: ZipEntry,
  options: ReadOptions,
): Promise<number> {
  const { name, headerOffset: at, size, storedSize, repeated } = entry;
  const length = LocalHeader.size + repeated.name.length;
  const quoted = JSON.stringify(name);
  if (!(at >= 0 && at + length <= image.size)) {
    throw zipError(
      image,
      "zip.truncated",
      `entry ${quoted} is said to begin at byte ${at}, found ${image.size} bytes; it is cut short or damaged`,
      { entry: name, offset: at },
    );
  }
  const bytes = await readExactly(image, at, length, options);
  const header = LocalHeader.read(bytes);
  const found = bytes.subarray(LocalHeader.size);
  const { flags, method } = repeated;
  // With a descriptor behind the data, its sums and sizes may be missing here; with ZIP64, sizes are.
  const same = (here: number, there: number) =>
    here === there || here === IN_ZIP64 ||
    (flags & FLAG_DESCRIPTOR) !== 0 && here === 0;
  const difference = header.signature !== LOCAL_HEADER_SIGNATURE
    ? "has no signature"
    : header.method !== method
    ? `has method ${header.method}, expected ${method}`
    : (header.flags & FLAGS_REPEATED) !== (flags & FLAGS_REPEATED)
    ? `has flags ${header.flags}, expected ${flags}`
    : header.nameLength !== found.length ||
        found.some((byte, i) => byte !== repeated.name[i])
    ? "has another name"
    : !same(header.crc32, entry.crc32) || !same(header.size, size) ||
        !same(header.storedSize, storedSize)
    ? "has another size or check sum"
    : undefined;
  if (difference !== undefined) {
    throw zipError(
      image,
      "zip.damaged",
      `local header of entry ${quoted} at byte ${at} ${difference}; the archive is damaged`,
      { entry: name, offset: at },
    );
  }
  const offset = at + LocalHeader.size + header.nameLength +
    header.extraLength;
  if (offset + storedSize > image.size) {
    throw zipError(
      image,
      "zip.truncated",
      `entry ${quoted} is said to lie at bytes ${offset} to ${
        offset + storedSize
      }, found ${image.size}; it is cut short or damaged`,
      { entry: name, offset, size: storedSize },
    );
  }
  const fits = entry.method === "stored"
    ? size === storedSize
    : size <= storedSize * MAX_RATIO;
  if (!fits) {
    throw zipError(
      image,
      "zip.damaged",
      `entry ${quoted} has ${size} bytes, stored as ${storedSize}; the archive is damaged`,
      { entry: name, size, storedSize },
    );
  }
  return offset;
}
