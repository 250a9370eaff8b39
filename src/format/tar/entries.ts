import { HeaderWindow } from "../../block/header_window.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { decodeName } from "../../bytes/text.ts";
import type { FormatError } from "../../errors.ts";
import type { FileType } from "../../fs/filesystem.ts";
import { tarError } from "./error.ts";
import {
  BLOCK_SIZE,
  cString,
  hasChecksum,
  isZero,
  parseHeader,
  type RawHeader,
  SIZE_AT,
} from "./header.ts";
import { cleanName } from "./names.ts";
import { parsePax, paxNumber, type PaxRecords } from "./pax.ts";
import {
  MAX_MAP,
  parseRecordMap,
  readOldMap,
  readOldSize,
  type TarSparse,
} from "./sparse.ts";

/** A member of an archive. */
export interface TarEntry {
  /** Without `./`, `/` in front or behind and empty parts; `.` for the root itself. */
  readonly name: string;
  /** What it is; `other` for what has no meaning outside of the archive. */
  readonly type: FileType | "hard-link" | "other";
  /** Bytes of its content; 0 of all but files. */
  readonly size: number;
  /** Byte of the archive at which the content begins, or what is stored of a sparse file. */
  readonly offset: number;
  /** Byte of the archive at which its headers begin. */
  readonly headerOffset: number;
  /** `mode & 0o7777`. */
  readonly mode: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly mtime: number;
  /** Target of a link: of a hard link the name of another entry, of a symlink as stored. */
  readonly linkName?: string;
  /** How a file with holes is stored; absent of others. */
  readonly sparse?: TarSparse;
  /** Why it cannot be opened; absent when it can. */
  readonly problem?: TarProblem;
}

/** Why an entry cannot be opened. */
export interface TarProblem {
  /** Of the error that opening it throws. */
  readonly code: "tar.unsupported-feature" | "tar.bad-name";
  /** In words. */
  readonly text: string;
}

/** Most bytes of one extended header or long name. */
const MAX_METADATA = 1 << 20;
/** Names and targets, of GNU's long forms and PAX, that hold for one entry. */
interface Extras {
  name?: Uint8Array;
  linkName?: Uint8Array;
  pax: PaxRecords;
  headerOffset: number | undefined;
}

/**
 * Walks from header to header.
 *
 * @throws {FormatError} `tar.bad-magic`, `tar.checksum-mismatch`, `tar.damaged`, `tar.truncated`,
 * `tar.metadata-too-large`
 */
export async function* walkTar(
  image: BlockReader,
  options: ReadOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const window = new HeaderWindow(image, options);
  const global: PaxRecords = new Map();
  let extras: Extras = { pax: new Map(), headerOffset: undefined };
  let at = 0;
  while (at < image.size) {
    if (at + BLOCK_SIZE > image.size) throw truncated(image, at, BLOCK_SIZE);
    const block = window.held(at, BLOCK_SIZE) ??
      await window.take(at, BLOCK_SIZE);
    options.signal?.throwIfAborted();
    if (isZero(block)) return;
    if (!hasChecksum(block)) {
      const first = at === 0;
      throw tarError(
        image,
        first ? "tar.bad-magic" : "tar.checksum-mismatch",
        `check sum of the header at byte ${at} is not right; ${
          first ? "the file holds something else" : "the archive is damaged"
        }`,
        { offset: at },
      );
    }
    const header = parseHeader(block);
    extras.headerOffset ??= at;
    const { type } = header;
    if (type === "x" || type === "X" || type === "g") {
      const bytes = await readMetadata(image, window, header, at, options);
      const records = parsePax(bytes);
      if (records === undefined) {
        throw damaged(image, at, "extended header is not made of records");
      }
      const into = type === "g" ? global : extras.pax;
      for (const [key, value] of records) into.set(key, value);
      at = next(at, header.size!);
    } else if (type === "L" || type === "K") {
      const bytes = await readMetadata(image, window, header, at, options);
      extras[type === "L" ? "name" : "linkName"] = cString(bytes).slice();
      at = next(at, header.size!);
    } else {
      const old = type === "S"
        ? await readOldSparse(image, window, block, at)
        : undefined;
      const data = old?.data ?? at + BLOCK_SIZE;
      const entry = makeEntry(image, header, at, data, extras, global, old);
      const size = storedSize(header, extras, global) ?? 0;
      if (data + size > image.size) throw truncated(image, data, size);
      yield entry;
      at = data + Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;
      extras = { pax: new Map(), headerOffset: undefined };
    }
  }
  // no zeros at the end are fine, half a block or a name without its entry are not
  const named = extras.headerOffset !== undefined;
  if (at > image.size || named) throw truncated(image, at, BLOCK_SIZE);
}

