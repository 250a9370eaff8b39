/**
 * Reads initramfs archives as Linux does.
 *
 * @module
 */

import { decodeName } from "../../bytes/text.ts";
import type { CpioEntry } from "../../wasm/codecs.ts";
import { fault, type Place } from "./errors.ts";
import {
  CPIO_HEADER_SIZE,
  type CpioHeader,
  isOldFormat,
  PATH_MAX,
  readHeader,
  TRAILER,
} from "./header.ts";
import { findCompression, unpackPart } from "./segments.ts";

/**
 * An entry as an archive holds it, ready for `packCpio()`.
 *
 * `path` has no leading slash and no `.` within; the root itself is `.`. Names of one file share
 * `linkGroup` and `data`.
 */
export type CpioMember = CpioEntry & {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Byte of its header, in the file or in what its compressed part unpacks to. */
  readonly offset: number;
};

/** Limits and names of reading. */
export interface ReadCpioOptions {
  /** Bytes of all archives, unpacked, at which it fails. */
  readonly maxSize: number;
  /** What messages call the file; default `cpio`. */
  readonly name?: string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Hard links of one archive, and the members read so far. */
interface State {
  readonly members: Writable<CpioMember>[];
  /** By device and inode number. */
  links: Map<string, Writable<CpioMember>[]>;
  groups: number;
  left: number;
}

// <linux/stat.h>
const S_IFMT = 0o170000;
const TYPES = new Map<number, CpioEntry["type"]>([
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o040000, "dir"],
  [0o060000, "block"],
  [0o100000, "file"],
  [0o120000, "symlink"],
  [0o140000, "socket"],
]);

const pad = (size: number) => Math.ceil(size / 4) * 4;

/**
 * Reads all entries of a file of one or more archives, in their order.
 *
 * Takes what Linux takes as an initramfs: newc and crc archives, whose sums are verified, one after
 * the other, plain or compressed with gzip, xz, zstd, LZ4 frames or legacy LZ4, zeros between them.
 * Beyond Linux, each archive must end in its trailer, so that one cut short is noticed, and no name may
 * hold `..`. Data of plain archives is a view of `bytes`, nothing is copied; each compressed part takes
 * as much memory as it unpacks to. A name that occurs twice is given twice: the later one counts.
 *
 * @throws {FormatError} `cpio.bad-magic`, `cpio.old-format`, `cpio.bad-header`, `cpio.bad-name`,
 * `cpio.bad-type`, `cpio.truncated`, `cpio.misaligned`, `cpio.checksum-mismatch`,
 * `cpio.unsupported-compression`, `cpio.damaged-part`, `cpio.too-large`, each with the byte
 * @see Linux, init/initramfs.c; Documentation/driver-api/early-userspace/buffer-format.rst
 *
 * @example
 * ```ts
 * import { packCpio, readCpio } from "../../../mod.ts";
 *
 * const archive = await packCpio([{ path: "etc", type: "dir" }]);
 * const [etc] = await readCpio(archive, { maxSize: 1 << 20 });
 * console.assert(etc?.path === "etc" && etc.mode === 0o755);
 * ```
 */
export async function readCpio(
  bytes: Uint8Array,
  options: ReadCpioOptions,
): Promise<CpioMember[]> {
  const { maxSize, name = "cpio" } = options;
  if (!Number.isSafeInteger(maxSize) || maxSize < 0) {
    throw new RangeError(
      `Cannot read cpio: maxSize is ${maxSize}, expected a whole number of bytes`,
    );
  }
  const place: Place = { name };
  const state: State = {
    members: [],
    links: new Map(),
    groups: 0,
    left: maxSize,
  };
  let at = skipZeros(bytes, 0);
  if (at === bytes.length) {
    throw fault(
      "bad-magic",
      place,
      0,
      `found ${
        at === 0 ? "nothing" : `${at} zeros`
      }, expected an archive that begins with "070701" or "070702"`,
    );
  }
  while (at < bytes.length) {
    const compression = findCompression(bytes, at, place);
    if (compression === undefined) {
      at = readArchive(bytes, at, state, place);
    } else {
      const part = await unpackPart(bytes, at, compression, state.left, place);
      const { content } = part;
      const inside = { name, part: `${compression} part at byte ${at}` };
      let offset = skipZeros(content, 0);
      while (offset < content.length) {
        offset = skipZeros(
          content,
          readArchive(content, offset, state, inside),
        );
      }
      at += part.size;
    }
    at = skipZeros(bytes, at);
  }
  return state.members;
}

function skipZeros(bytes: Uint8Array, offset: number): number {
  let at = offset;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}

