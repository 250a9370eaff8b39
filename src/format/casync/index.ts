import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { struct, u64 } from "../../bytes/struct.ts";
import { type ErrorCode, type ErrorFacts, FormatError } from "../../errors.ts";

/** `CA_FORMAT_INDEX`, `CA_FORMAT_TABLE`, `CA_FORMAT_TABLE_TAIL_MARKER` */
const INDEX = 0x96824d9c7b129ff9n;
const TABLE = 0xe75b9e112f17417dn;
const TAIL_MARKER = 0x4b4f050e5549ecd1n;
/** `CA_FORMAT_SHA512_256`; without it ids are SHA-256. */
const SHA512_256 = 0x2000000000000000n;
/** Flags of how it was made, which say nothing about a file's bytes: `CA_FORMAT_EXCLUDE_*`. */
const EXCLUDES = 0xd000000000000000n;
/** Flags of what is told of each file of a directory: `CA_FORMAT_WITH_*`. */
const WITH = 0x1ffffffffn;
const MAX_CHUNK = 128n << 20n;

/** `CaFormatIndex`, and the header of the table behind it; little-endian. */
const Head = struct("casync index", {
  size: u64,
  type: u64,
  flags: u64,
  chunkMin: u64,
  chunkAvg: u64,
  chunkMax: u64,
  tableSize: u64,
  tableType: u64,
});
/** `CaFormatTableTail` */
const Tail = struct("casync table tail", {
  zero1: u64,
  zero2: u64,
  indexOffset: u64,
  size: u64,
  marker: u64,
});
const ID_SIZE = 32;
const ITEM_SIZE = 8 + ID_SIZE;
/** Of `CaFormatTable`, which the size of the table counts but the index does not. */
const TABLE_HEADER = 16;
/** An index of so many bytes is of 200 GB in chunks of 64 KiB. */
const MAX_INDEX = 128 << 20;

/** Hash functions that ids are made by. */
export type ChunkDigest = "sha256" | "sha512-256";

/** Chunks of a file, in their order. */
export interface CasyncIndex {
  /** Of the ids of chunks. */
  readonly digest: ChunkDigest;
  /** Bytes of the file. */
  readonly size: number;
  /** Chunks. */
  readonly count: number;
  /** Bytes of the largest chunk that may be. */
  readonly maxChunk: number;
  /** Byte of the file behind chunk `i`. */
  readonly ends: Float64Array;
  /** 32 bytes of each chunk. */
  readonly ids: Uint8Array<ArrayBuffer>;
}

/** Tells whether `start`, the first bytes of a file, are of a casync index. */
export function isCasyncIndex(start: Uint8Array): boolean {
  if (start.length < 16) return false;
  const view = new DataView(start.buffer, start.byteOffset, 16);
  return view.getBigUint64(0, true) === 48n &&
    view.getBigUint64(8, true) === INDEX;
}

/**
 * Reads and checks an index; 2 reads, of all of it.
 *
 * @throws {FormatError} as `openCasync()`
 * @see casync, src/caformat.h
 */
