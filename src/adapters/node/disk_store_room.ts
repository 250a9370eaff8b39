/**
 * The folder of a cache as a whole: what lies in it, how much that takes, and making room.
 *
 * Each entry is a folder, named by the SHA-256 of its identity, that comes and goes by one rename.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { join } from "node:path";
import { StoreExtents } from "../../block/store_extents.ts";
import {
  HEADER_BYTES,
  type MapHeader,
  parseHeader,
  parseRecords,
} from "./disk_store_map.ts";
import { isUsed } from "./disk_store_use.ts";

/** The folder inside the cache folder that holds entries of this format. */
export const ENTRIES = "v1";

const ENTRY_NAME = /^[0-9a-f]{64}$/;
/** Left over by a program that ended while it made or removed an entry. */
const LEFTOVER_NAME = /^(?:new|old)-[0-9a-f]+$/;
/** So old, a leftover is nobody's work any more. */
const LEFTOVER_MS = 3600 * 1000;

/** What is kept of one content. */
export interface DiskEntry {
  /** What people call it, without credentials; empty when the entry is damaged. */
  readonly name: string;
  /** Bytes of the content, when known. */
  readonly size: number | undefined;
  /** Bytes of the content that are kept. */
  readonly kept: number;
  /** Bytes taken on disk. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
  /** By a program that runs. */
  readonly inUse: boolean;
  /** Folder of the entry. */
  readonly path: string;
}

/** What an entry takes, found without reading it. */
interface Weight {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/** All entries, used last first. */
export async function listEntries(folder: string): Promise<DiskEntry[]> {
  const list: DiskEntry[] = [];
  for (const { path, bytes, usedAt } of await weigh(folder)) {
    const facts = await readFacts(path);
    list.push({ ...facts, bytes, usedAt, path, inUse: await isUsed(path) });
  }
  return list.reverse();
}

/**
 * Removes entries that no program uses, those used longest ago first, until all together take at
 * most `maxBytes`.
 *
 * @returns What is left, and how much was removed, in bytes.
 */
export async function makeRoom(
  folder: string,
  maxBytes: number,
): Promise<{ left: number; removed: number; entries: number }> {
  await removeLeftovers(folder);
  const weights = await weigh(folder);
  const before = weights.reduce((sum, { bytes }) => sum + bytes, 0);
  let left = before;
  let entries = 0;
  for (const { path, bytes } of weights) {
    if (left <= maxBytes) break;
    if (await isUsed(path) || !await removeEntry(path)) continue;
    left -= bytes;
    entries++;
  }
  return { left, removed: before - left, entries };
}

/** Removes an entry: from one moment to the next it is not there any more. `false` when it stays. */
export async function removeEntry(path: string): Promise<boolean> {
  const old = join(path, "..", `old-${randomBytes(8).toString("hex")}`);
  try {
    await fs.rename(path, old);
  } catch {
    // of Windows, as long as somebody has a file in it open
    return false;
  }
  await fs.rm(old, { recursive: true, force: true }).catch(() => {});
  return true;
}

/** Removes an entry whose bytes are wrong; where it has to stay, whoever opens it next removes it. */
export async function discardEntry(path: string): Promise<void> {
  if (await removeEntry(path)) return;
  // a map without a header is damaged
  await fs.truncate(join(path, "map")).catch(() => {});
}

/** Every entry with what it takes, used longest ago first. */
async function weigh(folder: string): Promise<Weight[]> {
  const root = join(folder, ENTRIES);
  const weights: Weight[] = [];
  for (const name of await fs.readdir(root).catch(() => [])) {
    if (!ENTRY_NAME.test(name)) continue;
    const path = join(root, name);
    let bytes = 0;
    let usedAt = 0;
    for (const file of await fs.readdir(path).catch(() => [])) {
      const stats = await fs.stat(join(path, file)).catch(() => undefined);
      if (stats === undefined) continue;
      // holes take nothing; where the system does not tell, the file counts as without
      bytes += stats.blocks > 0 || stats.size === 0
        ? stats.blocks * 512
        : stats.size;
      if (file === "map") usedAt = stats.mtimeMs;
    }
    weights.push({ path, bytes, usedAt });
  }
  return weights.sort((a, b) => a.usedAt - b.usedAt);
}

async function readFacts(
  path: string,
): Promise<Pick<DiskEntry, "name" | "size" | "kept">> {
  try {
    const bytes = await fs.readFile(join(path, "map"));
    const header: MapHeader = await parseHeader(bytes);
    const extents = new StoreExtents(header.extentSize, header.size);
    const { size } = await fs.stat(join(path, dataName(header)));
    readRecords(bytes.subarray(HEADER_BYTES), header, size, extents);
    return { name: header.name, size: extents.size, kept: extents.bytes };
  } catch {
    return { name: "", size: undefined, kept: 0 };
  }
}

/** Name of the file of bytes that belongs to a map. */
export function dataName(header: MapHeader): string {
  const hex = Array.from(
    header.id,
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
  return `data-${hex}`;
}

/**
 * Takes records into `extents`.
 *
 * @param dataSize Bytes of the file of bytes: what lies behind its end is not kept.
 * @returns Bytes that are done with.
 */
export function readRecords(
  bytes: Uint8Array,
  header: MapHeader,
  dataSize: number,
  extents: StoreExtents,
): number {
  return parseRecords(bytes, header.id, (record) => {
    if (record.kind === "size") {
      if (extents.size === undefined) extents.finish(record.size);
    } else if (record.kind === "forget") extents.forget(record.index);
    else if (record.index * header.extentSize + record.length <= dataSize) {
      extents.keep(record, false);
    }
  });
}

async function removeLeftovers(folder: string): Promise<void> {
  const root = join(folder, ENTRIES);
  for (const name of await fs.readdir(root).catch(() => [])) {
    if (!LEFTOVER_NAME.test(name)) continue;
    const path = join(root, name);
    const stats = await fs.stat(path).catch(() => undefined);
    if (stats === undefined) continue;
    if (name.startsWith("old-") || Date.now() - stats.mtimeMs > LEFTOVER_MS) {
      await fs.rm(path, { recursive: true, force: true }).catch(() => {});
    }
  }
}
