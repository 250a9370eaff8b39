import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "../../../tests/conformance/controlled_source.ts";
import type { DataFile } from "./disk_store_data.ts";
import { DiskStoreEntry, type EntryHost } from "./disk_store_entry.ts";
import {
  checkSum,
  encodeRecords,
  HEADER_BYTES,
  type MapHeader,
  type MapRecord,
} from "./disk_store_map.ts";
import type { MapFile } from "./disk_store_map_file.ts";

const UNIT = 16 << 10;
/** Read in three parts: of what was not checked yet, 1 MiB is read at once. */
const SIZE = 3 << 20;

const HOST: EntryHost = {
  flushBytes: Infinity,
  flushMs: 1000,
  withRoom: () => Promise.resolve(false),
  makeSpace: () => Promise.resolve(false),
  failed: () => {},
};

/** An entry that keeps `SIZE` zeros, and a file whose reads end when told. */
async function heldEntry() {
  const header: MapHeader = {
    extentSize: UNIT,
    size: SIZE,
    sha256: new Uint8Array(32),
    id: new Uint8Array(16),
    created: 0,
    name: "held",
  };
  const sum = await checkSum(new Uint8Array(UNIT));
  const records = encodeRecords(
    Array.from({ length: SIZE / UNIT }, (_, index): MapRecord => (
      { kind: "keep", index, length: UNIT, sum }
    )),
    header.id,
  );
  const calls: string[] = [];
  const held: (() => void)[] = [];
  const data: Pick<DataFile, "size" | "read" | "close"> = {
    size: SIZE,
    read: (offset) => {
      calls.push(`read ${offset}`);
      return new Promise((resolve) => held.push(() => resolve(true)));
    },
    close: () => {
      calls.push("close");
      return Promise.resolve();
    },
  };
  const map: Pick<MapFile, "read" | "close"> = {
    read: (offset) => records.subarray(offset - HEADER_BYTES),
    close: () => Promise.resolve(),
  };
  const entry = new DiskStoreEntry(
    "held",
    map as MapFile,
    data as DataFile,
    header,
    undefined,
    HOST,
  );
  entry.look();
  return { entry, calls, held };
}

test("an entry is closed when its reads have ended, and reads no further then", async () => {
  const { entry, calls, held } = await heldEntry();
  const read = entry.read(0, new Uint8Array(SIZE), undefined);
  held.shift()!();
  while (held.length === 0) await settle(1);
  const closing = entry.close();
  await settle();
  assert.deepEqual(calls, ["read 0", `read ${1 << 20}`]);
  held.shift()!();
  assert.equal(await read, false);
  await closing;
  assert.deepEqual(calls, ["read 0", `read ${1 << 20}`, "close"]);
  assert.equal(await entry.read(0, new Uint8Array(1), undefined), false);
  assert.equal(calls.length, 3);
});