export async function readIndex(
  reader: BlockReader,
  options?: ReadOptions,
): Promise<CasyncIndex> {
  const least = Head.size + Tail.size;
  const refuse = (what: string, reason: string, facts: ErrorFacts) =>
    new FormatError(
      `casync.${what}` as ErrorCode,
      `Cannot open casync index "${reader.name}": ${reason}`,
      { facts },
    );
  if (/\.caidx(?:[?#]|$)/i.test(reader.name)) throw archive(refuse, {});
  if (reader.size < least) {
    throw refuse(
      "truncated",
      `found ${reader.size} bytes, expected at least ${least}; the file is cut short or no index`,
      { size: reader.size },
    );
  }
  const bad = (at: string, found: unknown, expected: unknown) =>
    refuse(
      "damaged",
      `${at} is ${found}, expected ${expected}; the index is damaged`,
      { found: String(found), expected: String(expected) },
    );
  const head = Head.read(await readExactly(reader, 0, Head.size, options));
  if (head.size !== 48n || head.type !== INDEX) {
    throw refuse(
      "bad-magic",
      `magic at byte 8 is 0x${hex(head.type)}, expected 0x${
        hex(INDEX)
      }; the file holds something else`,
      { magic: head.type },
    );
  }
  if (head.flags & WITH) throw archive(refuse, { flags: head.flags });
  const unknown = head.flags & ~(SHA512_256 | EXCLUDES);
  if (unknown !== 0n) {
    throw refuse(
      "unsupported-feature",
      `its flags at byte 16 have 0x${
        hex(unknown)
      }, which fastboop does not know; update fastboop`,
      { flags: head.flags },
    );
  }
  const { chunkMin, chunkAvg, chunkMax } = head;
  if (
    chunkMin < 1n || chunkMin > chunkAvg || chunkAvg > chunkMax ||
    chunkMax > MAX_CHUNK
  ) {
    const found = `${chunkMin}, ${chunkAvg} and ${chunkMax} bytes`;
    const expected = `from 1 to ${MAX_CHUNK} in rising order`;
    throw bad("chunk size at byte 24", found, expected);
  }
  if (head.tableSize !== 0xffffffffffffffffn) {
    throw bad("table size at byte 48", head.tableSize, "all ones");
  }
  if (head.tableType !== TABLE) {
    const found = `0x${hex(head.tableType)}`;
    throw bad("table magic at byte 56", found, `0x${hex(TABLE)}`);
  }
  const items = reader.size - least;
  const count = Math.floor(items / ITEM_SIZE);
  if (items % ITEM_SIZE !== 0) {
    throw refuse(
      "truncated",
      `found ${reader.size} bytes, expected ${least} and 40 for each chunk; the index is cut short`,
      { size: reader.size },
    );
  }
  if (reader.size > MAX_INDEX) {
    throw refuse(
      "too-large",
      `found ${reader.size} bytes, expected at most ${MAX_INDEX}; make it with larger chunks`,
      { size: reader.size },
    );
  }
  const rest = await readExactly(
    reader,
    Head.size,
    items + Tail.size,
    options,
  );
  const tail = Tail.read(rest, items);
  const tableSize = BigInt(TABLE_HEADER + items + Tail.size);
  if (
    tail.marker !== TAIL_MARKER || tail.indexOffset !== 48n ||
    tail.zero1 !== 0n || tail.zero2 !== 0n || tail.size !== tableSize
  ) {
    throw bad(
      `table tail at byte ${Head.size + items}`,
      `of size ${tail.size} with marker 0x${hex(tail.marker)}`,
      `size ${tableSize} and 0x${hex(TAIL_MARKER)}`,
    );
  }
  const ends = new Float64Array(count);
  const ids = new Uint8Array(count * ID_SIZE);
  const view = new DataView(rest.buffer, rest.byteOffset, rest.length);
  let before = 0;
  for (let i = 0; i < count; i++) {
    const at = i * ITEM_SIZE;
    const end = view.getBigUint64(at, true);
    const size = end - BigInt(before);
    if (size < 1n || size > chunkMax || end > Number.MAX_SAFE_INTEGER) {
      throw bad(
        `end of chunk ${i} at byte ${Head.size + at}`,
        end,
        `${before + 1} to ${BigInt(before) + chunkMax}`,
      );
    }
    ends[i] = before = Number(end);
    ids.set(rest.subarray(at + 8, at + ITEM_SIZE), i * ID_SIZE);
  }
  return {
    digest: head.flags & SHA512_256 ? "sha512-256" : "sha256",
    size: before,
    count,
    maxChunk: Number(chunkMax),
    ends,
    ids,
  };
}

function archive(
  refuse: (what: string, reason: string, facts: ErrorFacts) => FormatError,
  facts: ErrorFacts,
): FormatError {
  return refuse(
    "unsupported-feature",
    "it is the index of a directory (.caidx), expected that of an image (.caibx); make one with: casync make IMAGE.caibx IMAGE",
    facts,
  );
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
