/**
 * Damaged xz, gzip, zstd, lz4 and bzip2 files, from whole ones.
 *
 * @module
 */

import { crc32 } from "../../src/wasm/codecs.ts";
import { openMemory } from "../../src/block/memory.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import { openBzip2 } from "../../src/format/bzip2/open.ts";
import type { CompressedReader } from "../../src/format/compressed/reader.ts";
import { openGzip } from "../../src/format/gzip/open.ts";
import { openLz4 } from "../../src/format/lz4/open.ts";
import { openXz } from "../../src/format/xz/open.ts";
import { openZstd } from "../../src/format/zstd/open.ts";
import { fixture, NOISE, SEQ } from "../fixtures/codecs/fixtures.ts";
import { madeBgzf, madeLz4, madeSeekable } from "../support/made_packed.ts";
import { madeXz } from "../support/made_xz.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A whole file, what it holds, and where its structures start. */
interface Seed {
  readonly name: string;
  readonly bytes: Bytes;
  readonly content: Uint8Array;
  readonly spots: readonly number[];
  readonly open: (image: BlockReader) => Promise<CompressedReader>;
  /** All of its content is under a check sum that damage cannot take away. */
  readonly checked: boolean;
}

/** Bytes that are read of what claims to be more. */
const MOST_READ = 8 << 20;
const PIECE = 1 << 16;

let seeds: Promise<readonly Seed[]> | undefined;

/** Compressed files that are opened and read. */
export const compressedTarget: FuzzTarget = {
  async makeInput(run) {
    const all = await (seeds ??= makeSeeds());
    const next = randomNumbers(run);
    const seed = all[next() % all.length]!;
    const bytes = mutate(seed.bytes, seed.spots, next);
    // damage must get past the check sums of the structures to be worth anything
    const sealed = seed.open === openXz && next() % 4 !== 0;
    if (sealed) await sealXz(bytes);
    return { name: sealed ? `${seed.name} sealed` : seed.name, bytes };
  },
  async runInput(name, bytes) {
    const all = await (seeds ??= makeSeeds());
    const [file, sealed] = name.split(" ");
    const seed = all.find((seed) => seed.name === file)!;
    let reader: CompressedReader;
    try {
      reader = await seed.open(openMemory(bytes));
    } catch (error) {
      judge(error);
      return { opened: false, read: false };
    }
    try {
      const same = reader.size === seed.content.length &&
        seed.checked && sealed === undefined;
      await readSome(reader, same ? seed.content : undefined);
      return { opened: true, read: true };
    } catch (error) {
      judge(error);
      return { opened: true, read: false };
    } finally {
      await reader.close();
    }
  },
};

/** Throws what is a bug. */
function judge(error: unknown): void {
  if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
}

/** Reads the end, then all from the start; compares. */
async function readSome(
  reader: BlockReader,
  content: Uint8Array | undefined,
): Promise<void> {
  const piece = new Uint8Array(PIECE);
  await reader.read(Math.max(0, reader.size - 10), piece.subarray(0, 10));
  for (let at = 0; at < Math.min(reader.size, MOST_READ); at += PIECE) {
    const count = await reader.read(at, piece);
    if (count !== Math.min(PIECE, reader.size - at)) {
      throw new Error(`read ${count} bytes at ${at} of ${reader.size}`);
    }
    if (content === undefined) continue;
    for (let i = 0; i < count; i++) {
      if (piece[i] !== content[at + i]) {
        throw new Error(`byte ${at + i} differs`);
      }
    }
  }
}

async function makeSeeds(): Promise<readonly Seed[]> {
  const seed = (
    name: string,
    open: Seed["open"],
    bytes: Bytes,
    content: Uint8Array,
    checked = false,
  ): Seed => ({ name, open, bytes, content, checked, spots: spotsOf(bytes) });
  const file = (
    name: string,
    open: Seed["open"],
    content: Uint8Array,
    checked = false,
  ) => seed(name, open, fixture(name), content, checked);
  const xz = (name: string) => file(name, openXz, SEQ, name !== "none.xz");
  return [
    ...["none", "crc32", "crc64", "sha256", "blocks", "streams"]
      .map((name) => xz(`${name}.xz`)),
    ...["x86", "arm64", "ia64", "delta"]
      .map((filter) => file(`noise.${filter}.xz`, openXz, NOISE, true)),
    seed("stored.xz", openXz, await madeXz(SEQ, 3000), SEQ, true),
    file("seq.gz", openGzip, SEQ, true),
    file("members.gz", openGzip, SEQ, true),
    seed("bgzf.gz", openGzip, await madeBgzf(SEQ, 3000), SEQ, true),
    file("seq.zst", openZstd, SEQ),
    file("frames.zst", openZstd, SEQ),
    seed("seekable.zst", openZstd, await madeSeekable(SEQ, 3000), SEQ),
    file("seq.lz4", openLz4, SEQ),
    file("linked.lz4", openLz4, SEQ),
    file("frames.lz4", openLz4, SEQ),
    seed(
      "blocks.lz4",
      openLz4,
      madeLz4(await tile(SEQ, 12)),
      await tile(SEQ, 12),
    ),
    file("seq.bz2", openBzip2, SEQ, true),
    file("streams.bz2", openBzip2, SEQ, true),
  ];
}

function tile(bytes: Uint8Array, times: number): Promise<Bytes> {
  return new Blob(Array.from({ length: times }, () => bytes as Bytes))
    .arrayBuffer().then((buffer) => new Uint8Array(buffer));
}

/** Heads and tails, where the structures are. */
function spotsOf(bytes: Uint8Array): number[] {
  const spots = [];
  for (let at = 0; at < 64; at += 8) spots.push(at);
  for (let at = 8; at < 160; at += 12) spots.push(bytes.length - at);
  return spots.filter((at) => at >= 0 && at < bytes.length);
}

/** Makes the CRCs of header, index and footer right, as far as these can be found. */
async function sealXz(bytes: Bytes): Promise<void> {
  const { length } = bytes;
  if (length < 24) return;
  const view = new DataView(bytes.buffer);
  const seal = async (start: number, end: number, at: number) =>
    view.setUint32(at, await crc32(bytes.subarray(start, end)), true);
  await seal(6, 8, 8);
  const headerSize = (view.getUint8(12) + 1) * 4;
  if (headerSize > 4 && 12 + headerSize < length) {
    await seal(12, 12 + headerSize - 4, 12 + headerSize - 4);
  }
  await seal(length - 8, length - 2, length - 12);
  const start = length - 12 - (view.getUint32(length - 8, true) + 1) * 4;
  if (start >= 0) await seal(start, length - 16, length - 16);
}
