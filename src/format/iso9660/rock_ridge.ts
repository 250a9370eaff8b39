/**
 * Rock Ridge: what POSIX knows of a file, in the system use area of its record.
 *
 * Sources: IEEE P1281 (SUSP 1.12) and P1282 (RRIP 1.12); where they leave it open, Linux 6.12
 * `fs/isofs/rock.c`.
 *
 * @module
 */

import type { ReadOptions } from "../../block/reader.ts";
import { decodeName } from "../../bytes/text.ts";
import type { FileType } from "../../fs/filesystem.ts";
import { isoError } from "./errors.ts";
import {
  LONG_DATE_SIZE,
  readLongDate,
  readShortDate,
  SHORT_DATE_SIZE,
} from "./fields.ts";
import { type IsoImage, readMetadata } from "./image.ts";
import type { IsoRecord } from "./record.ts";

/** What the area of a record says. Absent is what it does not say. */
export interface RockRidge {
  readonly name?: string;
  /** `st_mode`. */
  readonly mode?: number;
  readonly linkCount?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly target?: string;
  /** Device number as Linux encodes it. */
  readonly rdev?: number;
  /** Block of the directory that this record stands for: it was too deep to lie here. */
  readonly childLink?: number;
  /** The record is of a directory that was moved here because it was too deep. */
  readonly relocated: boolean;
  /** Why the content cannot be given, in words. */
  readonly refused?: string;
  /** The area says by which edition of Rock Ridge it is written. */
  readonly identified: boolean;
}

/** `S_IFMT` of a mode, shifted down. */
export const FILE_TYPES: Readonly<Record<number, FileType>> = {
  0o01: "fifo",
  0o02: "character-device",
  0o04: "directory",
  0o06: "block-device",
  0o10: "file",
  0o12: "symlink",
  0o14: "socket",
};

/** Most continuations of one area (Linux, `RR_MAX_CE_ENTRIES`), and bytes of each. */
const MAX_CONTINUATIONS = 32;
const MAX_CONTINUATION_SIZE = 65536;
/** Bytes of an entry before its data. */
const HEAD_SIZE = 4;
/** Identifiers by which the editions of Rock Ridge call themselves. */
const EXTENSIONS = ["RRIP_1991A", "IEEE_P1282", "IEEE_1282"];
/** Bytes of the sign that CD-ROM XA puts in front of everything. */
const XA_SIZE = 14;

const NM_CURRENT_OR_PARENT = 0x06;
const SL_CONTINUE = 0x01;
const SL_CURRENT = 0x02;
const SL_PARENT = 0x04;
const SL_ROOT = 0x08;
const TF_CREATION = 0x01;
const TF_MODIFY = 0x02;
const TF_LONG_FORM = 0x80;

/**
 * What the `.` record of the root directory says about the areas of all records.
 *
 * @returns Where the entries begin in this area, and how many bytes all others pass over; `undefined`
 * when the image does not use this protocol.
 */
export function findSkip(
  area: Uint8Array,
): { start: number; skip: number } | undefined {
  const start = [0, XA_SIZE].find((at) => isStart(area, at));
  return start === undefined ? undefined : { start, skip: area[start + 6]! };
}

function isStart(area: Uint8Array, at: number): boolean {
  const wanted = [0x53, 0x50, 7, 1, 0xbe, 0xef]; // "SP", length, version, check bytes
  return at + 7 <= area.length &&
    wanted.every((byte, i) => area[at + i] === byte);
}

/**
 * Reads the area of a record and its continuations; no read when there are none, or the page of one
 * is kept.
 *
 * @throws {FormatError} `iso.damaged`, `iso.truncated`
 */
export async function readRockRidge(
  image: Omit<IsoImage, "names">,
  record: IsoRecord,
  options?: ReadOptions,
): Promise<RockRidge> {
  const parser = new AreaParser(image.name, record);
  let area = record.systemUse.subarray(image.skip);
  for (let count = 0;; count++) {
    const next = parser.add(area);
    if (next === undefined) return parser.result();
    if (count === MAX_CONTINUATIONS) {
      throw parser.damaged(
        `it goes on more than ${MAX_CONTINUATIONS} times`,
      );
    }
    const { block, offset, size } = next;
    if (size > MAX_CONTINUATION_SIZE) {
      throw parser.damaged(
        `it is said to go on for ${size} bytes, expected at most ${MAX_CONTINUATION_SIZE}`,
      );
    }
    area = await readMetadata(
      image,
      parser.what,
      block * image.blockSize + offset,
      size,
      options,
    );
  }
}

interface Continuation {
  readonly block: number;
  readonly offset: number;
  readonly size: number;
}

