import assert from "node:assert/strict";
import test from "node:test";
import { Decoding, PAGE_SIZE } from "./decoding.ts";
import type { PartDecoder } from "./part_decoder.ts";

test("Decoding lets 4 decoders work at a time, also those that rested", async () => {
  const parts = 12, size = 8 * PAGE_SIZE;
  let working = 0, most = 0;
  const open = () => ({
    ended: false,
    close() {},
    async next() {
      most = Math.max(most, ++working);
      await Promise.resolve();
      working--;
      return new Uint8Array(PAGE_SIZE);
    },
  });
  const decoding = new Decoding({
    open: () => open() as unknown as PartDecoder,
    start: (part) => part * size,
    size: () => size,
    whole: () => false,
  }, 64 << 20);
  for (let at = 0; at < 2 * PAGE_SIZE; at += PAGE_SIZE) {
    await Promise.all(
      Array.from({ length: parts }, (_, part) => decoding.decode({ part, at })),
    );
    assert.equal(most, 4);
  }
  decoding.close(new Error("over"));
});
