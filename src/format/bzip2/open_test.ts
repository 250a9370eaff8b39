import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../../block/memory.ts";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../../tests/fixtures/codecs/fixtures.ts";
import { join } from "../../../tests/support/made_xz.ts";
import {
  assertCutsRefused,
  assertFlipsHonest,
  assertSame,
  unpack,
} from "../../../tests/support/packed_reader.ts";
import { openBzip2 } from "./open.ts";

// The suite of all readers runs in tests/artefacts/compressed_bzip2_test.ts: only bzip2 packs bzip2.

test("openBzip2() reads one stream and several, and zeros after them", async () => {
  for (const file of ["seq.bz2", "streams.bz2"]) {
    assertSame(await unpack(openBzip2, fixture(file)), SEQ);
  }
});

test("openBzip2() ignores what follows the last stream", async () => {
  const tail = new TextEncoder().encode("BZh9 and more");
  for (const file of ["seq.bz2", "streams.bz2"]) {
    assertSame(await unpack(openBzip2, join(fixture(file), tail)), SEQ);
  }
});

test("openBzip2() refuses what is no bzip2 file, and damage", async () => {
  for (const bytes of [new Uint8Array(0), fixture("seq.gz")]) {
    await rejectsWith(openBzip2(openMemory(bytes)), "bzip2.bad-magic");
  }
  await assertCutsRefused(openBzip2, fixture("seq.bz2"), { step: 61 });
  const share = await assertFlipsHonest(openBzip2, fixture("seq.bz2"), SEQ, 61);
  assert.ok(share > 0.9, `${share} refused`);
});
