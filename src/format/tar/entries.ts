import { HeaderWindow } from "../../block/header_window.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { decodeName } from "../../bytes/text.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";
import type { FileType } from "../../fs/filesystem.ts";
import {
  BLOCK_SIZE,
  cString,
  hasChecksum,
  isZero,
  parseHeader,
  type RawHeader,
  SIZE_AT,
  TYPE_AT,
} from "./header.ts";
import { cleanName } from "./names.ts";
import { parsePax, paxNumber, type PaxRecords } from "./pax.ts";

/** A member of an archive. */
export interface TarEntry {
  /** Without `./`, `/` in front or behind and empty parts; `.` for the root itself. */
  readonly name: string;
  /** What it is; `other` for what has no meaning outside of the archive. */
  readonly type: FileType | "hard-link" | "other";
  /** Bytes of its content; 0 of all but files. */
  readonly size: number;
  /** Byte of the archive at which the content begins. */
  readonly offset: number;
  /** Byte of the archive at which its headers begin. */
  readonly headerOffset: number;
  /** `mode & 0o7777`. */
  readonly mode: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly mtime: number;
  /** Target of a link: of a hard link the name of another entry, of a symlink as stored. */
  readonly linkName?: string;
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

/** An error of the archive, in the project's form. */
export function tarError(
  image: BlockReader,
  code: ErrorCode,
  found: string,
  facts: Record<string, number | string> = {},
): FormatError {
  return new FormatError(
    code,
    `Cannot read tar archive "${image.name}": ${found}`,
    { facts: { name: image.name, ...facts } },
  );
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
      const data = await skipSparseMap(image, window, block, at);
      const entry = makeEntry(image, header, at, data, extras, global);
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

/** Where the data begins: GNU puts more of the map of a sparse file in front of it. */
async function skipSparseMap(
  image: BlockReader,
  window: HeaderWindow,
  block: Uint8Array,
  at: number,
): Promise<number> {
  let data = at + BLOCK_SIZE;
  if (block[TYPE_AT] !== 0x53) return data;
  let more = block[482] !== 0;
  for (; more; data += BLOCK_SIZE) {
    if (data + BLOCK_SIZE > image.size) {
      throw truncated(image, data, BLOCK_SIZE);
    }
    const map = window.held(data, BLOCK_SIZE) ??
      await window.take(data, BLOCK_SIZE);
    more = map[504] !== 0;
  }
  return data;
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
  const size = type === "file" || type === "other" ? stated : 0;
  const mtime = pax("mtime");
  const unsupported = isSparse(header, extras, global)
    ? "it is stored as a sparse file; make the archive without --sparse"
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

function isSparse(
  { type }: RawHeader,
  { pax }: Extras,
  global: PaxRecords,
): boolean {
  const keys = [...pax.keys(), ...global.keys()];
  return type === "S" ||
    keys.some((key) =>
      key.startsWith("GNU.sparse.") || key === "SUN.holesdata"
    );
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
