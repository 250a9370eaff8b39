import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "../../tests/conformance/controlled_source.ts";
import { ReadError } from "../errors.ts";
import { StoreRoom } from "./store_room.ts";

const GRANT = 64;

/** Room in a place of `limit` bytes, and how much was written to it. */
function makeRoom(limit: number) {
  const place = { taken: 0, warnings: 0 };
  const room = new StoreRoom(
    {
      limit: () => Promise.resolve(limit),
      prune: () => Promise.resolve(place.taken),
      noRoom: () => new ReadError("store.no-room", "Cannot keep more"),
    },
    GRANT,
    () => place.warnings++,
  );
  const write = (bytes: number) =>
    room.withRoom(bytes, async () => {
      await settle(1);
      place.taken += bytes;
    });
  return { room, place, write };
}

test("StoreRoom lets all write at the same time for whom there is room", async () => {
  const { place, write } = makeRoom(10 * GRANT);
  const ends = await Promise.all([16, 16, 16, 16, 16, 100, 16].map(write));
  assert.deepEqual(ends, Array(7).fill(true));
  assert.deepEqual(place, { taken: 196, warnings: 0 });
});

test("StoreRoom lets nobody exceed the limit, and says so once", async () => {
  const { place, write } = makeRoom(2 * GRANT);
  const ends = await Promise.all(Array.from({ length: 30 }, () => write(30)));
  assert.equal(ends.filter((written) => written).length, 4);
  assert.deepEqual(place, { taken: 120, warnings: 1 });
  assert.equal(await write(30), false);
  assert.equal(place.warnings, 1);
});

test("StoreRoom goes on after a write that failed", async () => {
  const { room, write } = makeRoom(10 * GRANT);
  const error = new Error("made to fail");
  const failing = room.withRoom(60, async () => {
    await settle(1);
    throw error;
  });
  failing.catch(() => {});
  assert.equal(await write(60), true);
  await assert.rejects(failing, error);
});
