import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  fixture,
  rejectsWith,
  SEQ,
  survives,
} from "../../tests/fixtures/codecs/fixtures.ts";
import { madeImage } from "../../tests/support/made_kernel.ts";
import { isCoded } from "../errors.ts";
import {
  decodeXzBlock,
  decodeXzIndex,
  lzmaDecode,
  parseXzStreamFooter,
  parseXzStreamHeader,
} from "./codecs.ts";

async function open(file: string) {
  const data = fixture(file);
  const { check } = await parseXzStreamHeader(data.subarray(0, 12));
  const footer = await parseXzStreamFooter(data.subarray(-12));
  const index = data.subarray(-12 - footer.indexSize, -12);
  return { data, check, footer, index };
}

test("an xz file can be read block by block", async () => {
  const { data, check, footer, index } = await open("blocks.xz");
  assert.equal(check, "crc64");
  assert.equal(footer.check, check);
  const { blocks, contentSize, blocksSize } = await decodeXzIndex(index, {
    maxBlocks: 4,
  });
  assert.equal(contentSize, SEQ.length);
  assert.equal(12 + blocksSize + footer.indexSize + 12, data.length);
  // xz --list -vv blocks.xz
  assert.deepEqual(
    blocks.map((block) => [block.contentOffset, block.contentSize]),
    [[0, 4096], [4096, 4096], [8192, 4096], [12288, 1605]],
  );
  for (const block of blocks) {
    const stored = data.subarray(block.offset, block.offset + block.size);
    const content = await decodeXzBlock(stored, {
      check,
      maxSize: 4096,
      contentSize: block.contentSize,
    });
    const end = block.contentOffset + block.contentSize;
    assert.deepEqual(
      new Uint8Array(content),
      SEQ.slice(block.contentOffset, end),
    );
  }
});

test("decodeXzBlock() verifies every check", async () => {
  for (const name of ["crc32", "crc64", "sha256"]) {
    const { data, check, index } = await open(`${name}.xz`);
    assert.equal(check, name);
    const [block] = (await decodeXzIndex(index, { maxBlocks: 1 })).blocks;
    const stored = data.slice(12, 12 + block!.size);
    const options = { check, maxSize: SEQ.length };
    assert.equal((await decodeXzBlock(stored, options)).length, SEQ.length);
    await rejectsWith(
      decodeXzBlock(stored, { ...options, contentSize: 5 }),
      "xz.damaged",
    );
    stored[stored.length - 1]! ^= 1;
    await rejectsWith(decodeXzBlock(stored, options), "xz.damaged");
  }
});

test("decodeXzIndex() refuses more blocks than are allowed before it keeps any", async () => {
  const { index } = await open("blocks.xz");
  await rejectsWith(
    decodeXzIndex(index, { maxBlocks: 3 }),
    "xz.too-many-blocks",
  );
});

test("xz headers, footers and indexes with a flipped bit are refused", async () => {
  const { data, index } = await open("blocks.xz");
  const parts = [
    [data.slice(0, 12), parseXzStreamHeader],
    [data.slice(-12), parseXzStreamFooter],
    [
      index.slice(),
      (bytes: Uint8Array) => decodeXzIndex(bytes, { maxBlocks: 9 }),
    ],
  ] as const;
  for (const [bytes, parse] of parts) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(await survives(parse(bytes)), false, `bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
  for (let size = 0; size < index.length; size += 4) {
    assert.equal(
      await survives(decodeXzIndex(index.slice(0, size), { maxBlocks: 9 })),
      false,
    );
  }
});

const LZMA = new Uint8Array(
  readFileSync(
    new URL("../../tests/fixtures/kernel/Image.lzma", import.meta.url),
  ),
);
const lzmaCode = async (
  data: Uint8Array,
  options: { maxSize: number; memoryLimit?: number },
) => {
  const error = await lzmaDecode(data, options).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(isCoded(error), String(error));
  return error.code;
};

test("lzmaDecode() takes what the xz program made, whatever follows it", async () => {
  const image = madeImage();
  const max = { maxSize: image.length };
  assert.deepEqual(await lzmaDecode(LZMA, max), image);
  for (const trailer of [1, 4, 300_000]) {
    const followed = new Uint8Array(LZMA.length + trailer).fill(0xa5);
    followed.set(LZMA);
    assert.deepEqual(await lzmaDecode(followed, max), image);
  }
  assert.equal(
    await lzmaCode(LZMA, { maxSize: image.length - 1 }),
    "lzma.output-limit",
  );
});

test("lzmaDecode() refuses damage by code", async () => {
  const max = { maxSize: 1 << 20 };
  for (const size of [0, 1, 12, 13, 17, 100, LZMA.length - 1]) {
    assert.equal(
      await lzmaCode(LZMA.subarray(0, size), max),
      "lzma.truncated",
      `cut at ${size}`,
    );
  }
  const wrong = LZMA.slice();
  wrong[0] = 225;
  assert.equal(await lzmaCode(wrong, max), "lzma.damaged");
  const greedy = LZMA.slice();
  new DataView(greedy.buffer).setUint32(1, 1 << 30, true);
  assert.equal(await lzmaCode(greedy, max), "lzma.memory-limit");
  const longer = LZMA.slice();
  new DataView(longer.buffer).setBigUint64(
    5,
    BigInt(madeImage().length + 1),
    true,
  );
  assert.equal(await lzmaCode(longer, max), "lzma.damaged");
});
