/**
 * Damaged partition tables, sparse images and archives, from whole ones.
 *
 * @module
 */

import { openMemory } from "../../src/block/memory.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import {
  openPartition,
  type PartitionTable,
} from "../../src/format/gpt/partition.ts";
import { readGpt } from "../../src/format/gpt/read.ts";
import { readMbr } from "../../src/format/mbr/read.ts";
import { openSparse, verifySparse } from "../../src/format/sparse/open.ts";
import { openTar } from "../../src/format/tar/open.ts";
import { openZip } from "../../src/format/zip/open.ts";
import {
  madeGpt,
  madeGuid,
  sealGpt,
  setMbrEntry,
} from "../support/made_disk.ts";
import { madeSparse } from "../support/made_sparse.ts";
import { madeTar, pax, sealTarHeader } from "../support/made_tar.ts";
import { madeZip } from "../support/made_zip.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A whole image, where its structures start, and how it is used. */
interface Seed {
  readonly name: string;
  readonly bytes: Bytes;
  readonly spots: readonly number[];
  /** Makes check sums right, or most damage gets no further than those. */
  seal?(bytes: Bytes): Promise<void> | void;
  /** @returns Whether all of it could be read; throws the coded error of opening. */
  use(image: BlockReader): Promise<boolean>;
}

const MAX_BYTES = 1 << 18;
let seeds: Promise<readonly Seed[]> | undefined;

/** GPT, MBR, Android sparse, tar, ZIP. */
export const containersTarget: FuzzTarget = {
  async makeInput(run) {
    const all = await (seeds ??= makeSeeds());
    const next = randomNumbers(run);
    const { name, bytes, spots, seal } = all[next() % all.length]!;
    const input = mutate(bytes, spots, next);
    if (next() % 8 !== 0) await seal?.(input);
    return { name, bytes: input };
  },
  async runInput(name, bytes) {
    const all = await (seeds ??= makeSeeds());
    const { use } = all.find((seed) => seed.name === name)!;
    let read = false;
    const opened = await coded(async () => {
      read = await use(openMemory(bytes));
    });
    return { opened, read };
  },
};

/** Tells whether it went well; throws what has no code, or the code of what lies below. */
async function coded(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (!isCoded(error) || /^(?:wasm|read|struct)\./.test(error.code)) {
      throw error;
    }
    return false;
  }
}

/** Reads the start and the end. */
async function readSome(reader: BlockReader): Promise<void> {
  const buffer = new Uint8Array(65536);
  const end = Math.min(reader.size, MAX_BYTES);
  for (let offset = 0; offset < end;) {
    offset += await reader.read(offset, buffer);
  }
  await reader.read(Math.max(0, reader.size - 5000), buffer);
}

async function useTable(
  image: BlockReader,
  table: PartitionTable,
): Promise<boolean> {
  let all = true;
  for (const partition of table.partitions) {
    all = await coded(() => readSome(openPartition(image, partition))) && all;
  }
  return all && table.problems.length === 0;
}

async function useSparse(image: BlockReader): Promise<boolean> {
  const reader = await openSparse(image);
  await readSome(reader);
  // what is damaged may claim terabytes of zeros
  if (reader.size > 1 << 22) return true;
  return await coded(() => verifySparse(reader));
}

async function useTar(image: BlockReader): Promise<boolean> {
  const tar = await openTar(image);
  let all = true;
  for await (const entry of tar.entries()) {
    if (entry.type !== "file" && entry.type !== "hard-link") continue;
    all = await coded(async () => readSome(await tar.open(entry))) && all;
  }
  return all;
}

async function useZip(image: BlockReader): Promise<boolean> {
  const zip = await openZip(image);
  let all = true;
  for (const entry of zip.entries) {
    if (entry.type !== "file") continue;
    all = await coded(async () => {
      const reader = await zip.open(entry);
      try {
        await readSome(reader);
      } finally {
        await reader.close();
      }
    }) && all;
  }
  return all;
}

