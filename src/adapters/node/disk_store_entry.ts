/**
 * One entry of a cache, open: its file of bytes and its map. Shared by all in this program who have
 * the content open.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { clearTimeout, setTimeout } from "node:timers";
import { cutIntoExtents, StoreExtents } from "../../block/store_extents.ts";
import type { DataFile } from "./disk_store_data.ts";
import {
  checkSum,
  encodeRecords,
  HEADER_BYTES,
  type MapHeader,
  type MapRecord,
} from "./disk_store_map.ts";
import type { MapFile } from "./disk_store_map_file.ts";
import { discardEntry, readRecords } from "./disk_store_room.ts";
import { systemCode } from "./system_error.ts";

/** Bytes of unchecked extents that are read together. */
const CHECK_BYTES = 1 << 20;
/** How long what the map says is believed before other programs' records are looked for. */
const LOOK_MS = 50;
/** Bytes of the map that are read together. */
const LOOK_BYTES = 1 << 20;
/** What an entry asks of its store. */
export interface EntryHost {
  /** So many bytes may wait to be safe before they are made so. */
  readonly flushBytes: number;
  /** … and so long. */
  readonly flushMs: number;
  /** Writes when there is room for `bytes`; `false` when there is none. */
  withRoom(bytes: number, write: () => Promise<void>): Promise<boolean>;
  /** The disk is full: `true` when something could be removed. */
  makeSpace(bytes: number): Promise<boolean>;
  /** The entry takes nothing more. */
  failed(error: unknown): void;
}

/** An entry that is open. */
export class DiskStoreEntry {
  readonly extentSize: number;
  /** It is about nothing any more. */
  dropped = false;
  readonly #path: string;
  readonly #map: MapFile;
  readonly #data: DataFile;
  readonly #header: MapHeader;
  readonly #use: string | undefined;
  readonly #host: EntryHost;
  readonly #extents: StoreExtents;
  #writable = true;
  /** Bytes of the map that were read. */
  #read = HEADER_BYTES;
  #looked = -Infinity;
  /** Records of bytes that are written, and would not outlast a loss of power yet. */
  #pending: MapRecord[] = [];
  #pendingBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> = Promise.resolve();
  /** Reads and writes under way. */
  readonly #work = new Set<Promise<unknown>>();
  #closing = false;

  constructor(
    path: string,
    map: MapFile,
    data: DataFile,
    header: MapHeader,
    use: string | undefined,
    host: EntryHost,
  ) {
    this.#path = path;
    this.#map = map;
    this.#data = data;
    this.#header = header;
    this.#use = use;
    this.#host = host;
    this.extentSize = header.extentSize;
    this.#extents = new StoreExtents(header.extentSize, header.size);
  }

  get size(): number | undefined {
    return this.#extents.size;
  }

