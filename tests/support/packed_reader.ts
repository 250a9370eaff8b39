/**
 * What every reader of a compressed file must do with damage.
 *
 * @module
 */

import assert from "node:assert/strict";
import { openMemory } from "../../src/block/memory.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import { join } from "./made_xz.ts";
import type { CompressedReader } from "../../src/format/compressed/reader.ts";

/** A damaged file may claim more than there is memory. */
const PIECE = 1 << 20;

type Open = (image: BlockReader) => Promise<CompressedReader>;

/** Opens, reads all, and closes. */
export async function unpack(
  open: Open,
  packed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const reader = await open(openMemory(packed));
  try {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < reader.size; at += PIECE) {
      const size = Math.min(PIECE, reader.size - at);
      parts.push(await readExactly(reader, at, size));
    }
    return join(...parts);
  } finally {
    await reader.close();
  }
}

/** Demands an error with a code, of the file cut short at every place but those that end a whole file. */
export async function assertCutsRefused(
  open: Open,
  packed: Uint8Array<ArrayBuffer>,
  { step = 1, whole = [] }: {
    readonly step?: number;
    readonly whole?: readonly number[];
  } = {},
): Promise<void> {
  for (let size = 0; size < packed.length; size += step) {
    if (whole.includes(size)) continue;
    await assert.rejects(unpack(open, packed.slice(0, size)), (error) => {
      assert.ok(isCoded(error), String(error));
      assert.ok(!error.code.startsWith("wasm."), error.message);
      return true;
    }, `${size} of ${packed.length} bytes`);
  }
}

/** Demands the right bytes or an error with a code, whatever bit is flipped; gives the share refused. */
export async function assertFlipsHonest(
  open: Open,
  packed: Uint8Array<ArrayBuffer>,
  content: Uint8Array,
  step = 1,
): Promise<number> {
  let refused = 0, all = 0;
  for (let at = 0; at < packed.length; at += step, all++) {
    const damaged = packed.slice();
    damaged[at]! ^= 1 << at % 8;
    let found;
    try {
      found = await unpack(open, damaged);
    } catch (error) {
      assert.ok(isCoded(error), `byte ${at}: ${error}`);
      assert.ok(!error.code.startsWith("wasm."), error.message);
      refused++;
      continue;
    }
    assertSame(found, content, `byte ${at} flipped`);
  }
  return refused / all;
}

/** Compares without the long message of `deepEqual`. */
export function assertSame(
  found: Uint8Array,
  expected: Uint8Array,
  what = "content",
): void {
  assert.equal(found.length, expected.length, what);
  for (let at = 0; at < found.length; at++) {
    if (found[at] !== expected[at]) assert.fail(`${what}: byte ${at} differs`);
  }
}
