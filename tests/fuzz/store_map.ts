/**
 * Damaged maps of cache entries, from whole ones.
 *
 * @module
 */

import {
  checkSum,
  encodeHeader,
  encodeRecords,
  HEADER_BYTES,
  type MapRecord,
  parseHeader,
  parseRecords,
} from "../../src/adapters/node/disk_store_map.ts";
import { readRecords } from "../../src/adapters/node/disk_store_room.ts";
import { StoreExtents } from "../../src/block/store_extents.ts";
import { isCoded } from "../../src/errors.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const UNIT = 16 << 10;

interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What it says, as text. */
  readonly records: ReadonlySet<string>;
  readonly spots: readonly number[];
}

let seeds: Promise<Map<string, Seed>> | undefined;

/** Maps whose header and records are read, and used. */
export const storeMapTarget: FuzzTarget = {
  async makeInput(run) {
    seeds ??= makeSeeds();
    const all = [...(await seeds).values()];
    const next = randomNumbers(run);
    const { name, bytes, spots } = all[next() % all.length]!;
    const input = mutate(bytes, spots, next);
    // most damage should be that of records: a header is refused at its first wrong byte
    const header = bytes.subarray(0, Math.min(HEADER_BYTES, input.length));
    if (next() % 4 !== 0) input.set(header);
    return { name, bytes: input };
  },
  async runInput(name, bytes) {
    const seed = (await (seeds ??= makeSeeds())).get(name)!;
    let header;
    try {
      header = await parseHeader(bytes);
    } catch (error) {
      if (!isCoded(error, "store.damaged")) throw error;
      return { opened: false, read: false };
    }
    const found = new Set<string>();
    const rest = bytes.subarray(Math.min(HEADER_BYTES, bytes.length));
    const done = parseRecords(rest, header.id, (record) => {
      const text = textOf(record);
      if (!seed.records.has(text)) throw new Error(`made up: ${text}`);
      found.add(text);
    });
    if (done > rest.length) throw new Error(`read ${done} of ${rest.length}`);
    const extents = new StoreExtents(header.extentSize, header.size);
    readRecords(rest, header, 100 * UNIT, extents);
    const size = extents.size ?? 100 * UNIT;
    if (extents.bytes > size) throw new Error(`${extents.bytes} of ${size}`);
    extents.has(0, size);
    return { opened: true, read: found.size === seed.records.size };
  },
};

function textOf(record: MapRecord): string {
  return JSON.stringify(Object.entries(record).sort());
}

/** Written as the store does, but for what it takes from clock and chance. */
async function makeSeeds(): Promise<Map<string, Seed>> {
  const map = new Map<string, Seed>();
  for (const size of [40 * UNIT, undefined]) {
    const name = size === undefined ? "unknown size" : "known size";
    const id = Uint8Array.from({ length: 16 }, (_, i) => i * 37 + name.length);
    const header = await encodeHeader({
      extentSize: UNIT,
      size,
      sha256: new Uint8Array(32).fill(7),
      id,
      created: 1e12,
      name,
    });
    const records: MapRecord[] = [];
    for (let index = 0; index < 40; index += 1 + index % 3) {
      const bytes = new Uint8Array(UNIT).fill(index);
      const sum = await checkSum(bytes);
      records.push({ kind: "keep", index, length: UNIT, sum });
    }
    records.push({ kind: "forget", index: 5 });
    if (size === undefined) records.push({ kind: "size", size: 40 * UNIT });
    const journal = encodeRecords(records, id);
    const bytes = new Uint8Array(header.length + journal.length);
    bytes.set(header);
    bytes.set(journal, header.length);
    const spots = [0, 8, 16, 24, 56, 72, HEADER_BYTES - 4];
    for (let at = HEADER_BYTES; at < bytes.length; at += 16) spots.push(at);
    map.set(name, {
      name,
      bytes,
      records: new Set(records.map(textOf)),
      spots,
    });
  }
  return map;
}