  has(offset: number, size: number): boolean {
    if (this.dropped) return false;
    if (this.#extents.has(offset, size)) return true;
    if (performance.now() - this.#looked < LOOK_MS) return false;
    this.look();
    return this.#extents.has(offset, size);
  }

  /** Takes in what other programs have added to the map. */
  look(): void {
    this.#looked = performance.now();
    for (;;) {
      const bytes = this.#map.read(this.#read, LOOK_BYTES);
      const dataSize = this.#data.size;
      const done = readRecords(bytes, this.#header, dataSize, this.#extents);
      this.#read += done;
      if (done === 0) return;
    }
  }

  read(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return this.#doing(this.#readParts(offset, into, signal));
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#doing(this.#write(offset, bytes));
  }

  async finish(size: number): Promise<void> {
    if (this.size === size || this.dropped) return;
    this.#extents.finish(size);
    if (!this.#writable) return;
    this.#pending.push({ kind: "size", size });
    await this.flush();
  }

  /** Takes the entry out of the cache. */
  async drop(): Promise<void> {
    if (this.dropped) return;
    this.dropped = true;
    this.stop();
    this.#extents.clear();
    await discardEntry(this.#path);
  }

  /** Nothing more is written. */
  stop(): void {
    this.#writable = false;
  }

  /** Makes what was written safe, then enters it in the map, in this order. */
  flush(): Promise<void> {
    return this.#flushing = this.#flushing.then(() => this.#flush());
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.allSettled(this.#work);
    await this.flush();
    await this.#data.close();
    await this.#map.close();
    if (this.#use !== undefined) {
      await rm(this.#use, { force: true }).catch(() => {});
    }
  }

  /** The files stay open for as long as `work` goes on. */
  async #doing<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    try {
      return await work;
    } finally {
      this.#work.delete(work);
    }
  }

  async #readParts(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const unit = this.extentSize;
    const end = offset + into.length;
    for (let at = offset; at < end;) {
      // whoever closes waits for the part under way alone
      if (this.#closing || !this.has(at, end - at)) return false;
      let index = Math.floor(at / unit);
      const trusted = this.#extents.isTrusted(index);
      const limit = trusted ? end : Math.min(end, index * unit + CHECK_BYTES);
      let stop = (index + 1) * unit;
      while (stop < limit && this.#extents.isTrusted(++index) === trusted) {
        stop += unit;
      }
      const part = into.subarray(at - offset, Math.min(stop, end) - offset);
      const good = trusted
        ? await this.#data.read(at, part, signal)
        : await this.#readChecked(at, part, signal);
      if (!good) {
        if (trusted) this.#forget(Math.floor(at / unit));
        return false;
      }
      at += part.length;
    }
    return true;
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const parts = cutIntoExtents(offset, bytes, this.extentSize);
    if (!this.#writable) return;
    const records: (MapRecord & { kind: "keep" })[] = [];
    try {
      const written = await this.#host.withRoom(bytes.length, async () => {
        for (const { index, bytes } of parts) {
          const sum = await checkSum(bytes);
          records.push({ kind: "keep", index, length: bytes.length, sum });
        }
        await this.#writeData(offset, bytes);
      });
      if (!written) return;
    } catch (error) {
      return this.#failed(error);
    }
    if (this.dropped) return;
    for (const record of records) {
      if (this.#extents.keep(record, true)) this.#pending.push(record);
    }
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= this.#host.flushBytes) this.flush();
    else this.#flushLater();
  }

  async #writeData(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.#data.write(offset, bytes);
    } catch (error) {
      const full = ["ENOSPC", "EDQUOT"].includes(systemCode(error));
      if (!full || !await this.#host.makeSpace(bytes.length)) throw error;
      await this.#data.write(offset, bytes);
    }
  }

  #flushLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.flush(), this.#host.flushMs);
    // who ends without closing wants to end, not to keep
    this.#timer.unref();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const records = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (records.length === 0 || this.dropped) return;
    try {
      await this.#data.sync();
      await this.#map.append(encodeRecords(records, this.#header.id));
    } catch (error) {
      // what the system could not write it may also have lost from memory
      for (const record of records) {
        if (record.kind === "keep") this.#extents.forget(record.index);
      }
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!this.#writable) return;
    this.stop();
    this.#host.failed(error);
  }

  /** Reads whole extents that were not read before, and compares them with their sums. */
  async #readChecked(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const unit = this.extentSize;
    const start = Math.floor(offset / unit) * unit;
    const last = Math.floor((offset + into.length - 1) / unit);
    const end = last * unit + (this.#extents.get(last)?.length ?? 0);
    const whole = start === offset && end - start === into.length;
    const bytes = whole ? into : new Uint8Array(end - start);
    const complete = await this.#data.read(start, bytes, signal);
    let good = true;
    for (const { index, bytes: part } of cutIntoExtents(start, bytes, unit)) {
      const kept = this.#extents.get(index);
      if (kept === undefined) return false;
      const { sum } = kept;
      const found = checkSum(part);
      // a wait for each extent would take as long as the sum
      const right = typeof found === "number" ? found : await found;
      if (complete && right === sum) {
        this.#extents.trust(index, sum);
      } else if (!this.#extents.isTrusted(index)) {
        this.#forget(index);
        good = false;
      }
    }
    signal?.throwIfAborted();
    if (good && !whole) {
      into.set(bytes.subarray(offset - start, offset - start + into.length));
    }
    return good;
  }

  /** Its bytes are not what was written. */
  #forget(index: number): void {
    this.#extents.forget(index);
    if (!this.#writable) return;
    this.#pending.push({ kind: "forget", index });
    this.#flushLater();
  }
}
