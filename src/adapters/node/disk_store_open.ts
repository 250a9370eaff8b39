/**
 * Opening an entry of a cache, while other programs may make and remove it.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoreKey } from "../../block/store.ts";
import { isCoded } from "../../errors.ts";
import { DataFile } from "./disk_store_data.ts";
import { DiskStoreEntry, type EntryHost } from "./disk_store_entry.ts";
import {
  encodeHeader,
  HEADER_BYTES,
  type MapHeader,
  parseHeader,
  RECORD_BYTES,
} from "./disk_store_map.ts";
import { MapFile } from "./disk_store_map_file.ts";
import { dataName, removeEntry } from "./disk_store_room.ts";
import { markUse } from "./disk_store_use.ts";
import { systemCode } from "./system_error.ts";

/** Bytes kept and lost together: what reading one byte over the network fetches at least. */
const EXTENT_BYTES = 16 << 10;
/** Other programs may make and remove the entry while it is opened. */
const ATTEMPTS = 10;

/** What an entry is about. */
export interface EntryKey extends StoreKey {
  /** Of the identity. */
  readonly sha256: Uint8Array;
}

/**
 * Opens the entry in folder `path`, made when there is none, made anew when it is damaged.
 *
 * Errors are those of the system.
 */
export async function openEntry(
  path: string,
  key: EntryKey,
  host: EntryHost,
): Promise<DiskStoreEntry> {
  for (let attempt = 1;; attempt++) {
    const found = await openExisting(path, key, host);
    if (found !== undefined) return found;
    try {
      await make(path, key);
    } catch (error) {
      // another program was faster, or what is damaged could not be removed
      if (attempt === ATTEMPTS || !isThere(error)) throw error;
    }
  }
}

/** Makes a new entry: it appears whole, by a rename. */
async function make(path: string, key: EntryKey): Promise<void> {
  const temporary = join(path, "..", `new-${randomBytes(8).toString("hex")}`);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  try {
    const header: MapHeader = {
      extentSize: EXTENT_BYTES,
      size: key.size,
      sha256: key.sha256,
      id: randomBytes(16),
      created: Date.now(),
      name: key.name,
    };
    const mode = { mode: 0o600 };
    await writeFile(join(temporary, dataName(header)), "", mode);
    await writeFile(join(temporary, "map"), await encodeHeader(header), mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Opens an entry that is there; removes it when it is damaged, and gives nothing then. */
async function openExisting(
  path: string,
  key: EntryKey,
  host: EntryHost,
): Promise<DiskStoreEntry | undefined> {
  const map = await MapFile.open(join(path, "map"));
  if (map === undefined) return undefined;
  let data: DataFile | undefined;
  try {
    const header = await parseHeader(map.read(0, HEADER_BYTES));
    data = await openData(join(path, dataName(header)), map.writable);
    if (data !== undefined && fits(map, data, header, key)) {
      const use = map.writable
        ? await markUse(path).catch(() => undefined)
        : undefined;
      const entry = new DiskStoreEntry(path, map, data, header, use, host);
      if (map.writable) map.touch();
      else {
        entry.stop();
        host.failed(new Error("it can only be read"));
      }
      entry.look();
      return entry;
    }
  } catch (error) {
    await data?.close();
    await map.close();
    if (!isCoded(error)) throw error;
    await removeEntry(path);
    return undefined;
  }
  await data?.close();
  await map.close();
  await removeEntry(path);
  return undefined;
}

/** Whether header and sizes are those of the entry. */
function fits(
  map: MapFile,
  data: DataFile,
  header: MapHeader,
  key: EntryKey,
): boolean {
  const size = header.size ?? data.size;
  // each extent may be lost and kept again some times
  const most = Math.ceil(size / header.extentSize) * 4 * RECORD_BYTES;
  return map.size <= HEADER_BYTES + most + (1 << 20) &&
    header.sha256.every((byte, i) => byte === key.sha256[i]) &&
    (header.size === undefined || key.size === undefined ||
      header.size === key.size);
}

async function openData(
  path: string,
  writable: boolean,
): Promise<DataFile | undefined> {
  try {
    return await DataFile.open(path, writable);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The folder is there already; Windows says so in its own way. */
function isThere(error: unknown): boolean {
  return ["ENOTEMPTY", "EEXIST", "EPERM", "EACCES"].includes(systemCode(error));
}