/** Takes areas entry by entry. */
class AreaParser {
  readonly what: string;
  readonly #image: string;
  readonly #position: number;
  readonly #found: { -readonly [K in keyof RockRidge]: RockRidge[K] } = {
    relocated: false,
    identified: false,
  };
  readonly #name: number[] = [];
  #hasName = false;
  readonly #target: number[] = [];
  #isLink = false;
  /** The target goes on in the component, or behind a slash, when there is another one. */
  #slash = false;

  constructor(image: string, { position }: IsoRecord) {
    this.#image = image;
    this.#position = position;
    this.what = `Rock Ridge of directory record at byte ${position}`;
  }

  damaged(found: string) {
    const facts = { position: this.#position };
    return isoError("iso.damaged", this.#image, this.what, found, facts);
  }

  /** @returns Where the area goes on, when it does. */
  add(area: Uint8Array): Continuation | undefined {
    let next: Continuation | undefined;
    // fewer bytes than a head are what fills the area up
    for (let at = 0; at + HEAD_SIZE <= area.length;) {
      const signature = String.fromCharCode(area[at]!, area[at + 1]!);
      if (signature === "\0\0") break;
      const length = area[at + 2]!;
      if (length < HEAD_SIZE || at + length > area.length) {
        throw this.damaged(
          `entry ${
            JSON.stringify(signature)
          } is said to have ${length} bytes, expected ${HEAD_SIZE} to ${
            area.length - at
          }`,
        );
      }
      if (signature === "ST") break;
      const data = area.subarray(at + HEAD_SIZE, at + length);
      if (signature === "CE") {
        const view = this.#view(signature, data, 24);
        next = {
          block: view.getUint32(0, true),
          offset: view.getUint32(8, true),
          size: view.getUint32(16, true),
        };
      } else this.#entry(signature, data);
      at += length;
    }
    return next;
  }

  result(): RockRidge {
    if (this.#hasName) {
      this.#found.name = decodeName(Uint8Array.from(this.#name));
    }
    if (this.#isLink) {
      this.#found.target = decodeName(Uint8Array.from(this.#target));
    }
    return this.#found;
  }

  #entry(signature: string, data: Uint8Array): void {
    const found = this.#found;
    switch (signature) {
      case "ER": {
        if (data.length < 4) throw this.#short(signature, data, 4);
        const id = data.subarray(4, 4 + data[0]!);
        found.identified ||= EXTENSIONS.includes(decodeName(id));
        break;
      }
      case "PX": {
        const view = this.#view(signature, data, 32);
        found.mode = view.getUint32(0, true);
        found.linkCount = view.getUint32(8, true);
        found.uid = view.getUint32(16, true);
        found.gid = view.getUint32(24, true);
        break;
      }
      case "PN": {
        const view = this.#view(signature, data, 16);
        found.rdev = encodeDevice(
          view.getUint32(0, true),
          view.getUint32(8, true),
        );
        break;
      }
      case "NM": {
        if (data.length < 1) throw this.#short(signature, data, 1);
        if (data[0]! & NM_CURRENT_OR_PARENT) break;
        this.#hasName = true;
        for (const byte of data.subarray(1)) this.#name.push(byte);
        break;
      }
      case "SL":
        this.#addLink(data);
        break;
      case "TF":
        this.#addTimes(data);
        break;
      case "CL":
        found.childLink = this.#view(signature, data, 8).getUint32(0, true);
        break;
      case "RE":
        found.relocated = true;
        break;
      case "ZF":
        found.refused =
          "its content is compressed by zisofs, which fastboop does not read";
        break;
      case "SF":
        found.refused =
          "it is a sparse file of Rock Ridge, which fastboop does not read";
        break;
    }
  }

  #addLink(data: Uint8Array): void {
    if (data.length < 1) throw this.#short("SL", data, 1);
    this.#isLink = true;
    for (let at = 1; at < data.length;) {
      if (at + 2 > data.length) throw this.#short("SL", data, at + 2);
      const flags = data[at]!;
      const end = at + 2 + data[at + 1]!;
      if (end > data.length) throw this.#short("SL", data, end);
      if (this.#slash) this.#target.push(0x2f);
      this.#slash = !(flags & SL_CONTINUE);
      if (flags & SL_ROOT) {
        this.#target.push(0x2f);
        this.#slash = false;
      } else if (flags & SL_CURRENT) this.#target.push(0x2e);
      else if (flags & SL_PARENT) this.#target.push(0x2e, 0x2e);
      else {for (const byte of data.subarray(at + 2, end)) {
          this.#target.push(byte);
        }}
      at = end;
    }
  }

  #addTimes(data: Uint8Array): void {
    if (data.length < 1) throw this.#short("TF", data, 1);
    const flags = data[0]!;
    if (!(flags & TF_MODIFY)) return;
    const long = (flags & TF_LONG_FORM) !== 0;
    const size = long ? LONG_DATE_SIZE : SHORT_DATE_SIZE;
    const at = 1 + (flags & TF_CREATION ? size : 0);
    if (at + size > data.length) throw this.#short("TF", data, at + size);
    const date = data.subarray(at, at + size);
    const mtime = long ? readLongDate(date) : readShortDate(date);
    if (mtime !== undefined) this.#found.mtime = mtime;
  }

  /** What an entry holds. Of numbers that are written twice the little-endian half is read. */
  #view(signature: string, data: Uint8Array, size: number): DataView {
    if (data.length < size) throw this.#short(signature, data, size);
    return new DataView(data.buffer, data.byteOffset, data.length);
  }

  #short(signature: string, data: Uint8Array, size: number) {
    return this.damaged(
      `entry "${signature}" has ${
        HEAD_SIZE + data.length
      } bytes, expected at least ${HEAD_SIZE + size}`,
    );
  }
}

/**
 * Major and minor number as Linux encodes them. Writers on systems whose device numbers have 64 bits
 * put the upper half in the first field, which is 0 for those of Linux.
 */
function encodeDevice(high: number, low: number): number {
  if (high === 0) return low;
  return ((low & 0xff) | (high << 8) | ((low & ~0xff) << 12)) >>> 0;
}