/** Byte of the block behind a header at `at` and its data. */
function next(at: number, size: number): number {
  return at + BLOCK_SIZE + Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;
}

/** What the header of an old GNU sparse file says, and the blocks behind it that go on with its map. */
interface OldSparse {
  readonly map: readonly number[];
  readonly size: number | undefined;
  /** Byte at which the data begins. */
  readonly data: number;
}

async function readOldSparse(
  image: BlockReader,
  window: HeaderWindow,
  header: Uint8Array,
  at: number,
): Promise<OldSparse> {
  const map = readOldMap(header, false);
  const size = readOldSize(header);
  let data = at + BLOCK_SIZE;
  for (let more = header[482] !== 0; more; data += BLOCK_SIZE) {
    if (data + BLOCK_SIZE > image.size) {
      throw truncated(image, data, BLOCK_SIZE);
    }
    if (data - at > MAX_MAP) {
      throw tarError(
        image,
        "tar.metadata-too-large",
        `map of the sparse file at byte ${at} has more than ${MAX_MAP} bytes; the archive is damaged`,
        { offset: at },
      );
    }
    const block = window.held(data, BLOCK_SIZE) ??
      await window.take(data, BLOCK_SIZE);
    map.push(...readOldMap(block, true));
    more = block[504] !== 0;
  }
  return { map, size, data };
}

async function readMetadata(
  image: BlockReader,
  window: HeaderWindow,
  { size }: RawHeader,
  at: number,
  options: ReadOptions,
): Promise<Uint8Array> {
  if (size === undefined || size < 0) throw badSize(image, at);
  if (size > MAX_METADATA) {
    throw tarError(
      image,
      "tar.metadata-too-large",
      `extended header or long name at byte ${at} has ${size} bytes, expected at most ${MAX_METADATA}; the archive is damaged`,
      { offset: at, size },
    );
  }
  const start = at + BLOCK_SIZE;
  if (start + size > image.size) throw truncated(image, start, size);
  return window.held(start, size) ??
    await readExactly(image, start, size, options);
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "\0": "file",
  "0": "file",
  "1": "hard-link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  // GNU: a directory with the list of its names
  "D": "directory",
  // GNU: sparse
  "S": "file",
};

const OTHERS: Readonly<Record<string, string>> = {
  "M": "it goes on from another volume",
  "V": "it is the name of a volume",
  "N": "it holds long names of an old kind",
  "A": "it holds access rights",
};