/** Reads one archive from its first header to its trailer; gives the byte behind it. */
function readArchive(
  bytes: Uint8Array,
  start: number,
  state: State,
  place: Place,
): number {
  if (start % 4 !== 0 && !isOldFormat(bytes, start)) {
    // A wrong magic says more.
    readHeader(bytes, start, place);
    throw fault(
      "misaligned",
      place,
      start,
      "an archive begins, expected at a multiple of 4 bytes; Linux does not find it there",
    );
  }
  state.links = new Map();
  let at = start;
  for (;;) {
    if (at >= bytes.length) {
      throw fault(
        "truncated",
        place,
        at,
        `the data ends, expected more entries or "${TRAILER}"; the archive is cut short`,
      );
    }
    const header = readHeader(bytes, at, place);
    const nameStart = at + CPIO_HEADER_SIZE;
    const dataStart = pad(nameStart + header.namesize);
    const end = dataStart + header.filesize;
    const name = readName(bytes, nameStart, header.namesize, place);
    if (end > bytes.length) {
      throw fault(
        "truncated",
        place,
        at,
        `"${name}" has ${header.filesize} bytes from byte ${dataStart} on, expected at most the ${
          Math.max(0, bytes.length - dataStart)
        } that follow; the archive is cut short`,
        { size: header.filesize },
      );
    }
    state.left -= pad(end) - at;
    if (state.left < 0) {
      throw fault(
        "too-large",
        place,
        at,
        `"${name}" ends ${-state
          .left} bytes beyond the limit of all archives together`,
      );
    }
    const next = Math.min(pad(end), bytes.length);
    if (name === TRAILER) return next;
    add(bytes.subarray(dataStart, end), header, name, at, state, place);
    at = next;
  }
}

/** The name without the zero that must end it, nor those that some programs add to align data. */
function readName(
  bytes: Uint8Array,
  start: number,
  size: number,
  place: Place,
): string {
  const raw = bytes.subarray(start, start + size);
  const length = raw.indexOf(0);
  if (raw.length < size) {
    throw fault(
      "truncated",
      place,
      start,
      `found ${raw.length} bytes, expected a name of ${size}; the archive is cut short`,
    );
  }
  if (length <= 0 || raw.subarray(length).some((byte) => byte !== 0)) {
    throw fault(
      "bad-name",
      place,
      start,
      `a name of ${size} bytes ${
        length < 0
          ? "does not end in a zero"
          : length === 0
          ? "is empty"
          : `has a zero at byte ${length} and more behind it`
      }; the archive is damaged`,
    );
  }
  return decodeName(raw.subarray(0, length));
}

/** `./etc//x/` becomes `etc/x`; the root is `.`. */
function normalise(name: string, offset: number, place: Place): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw fault(
      "bad-name",
      place,
      offset,
      `the name ${
        JSON.stringify(name)
      } has ".." in it, expected none; rename it`,
      { path: name },
    );
  }
  return parts.length === 0 ? "." : parts.join("/");
}

function add(
  data: Uint8Array,
  header: CpioHeader,
  name: string,
  offset: number,
  state: State,
  place: Place,
): void {
  const type = TYPES.get(header.mode & S_IFMT);
  if (type === undefined) {
    throw fault(
      "bad-type",
      place,
      offset,
      `"${name}" has mode 0o${
        header.mode.toString(8)
      }, expected a file, directory, link, device, fifo or socket; the archive is damaged`,
      { path: name, mode: header.mode },
    );
  }
  const common = {
    path: normalise(name, offset, place),
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    mtime: header.mtime,
    offset,
  };
  let member: Writable<CpioMember>;
  switch (type) {
    case "file":
      verifySum(data, header, name, offset, place);
      member = { ...common, type, data };
      break;
    case "symlink":
      member = { ...common, type, target: target(data, name, offset, place) };
      break;
    case "char":
    case "block":
      member = { ...common, type, major: header.rmaj, minor: header.rmin };
      break;
    default:
      member = { ...common, type };
  }
  state.members.push(member);
  if (header.nlink > 1 && type !== "dir" && type !== "symlink") {
    link(member, `${type}:${header.maj}:${header.min}:${header.ino}`, state);
  }
}

function target(
  data: Uint8Array,
  name: string,
  offset: number,
  place: Place,
): string {
  if (data.length === 0 || data.length > PATH_MAX || data.includes(0)) {
    throw fault(
      "bad-name",
      place,
      offset,
      `the link "${name}" leads to a name of ${data.length} bytes${
        data.includes(0) ? " with a zero" : ""
      }, expected 1 to ${PATH_MAX} without zeros`,
      { path: name },
    );
  }
  return decodeName(data);
}

/** Names of one file share what the last of them holds. A single one is no link. */
function link(
  member: Writable<CpioMember>,
  key: string,
  state: State,
): void {
  const group = state.links.get(key);
  if (group === undefined) {
    state.links.set(key, [member]);
    return;
  }
  const first = group[0]!;
  first.linkGroup ??= state.groups++;
  member.linkGroup = first.linkGroup;
  group.push(member);
  if (member.type !== "file" || first.type !== "file") return;
  // As Linux does: an entry with data truncates and fills the file, one without leaves it.
  const data = member.data.length > 0 ? member.data : first.data;
  for (const other of group) if (other.type === "file") other.data = data;
}

function verifySum(
  data: Uint8Array,
  header: CpioHeader,
  name: string,
  offset: number,
  place: Place,
): void {
  if (!header.hasSum || data.length === 0) return;
  let sum = 0;
  for (const byte of data) sum += byte; // exact: at most 255 times 2^32
  sum %= 2 ** 32;
  if (sum === header.chksum) return;
  const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;
  throw fault(
    "checksum-mismatch",
    place,
    offset,
    `the sum of the bytes of "${name}" is ${hex(sum)}, expected ${
      hex(header.chksum)
    }; the archive is damaged`,
    { path: name, found: sum, expected: header.chksum },
  );
}
