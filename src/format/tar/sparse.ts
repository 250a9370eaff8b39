/**
 * Files with holes: what is stored of them, and a map of where it belongs.
 *
 * GNU tar has written four forms, of which bsdtar writes the last, without being asked: in the header
 * ("old GNU"), as repeated records ("0.0"), as one record ("0.1") and in front of the data ("1.0").
 *
 * @see GNU tar 1.35 manual, "Storing Sparse Files"
 * @module
 */
import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { decodeName } from "../../bytes/text.ts";
import { readRuns } from "../sparse/runs.ts";
import { RunTable } from "../sparse/table.ts";
import { tarError } from "./error.ts";
import { BLOCK_SIZE, parseNumber } from "./header.ts";

/** What an entry says of a file with holes. */
export interface TarSparse {
  /** Bytes of it in the archive, a map in front of them among them. */
  readonly storedSize: number;
  /**
   * Offset and size of each part that is stored, one after the other, as they stand: `NaN` for what is
   * no number. Absent when the map is in front of the data.
   */
  readonly map?: readonly number[];
}

/** A sparse entry, as far as opening it takes. */
interface SparseEntry {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Most bytes of a map. */
export const MAX_MAP = 1 << 20;
const FIRST_READ = 4096;
/** `sp` of `struct oldgnu_header`, and of `struct sparse_header` that follows it. */
const MAP_AT = 386;
const MAP_ENTRIES = 4;
const MORE_ENTRIES = 21;
const ENTRY_SIZE = 24;
const NUMBER_SIZE = 12;
/** `realsize` of `struct oldgnu_header`. */
const REAL_SIZE_AT = 483;

/** The part of an old GNU map that a header holds, or, when `more`, a block behind it. */
export function readOldMap(block: Uint8Array, more: boolean): number[] {
  const map: number[] = [];
  const start = more ? 0 : MAP_AT;
  const count = more ? MORE_ENTRIES : MAP_ENTRIES;
  for (let i = 0; i < count; i++) {
    const at = start + i * ENTRY_SIZE;
    const entry = block.subarray(at, at + ENTRY_SIZE);
    if (entry[NUMBER_SIZE] === 0) break;
    map.push(
      parseNumber(entry.subarray(0, NUMBER_SIZE)) ?? NaN,
      parseNumber(entry.subarray(NUMBER_SIZE)) ?? NaN,
    );
  }
  return map;
}

/** Bytes of content of an old GNU sparse file. */
export function readOldSize(block: Uint8Array): number | undefined {
  return parseNumber(block.subarray(REAL_SIZE_AT, REAL_SIZE_AT + NUMBER_SIZE));
}

/** The map of a record: decimal numbers with commas between them. */
export function parseRecordMap(value: Uint8Array): number[] {
  return decodeName(value).split(",").map(parseDecimal);
}

/**
 * Opens a file with holes, which are read as zeros. Reads the map when it is in front of the data: 1
 * read as a rule, 3 at most.
 *
 * @throws {FormatError} `tar.damaged`, `tar.metadata-too-large`: its map has more than 1 MiB
 */
export async function openSparseEntry(
  image: BlockReader,
  entry: SparseEntry,
  sparse: TarSparse,
  options: ReadOptions,
): Promise<BlockReader> {
  const { name, offset, size } = entry;
  let { map } = sparse;
  let data = offset;
  if (map === undefined) {
    const found = await readMap(image, entry, sparse, options);
    map = found.map;
    data += Math.ceil(found.size / BLOCK_SIZE) * BLOCK_SIZE;
  }
  const runs = new RunTable();
  for (let i = 0; i < map.length; i += 2) {
    const start = map[i]!, count = map[i + 1] ?? NaN;
    const fits = start >= runs.size && start + count <= size &&
      data + count <= offset + sparse.storedSize;
    if (!fits) {
      throw damaged(
        image,
        entry,
        `its map puts ${count} bytes at byte ${start}, expected them in their order, within ${size} bytes and stored`,
      );
    }
    runs.addFill(0, start - runs.size);
    runs.addRaw(data, count);
    data += count;
  }
  runs.addFill(0, size - runs.size);
  return {
    blockSize: BLOCK_SIZE,
    size,
    name: `${image.name}#${name}`,
    identity: `${image.identity}|tar-sparse:${offset}+${size}`,
    async read(at, into, options = {}) {
      const count = clampRead(size, at, into.length);
      options.signal?.throwIfAborted();
      await readRuns(image, runs, at, into.subarray(0, count), options);
      return count;
    },
  };
}

/** Reads a map of lines, and how many bytes it has: how many parts there are, then two for each. */
async function readMap(
  image: BlockReader,
  entry: SparseEntry,
  { storedSize }: TarSparse,
  options: ReadOptions,
): Promise<{ map: number[]; size: number }> {
  for (let size = FIRST_READ;; size *= 16) {
    const count = Math.min(size, storedSize);
    const bytes = await readExactly(image, entry.offset, count, options);
    const found = parseLines(bytes);
    if (found !== undefined) return found;
    if (count === storedSize) {
      throw damaged(image, entry, "its map does not end");
    }
    if (count === MAX_MAP) {
      throw tarError(
        image,
        "tar.metadata-too-large",
        `map of sparse entry ${
          JSON.stringify(entry.name)
        } has more than ${MAX_MAP} bytes; the archive is damaged`,
        { entry: entry.name },
      );
    }
  }
}

/** `undefined` when more bytes are needed. */
function parseLines(
  bytes: Uint8Array,
): { map: number[]; size: number } | undefined {
  const map: number[] = [];
  let parts: number | undefined;
  let at = 0;
  while (parts === undefined || map.length < parts * 2) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) return undefined;
    const number = parseDecimal(decodeName(bytes.subarray(at, end)));
    at = end + 1;
    if (parts === undefined) parts = number;
    else map.push(number);
    // what is no number is told as one that does not fit
    if (Number.isNaN(number)) return { map: [NaN], size: at };
  }
  return { map, size: at };
}

function parseDecimal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(number) ? number : NaN;
}

function damaged(image: BlockReader, { name }: SparseEntry, found: string) {
  return tarError(
    image,
    "tar.damaged",
    `sparse entry ${
      JSON.stringify(name)
    } cannot be read: ${found}; the archive is damaged`,
    { entry: name },
  );
}