async function makeSeeds(): Promise<readonly Seed[]> {
  const list: Seed[] = [];
  for (const sectorSize of [512, 4096]) {
    const bytes = await madeGpt({
      sectorSize,
      sectors: 64,
      count: 8,
      entries: [0, 1, 5].map((index) => ({
        index,
        type: madeGuid(100),
        uuid: madeGuid(index + 1),
        firstLba: 10 + 8 * index,
        lastLba: 17 + 8 * index,
        label: `part ${index}`,
      })),
    });
    list.push({
      name: `gpt-${sectorSize}`,
      bytes,
      spots: [1, 2, 61, 63].map((lba) => lba * sectorSize),
      async seal(input) {
        for (const lba of [1, 63]) {
          if ((lba + 1) * sectorSize <= input.length) {
            await sealGpt(input, sectorSize, lba);
          }
        }
      },
      use: async (image) => await useTable(image, await readGpt(image)),
    });
  }
  const mbr = new Uint8Array(64 * 512);
  setMbrEntry(mbr, 0, { type: 0x0c, firstLba: 1, sectors: 9 });
  setMbrEntry(mbr, 1, { type: 0x05, firstLba: 10, sectors: 50 });
  for (const [at, next] of [[10, 20], [30, 30], [40, 0]] as const) {
    setMbrEntry(mbr, 0, { type: 0x83, firstLba: 1, sectors: 5 }, at * 512);
    if (next > 0) {
      setMbrEntry(mbr, 1, { type: 5, firstLba: next, sectors: 9 }, at * 512);
    }
  }
  list.push({
    name: "mbr",
    bytes: mbr,
    spots: [0, 10, 30, 40].map((sector) => sector * 512 + 446),
    use: async (image) => await useTable(image, await readMbr(image)),
  });
  const text = new TextEncoder().encode("some lines of text\n".repeat(200));
  const noise = text.map((byte, i) => byte ^ Math.imul(i, 2654435761) >>> 24);
  const sparse = await madeSparse([
    { raw: noise.slice(0, 2048) },
    { fill: 0x12345678, blocks: 7 },
    { skip: 3 },
    { crc: "right" },
    { raw: text.slice(0, 1024) },
    { skip: 1 },
    { raw: text.slice(0, 512) },
  ], { blockSize: 512, imageChecksum: "right" });
  list.push({
    name: "sparse",
    bytes: sparse.image,
    spots: [0, 28, 28 + 2060, 28 + 2060 + 16, 28 + 2060 + 28, 28 + 2060 + 44],
    use: useSparse,
  });
  const tar = madeTar([
    { name: "./", type: "5" },
    pax({ path: "a long name", size: String(text.length), mtime: "1.5" }),
    { name: "cut", data: text },
    pax({ comment: "for all" }, "g"),
    { name: "././@LongLink", type: "L", data: text.slice(0, 300) },
    { name: "cut", data: noise },
    { name: "hard", type: "1", linkName: "a long name" },
    { name: "link", type: "2", linkName: "hard" },
    pax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0" }),
    { name: "sparse", data: text.slice(0, 512) },
    {
      name: "old sparse",
      type: "S",
      data: text.slice(0, 512),
      edit: (h) => h[482] = 0,
    },
    { name: "last", data: text.slice(0, 10) },
  ]);
  const headers = tarHeaders(tar);
  list.push({
    name: "tar",
    bytes: tar,
    spots: [...headers, ...headers.map((at) => at + 512)],
    seal(input) {
      for (const at of headers) {
        if (at + 512 <= input.length) sealTarHeader(input, at);
      }
    },
    use: useTar,
  });
  for (const zip64 of [false, true]) {
    const zip = await madeZip([
      { name: "stored", data: noise, zip64 },
      { name: "deflated", data: text, method: 8, zip64 },
      { name: "late", data: text, method: 8, descriptor: true },
      { name: "folder/", mode: 0o40755 },
      { name: "größe", data: text.slice(0, 9), flags: 1 << 11 },
    ], { zip64, comment: "a comment" });
    list.push({
      name: zip64 ? "zip64" : "zip",
      bytes: zip,
      spots: zipRecords(zip),
      use: useZip,
    });
  }
  return list;
}

/** Where headers are: each has `ustar` at 257. */
function tarHeaders(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (
      String.fromCharCode(...bytes.subarray(at + 257, at + 262)) === "ustar"
    ) {
      found.push(at);
    }
  }
  return found;
}

/** Where records begin: each has `PK` and two small bytes. */
function zipRecords(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; at++) {
    const mark = bytes[at] === 0x50 && bytes[at + 1] === 0x4b;
    if (mark && bytes[at + 2]! < 9 && bytes[at + 3]! < 9) found.push(at);
  }
  return found;
}
