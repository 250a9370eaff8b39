/**
 * Packs initramfs archives.
 *
 * @module
 */
import { encodeName } from "../bytes/text.ts";
import { type Bytes, codecCore, withMemory } from "./call.ts";
import { CPIO_RECORD_SIZE } from "./exports.ts";

/** What every entry of an archive has. */
export interface CpioCommon {
  /**
   * Name in the archive, without a leading slash; at most 4095 bytes in UTF-8. A surrogate U+DC80 to
   * U+DCFF stands for a byte that is not UTF-8.
   */
  readonly path: string;
  /** Permission bits, at most 0o7777. Default: 0o755 for directories, 0o777 for links, 0o644 for files, 0o600 for all else. */
  readonly mode?: number;
  /** Default 0. */
  readonly uid?: number;
  /** Default 0. */
  readonly gid?: number;
  /** Seconds since 1970; default 0. */
  readonly mtime?: number;
  /**
   * Entries with the same number are names of one file: hard links. Of files, only the last one's data
   * is stored. Directories and symbolic links cannot be linked so: for them it has no meaning.
   */
  readonly linkGroup?: number;
}

/** What an archive can hold. */
export type CpioEntry =
  & CpioCommon
  & (
    | { readonly type: "file"; readonly data: Uint8Array }
    | { readonly type: "dir" | "fifo" | "socket" }
    | { readonly type: "symlink"; readonly target: string }
    | {
      readonly type: "char" | "block";
      readonly major: number;
      readonly minor: number;
    }
  );

// <linux/stat.h>
const KINDS = {
  file: { bits: 0o100000, mode: 0o644 },
  dir: { bits: 0o040000, mode: 0o755 },
  symlink: { bits: 0o120000, mode: 0o777 },
  char: { bits: 0o020000, mode: 0o600 },
  block: { bits: 0o060000, mode: 0o600 },
  fifo: { bits: 0o010000, mode: 0o600 },
  socket: { bits: 0o140000, mode: 0o600 },
} as const;

const HEADER_SIZE = 110;
/** Linux skips entries with longer names or link targets, the final zero included for names. */
const PATH_MAX = 4096;
const TRAILER = "TRAILER!!!";
const NOTHING = new Uint8Array(0);
/** Device numbers of Linux: 12 bits and 20 bits. */
const MAX_MAJOR = 0xfff, MAX_MINOR = 0xfffff;

interface Prepared {
  readonly name: Uint8Array;
  readonly data: Uint8Array;
  /** Of the first name of a file with several; else the core counts. */
  readonly inode?: number;
}

/** The names of one file, by their place among the entries. */
interface Links {
  readonly first: number;
  last: number;
  count: number;
}

/** Byte of the inode number in a header: behind the magic. */
const INODE_AT = 6;

const encoder = new TextEncoder();
const hex = (value: number) =>
  value.toString(16).toUpperCase().padStart(8, "0");
const pad = (size: number) => Math.ceil(size / 4) * 4;
const headSize = (nameSize: number) => pad(HEADER_SIZE + nameSize + 1);

/**
 * Packs a newc archive in one pass.
 *
 * Equal entries give equal bytes: times and owners are 0 unless given, inode numbers count from 1,
 * a directory has 2 links and all else 1 unless linked. Entries come in the order given; Linux wants a directory
 * before what is in it. Linear memory: the headers and names, not the data.
 *
 * @param options.padTo Size of the result is a multiple of this; default 512, as `cpio` does.
 * @throws {RangeError} for a name or target that is empty, too long or has a zero in it, for data of
 * 4 GiB and more, and for numbers that do not fit.
 * @see Linux, Documentation/driver-api/early-userspace/buffer-format.rst
 */
export async function packCpio(
  entries: Iterable<CpioEntry>,
  options: { readonly padTo?: number } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const padTo = options.padTo ?? 512;
  if (!Number.isInteger(padTo) || padTo < 4 || padTo % 4 !== 0) {
    throw new RangeError(
      `Cannot pack cpio: padTo is ${padTo}, expected a multiple of 4`,
    );
  }
  const { records, prepared } = prepare(entries);
  const heads = await makeHeads(records, prepared);

  let size = headSize(TRAILER.length);
  for (const { name, data } of prepared) {
    size += headSize(name.length) + pad(data.length);
  }
  const archive = new Uint8Array(Math.ceil(size / padTo) * padTo);
  let from = 0, to = 0;
  for (const { name, data, inode } of prepared) {
    const head = heads.subarray(from, from += headSize(name.length));
    if (inode !== undefined) {
      head.set(encoder.encode(hex(inode)), INODE_AT);
    }
    archive.set(head, to);
    archive.set(data, to + head.length);
    to += head.length + pad(data.length);
  }
  archive.set(heads.subarray(from), to);
  return archive;
}