function makeEntry(
  image: BlockReader,
  header: RawHeader,
  at: number,
  offset: number,
  extras: Extras,
  global: PaxRecords,
  old: OldSparse | undefined,
): TarEntry {
  const pax = (key: string) => record(extras.pax, global, key);
  const stored = pax("GNU.sparse.name") ?? pax("path") ?? extras.name ??
    joinPrefix(header);
  const target = pax("linkpath") ?? extras.linkName ?? header.linkName;
  let type = TYPES[header.type] ?? "other";
  // v7 has no type for directories
  if (type === "file" && stored.at(-1) === 0x2f) type = "directory";
  const [name, badName] = cleanName(decodeName(stored));
  const stated = storedSize(header, extras, global);
  if (stated === undefined || stated < 0) throw badSize(image, at);
  const holes = type === "file" ? findHoles(pax, stated, old) : undefined;
  const size = holes?.size ??
    (type === "file" || type === "other" ? stated : 0);
  if (!(size >= 0)) {
    throw damaged(image, at, "size of the sparse file is no number");
  }
  const mtime = pax("mtime");
  const unsupported = holes !== undefined && holes.sparse === undefined
    ? "its holes are stored in a way that fastboop does not read; make the archive by GNU tar or bsdtar"
    : type === "other"
    ? OTHERS[header.type] ?? `its type is ${JSON.stringify(header.type)}`
    : undefined;
  const problem: TarProblem | undefined = unsupported !== undefined
    ? { code: "tar.unsupported-feature", text: unsupported }
    : badName !== undefined
    ? { code: "tar.bad-name", text: badName }
    : undefined;
  const link = type === "hard-link" || type === "symlink";
  return {
    name,
    type,
    size,
    offset,
    headerOffset: extras.headerOffset ?? at,
    mode: (header.mode ?? 0) & 0o7777,
    mtime: (mtime && paxNumber(mtime)) ?? header.mtime ?? 0,
    ...(link ? { linkName: decodeName(target) } : {}),
    ...(holes?.sparse === undefined ? {} : { sparse: holes.sparse }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/**
 * Bytes behind the header: of links none, whatever it says, as in GNU tar and bsdtar.
 *
 * @returns `undefined` when they are no number.
 */
function storedSize(
  header: RawHeader,
  { pax }: Extras,
  global: PaxRecords,
): number | undefined {
  if (header.type === "1" || header.type === "2") return 0;
  const value = record(pax, global, "size");
  return value === undefined ? header.size : paxNumber(value);
}

/** An empty record takes back what holds for all. */
function record(
  local: PaxRecords,
  global: PaxRecords,
  key: string,
): Uint8Array | undefined {
  const value = local.get(key) ?? global.get(key);
  return value?.length === 0 ? undefined : value;
}

/**
 * How the holes of a file are stored; without `sparse` in a way that is not known.
 *
 * @returns `undefined` when nothing says that there are any. `size` is `NaN` when it is no number.
 */
function findHoles(
  pax: (key: string) => Uint8Array | undefined,
  storedSize: number,
  old: OldSparse | undefined,
): { readonly size: number; readonly sparse?: TarSparse } | undefined {
  if (old !== undefined) {
    const { map, size = NaN } = old;
    return { size, sparse: { storedSize, map } };
  }
  const text = (key: string) => decodeName(pax(key) ?? new Uint8Array(0));
  const real = pax("GNU.sparse.realsize") ?? pax("GNU.sparse.size");
  const version = `${text("GNU.sparse.major")}.${text("GNU.sparse.minor")}`;
  const map = pax("GNU.sparse.map");
  if (version !== "." || map !== undefined || real !== undefined) {
    const size = (real && paxNumber(real)) ?? NaN;
    if (version === "1.0") return { size, sparse: { storedSize } };
    if (version !== "." || map === undefined) return { size: storedSize };
    return { size, sparse: { storedSize, map: parseRecordMap(map) } };
  }
  return pax("SUN.holesdata") && { size: storedSize };
}

function joinPrefix({ prefix, name }: RawHeader): Uint8Array {
  if (prefix.length === 0) return name;
  const joined = new Uint8Array(prefix.length + 1 + name.length);
  joined.set(prefix);
  joined[prefix.length] = 0x2f;
  joined.set(name, prefix.length + 1);
  return joined;
}

function truncated(
  image: BlockReader,
  offset: number,
  size: number,
): FormatError {
  return tarError(
    image,
    "tar.truncated",
    `bytes ${offset} to ${
      offset + size
    } are expected, found ${image.size} in all; it is cut short`,
    { offset, size, found: image.size },
  );
}

function badSize(image: BlockReader, at: number): FormatError {
  return damaged(image, at, `size at byte ${at + SIZE_AT} is no number`);
}

function damaged(image: BlockReader, at: number, found: string): FormatError {
  const text = `${found} (header at byte ${at}); the archive is damaged`;
  return tarError(image, "tar.damaged", text, { offset: at });
}
