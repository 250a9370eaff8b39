import assert from "node:assert/strict";
import test from "node:test";
import { zstdEncode } from "../../wasm/codecs.ts";
import { loadStoredBlockDecoder } from "../../wasm/stored_block.ts";
import { BlockCodec, BlockFault } from "./codec.ts";

// RFC 8878, section 3.1.1: no content size, a window of 128 KiB, one raw block
const UNSIZED = Uint8Array.from([
  ...[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38],
  ...[(5 << 3) | 1, 0, 0],
  ...new TextEncoder().encode("hello"),
]);

test("BlockCodec decodes a zstd frame that does not state its size", async () => {
  const codec = new BlockCodec("zstd", undefined);
  const decoder = await loadStoredBlockDecoder();
  assert.equal(codec.decodeNow(decoder, UNSIZED, 4096), undefined);
  const bytes = await codec.decode(UNSIZED, 4096);
  assert.equal(new TextDecoder().decode(bytes), "hello");
  await assert.rejects(codec.decode(UNSIZED, 4), BlockFault);
});

test("BlockCodec refuses a block that holds more than it may", async () => {
  const codec = new BlockCodec("zstd", undefined);
  for (const size of [4097, 1 << 20]) {
    const stored = await zstdEncode(new Uint8Array(size).fill(size));
    await assert.rejects(codec.decode(stored, 4096), BlockFault);
    assert.equal((await codec.decode(stored, size)).length, size);
  }
});

test("BlockCodec refuses nothing, and what is cut short", async () => {
  for (const compression of ["gzip", "xz", "zstd", "lz4", "lzo"] as const) {
    const codec = new BlockCodec(compression, undefined);
    await assert.rejects(codec.decode(new Uint8Array(0), 8192), BlockFault);
  }
});