async function makeHeads(
  records: Uint8Array,
  prepared: readonly Prepared[],
): Promise<Bytes> {
  const size = prepared.reduce(
    (sum, { name }) => sum + headSize(name.length),
    headSize(TRAILER.length),
  );
  const core = await codecCore(records.length + size);
  return withMemory(core, (memory) => {
    const input = memory.put(records);
    const output = memory.take(size);
    const written = core.exports.fb_cpio_heads(
      input,
      records.length,
      output,
      size,
    );
    if (written !== size) {
      throw new RangeError(
        `Cannot pack cpio: the core wrote ${written} bytes of headers, expected ${size}`,
      );
    }
    return core.view(output, size).slice();
  });
}

function linked(
  entry: CpioEntry,
): entry is CpioEntry & { readonly linkGroup: number } {
  const { type, linkGroup } = entry;
  return linkGroup !== undefined && type !== "dir" && type !== "symlink";
}

function findLinks(entries: readonly CpioEntry[]): Map<number, Links> {
  const groups = new Map<number, Links>();
  entries.forEach((entry, at) => {
    if (!linked(entry)) return;
    const group = groups.get(entry.linkGroup);
    if (group === undefined) {
      groups.set(entry.linkGroup, { first: at, last: at, count: 1 });
    } else {
      group.last = at;
      group.count++;
    }
  });
  return groups;
}

function prepare(list: Iterable<CpioEntry>) {
  const entries = [...list];
  const groups = findLinks(entries);
  const prepared: Prepared[] = [];
  const heads: Uint8Array[] = [];
  let size = 0;
  for (const [at, entry] of entries.entries()) {
    const { path, type } = entry;
    const name = text(path, "a name", path, PATH_MAX - 1);
    if (path === TRAILER) {
      throw new RangeError(
        `Cannot pack "${path}": it would end the archive, expected another name`,
      );
    }
    const links = linked(entry) ? groups.get(entry.linkGroup) : undefined;
    const data = type === "file"
      ? links === undefined || links.last === at ? entry.data : NOTHING
      : type === "symlink"
      ? text(entry.target, "a link target", path, PATH_MAX)
      : NOTHING;
    const kind = KINDS[type];
    const device = type === "char" || type === "block";
    const number = (what: string, value: number, max = 0xffffffff) =>
      checkNumber(path, what, value, max);
    const fields = [
      kind.bits | number("mode", entry.mode ?? kind.mode, 0o7777),
      number("uid", entry.uid ?? 0),
      number("gid", entry.gid ?? 0),
      type === "dir" ? 2 : links?.count ?? 1,
      number("mtime", entry.mtime ?? 0),
      number("size", data.length),
      device ? number("major", entry.major, MAX_MAJOR) : 0,
      device ? number("minor", entry.minor, MAX_MINOR) : 0,
      name.length,
    ];
    const head = new Uint8Array(CPIO_RECORD_SIZE + pad(name.length));
    const view = new DataView(head.buffer);
    fields.forEach((field, at) => view.setUint32(at * 4, field, true));
    head.set(name, CPIO_RECORD_SIZE);
    heads.push(head);
    size += head.length;
    prepared.push(
      links === undefined || links.count === 1
        ? { name, data }
        : { name, data, inode: links.first + 1 },
    );
  }
  const records = new Uint8Array(size);
  let at = 0;
  for (const head of heads) {
    records.set(head, at);
    at += head.length;
  }
  return { records, prepared };
}

function text(
  value: string,
  what: string,
  path: string,
  max: number,
): Uint8Array {
  const bytes = encodeName(value);
  if (bytes.length === 0 || bytes.length > max || bytes.includes(0)) {
    throw new RangeError(
      `Cannot pack "${path}": ${what} has ${bytes.length} bytes${
        bytes.includes(0) ? " with a zero" : ""
      }, expected 1 to ${max} without zeros`,
    );
  }
  return bytes;
}

function checkNumber(
  path: string,
  what: string,
  value: number,
  max: number,
): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(
    `Cannot pack "${path}": ${what} is ${value}, expected a whole number from 0 to ${max}`,
  );
}
