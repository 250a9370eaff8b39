import assert from "node:assert/strict";
import test from "node:test";
import {
  ext4SmallImage,
  ext4Sum,
  withSuperblock,
} from "../../../tests/support/ext4_images.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import { crc16, crc32BigEndian } from "./checksum.ts";
import { openExt4 } from "./open.ts";

const { bytes: UNCLEAN } = ext4SmallImage("unclean");
const BLOCK = 1024;
/** Blocks of others between the start of the journal and its block 16: `debugfs -R "ex <8>"`. */
const GAP = 9;

/** Byte at which the journal begins: the first block with its magic and the type of a superblock. */
function findJournal(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer);
  for (let at = BLOCK; at < bytes.length; at += BLOCK) {
    if (view.getUint32(at) === 0xc03b3998 && view.getUint32(at + 4) === 4) {
      return at;
    }
  }
  throw new Error("there is no journal");
}

/** A copy whose journal was changed, under a check sum that fits. */
function withJournal(
  change: (journal: DataView) => void,
): Uint8Array<ArrayBuffer> {
  const copy = UNCLEAN.slice();
  const at = findJournal(copy);
  change(new DataView(copy.buffer, at));
  const view = new DataView(copy.buffer);
  view.setUint32(at + 0xfc, 0);
  view.setUint32(at + 0xfc, ext4Sum(0xffffffff, copy.subarray(at, at + 1024)));
  return copy;
}

async function codeOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const error = await openExt4(openMemory(bytes, { name: "a.img" })).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(isCoded(error), String(error));
  assert.match(
    error.message,
    /^Cannot replay the journal of "a.img", which was not unmounted: .*; run e2fsck on a copy of the image$/,
  );
  return error.code;
}

test("openExt4() refuses by name the journals that it cannot replay", async () => {
  const external = withSuperblock(UNCLEAN, (superblock) => {
    superblock.setUint32(0xe0, 0, true);
  });
  assert.equal(await codeOf(external), "ext4.journal-external");
  const unknown = withJournal((journal) => {
    journal.setUint32(40, journal.getUint32(40) | 0x40);
  });
  assert.equal(await codeOf(unknown), "ext4.journal-unsupported");
  const magic = UNCLEAN.slice();
  magic[findJournal(magic)]! ^= 1;
  assert.equal(await codeOf(magic), "ext4.journal-damaged");
  const sum = UNCLEAN.slice();
  sum[findJournal(sum) + 0x30]! ^= 1;
  assert.equal(await codeOf(sum), "ext4.journal-damaged");
  for (const [field, value] of [[12, 4096], [16, 9999], [20, 0], [28, 5000]]) {
    const changed = withJournal((journal) => journal.setUint32(field!, value!));
    assert.equal(await codeOf(changed), "ext4.journal-damaged");
  }
});

test("openExt4() refuses fast commits, and reads a journal that could have them", async () => {
  const FAST_COMMIT = 0x20;
  const blocks = 256;
  const prepare = (head: boolean) =>
    withJournal((journal) => {
      journal.setUint32(40, journal.getUint32(40) | FAST_COMMIT);
      journal.setUint32(84, blocks);
      const next = journal.getUint32(24) + 2; // two transactions are whole
      const area = (journal.getUint32(16) - blocks + GAP) * BLOCK;
      if (!head) return;
      journal.setUint16(area, 9, true);
      journal.setUint16(area + 2, 8, true);
      journal.setUint32(area + 8, next, true);
    });
  assert.equal(await codeOf(prepare(true)), "ext4.journal-fast-commit");
  const files = await openExt4(openMemory(prepare(false)));
  assert.equal(await files.resolve("/second/link"), "/first");
});

test("openExt4() reads an unclean image whose log is empty", async () => {
  const empty = withJournal((journal) => journal.setUint32(28, 0));
  const files = await openExt4(openMemory(empty));
  assert.equal(files.source.needsRecovery, true);
  assert.equal(await files.find("/first"), undefined);
  const again = await openExt4(files.source.recovered);
  assert.equal(again.source.needsRecovery, false);
});

test("openExt4() leaves a journal alone that needs no replay", async () => {
  const clean = withSuperblock(UNCLEAN, (superblock) => {
    superblock.setUint32(96, superblock.getUint32(96, true) & ~4, true);
  });
  const reader = withRecord(openMemory(clean));
  const files = await openExt4(reader);
  assert.equal(files.source.recovered, reader);
  assert.equal(await files.find("/first"), undefined);
  assert.ok(reader.report.requests <= 3);
});

test("openExt4() keeps what went through a cancelled replay to itself", async () => {
  const reason = new Error("left");
  const signal = AbortSignal.abort(reason);
  const image = openMemory(UNCLEAN);
  await assert.rejects(
    openExt4(image, { signal }),
    (error) => error === reason,
  );
  const controller = new AbortController();
  const opening = openExt4(image, { signal: controller.signal });
  controller.abort(reason);
  await opening.catch((error) => assert.equal(error, reason));
  const files = await openExt4(image);
  assert.equal(await files.resolve("/second/link"), "/first");
});

test("crc16() and crc32BigEndian() give the check values of their catalogue", () => {
  const digits = new TextEncoder().encode("123456789");
  // CRC-16/MODBUS and CRC-32/MPEG-2
  assert.equal(crc16(0xffff, digits), 0x4b37);
  assert.equal(crc32BigEndian(0xffffffff, digits), 0x0376e6e7);
});
