import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openMemory } from "../../src/block/memory.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import { FormatError, isCoded } from "../../src/errors.ts";
import { openSparse, verifySparse } from "../../src/format/sparse/open.ts";
import { patternBytes } from "../conformance/controlled_source.ts";
import { hash } from "../support/compare.ts";
import { cutTo, withFlipped } from "../support/damaged_reader.ts";
import { type MadeChunk, madeSparse } from "../support/made_sparse.ts";
import { imageTest, madeFacts, output } from "../support/real_image.ts";

const SPARSE = "debian-arm64.sparse", EXT4 = "debian-arm64.ext4";

imageTest(
  [SPARSE, EXT4],
  [],
  `${SPARSE}: is ${EXT4}, byte for byte, opened by few reads`,
  async ({ paths: [path, ext4], open }) => {
    const image = withRecord(await open(path!));
    const reader = await openSparse(image);
    assert.ok(image.report.requests <= 15, `${image.report.requests} reads`);
    assert.ok(image.report.bytes <= 256 << 10, `${image.report.bytes} bytes`);
    const { size, sha256 } = madeFacts(ext4!);
    assert.equal(reader.size, size);
    assert.equal(await hash(reader), sha256);
    // across the edges of runs, which reads of 1 MiB from the start may miss
    const original = await open(ext4!);
    for (let offset = 0; offset < size; offset += 4_198_399) {
      const length = Math.min(70_001, size - offset);
      const found = await readExactly(reader, offset, length);
      assert.deepEqual(found, await readExactly(original, offset, length));
    }
  },
);

/** Offsets of the chunk headers, by a walk of its own. */
async function chunkHeaders(image: BlockReader): Promise<number[]> {
  const header = new DataView((await readExactly(image, 0, 28)).buffer);
  const offsets: number[] = [];
  let at = 28;
  for (let i = 0; i < header.getUint32(20, true); i++) {
    offsets.push(at);
    at += new DataView((await readExactly(image, at, 12)).buffer).getUint32(
      8,
      true,
    );
  }
  return [...offsets, at];
}

imageTest(
  [SPARSE],
  [],
  `${SPARSE}: cut at any chunk or with a bit of any header flipped, it gives a code`,
  async ({ paths: [path], open }) => {
    const image = await open(path!);
    const headers = await chunkHeaders(image);
    assert.equal(headers.at(-1), image.size);
    for (const at of [0, 12, 27, ...headers]) {
      for (const end of [at - 1, at, at + 1, at + 11]) {
        if (end < 0 || end >= image.size) continue;
        await assert.rejects(
          openSparse(cutTo(image, end)),
          (error) => isCoded(error, "sparse.truncated"),
          `${end} bytes`,
        );
      }
    }
    for (const header of [0, 4, 8, 12, 16, 20, ...headers.slice(0, -1)]) {
      for (
        const field of header < 28
          ? [0, 1, 2, 3]
          : [0, 1, 4, 5, 6, 7, 8, 9, 10, 11]
      ) {
        for (const mask of [1, 0x80]) {
          // minor version: newer ones may be read
          if (header === 4 && field >= 2) continue;
          await assert.rejects(
            openSparse(withFlipped(image, header + field, mask)),
            (error) =>
              error instanceof FormatError && /^sparse\./.test(error.code),
            `byte ${header + field}`,
          );
        }
      }
    }
  },
);

imageTest(
  [],
  ["simg2img"],
  "openSparse() gives what simg2img writes, of chunks of every kind",
  async ({ folder }) => {
    const kinds: readonly MadeChunk[] = [
      { skip: 3 },
      { raw: patternBytes(4096, 1) },
      { fill: 0xdeadbeef, blocks: 5 },
      { crc: "right" },
      { raw: patternBytes(5 * 4096, 2) },
      { fill: 0, blocks: 2 },
      { fill: 0x01010101, blocks: 1 },
      { skip: 1 },
      { crc: "right" },
      { raw: patternBytes(4096, 3) },
    ];
    for (
      const options of [{}, { fileHeaderSize: 32, chunkHeaderSize: 16 }, {
        blockSize: 1024,
      }]
    ) {
      const { image } = await madeSparse(kinds, options);
      const [from, to] = [join(folder, "sparse"), join(folder, "raw")];
      writeFileSync(from, image);
      output(["simg2img", from, to]);
      const theirs = readFileSync(to);
      const reader = await openSparse(openMemory(image));
      const ours = await readExactly(reader, 0, reader.size);
      // simg2img leaves out what it does not care for at the end
      assert.equal(theirs.length, ours.length);
      assert.ok(theirs.equals(ours));
      await verifySparse(reader);
    }
  },
);

imageTest(
  [],
  ["img2simg", "simg2img"],
  "openSparse() gives back what img2simg was given, with blocks of any size",
  async ({ folder }) => {
    const bytes = new Uint8Array(3 << 20);
    for (let at = 0; at < bytes.length; at += 8192) {
      const kind = (at / 8192) % 7;
      if (kind < 2) bytes.set(patternBytes(8192, at), at);
      if (kind === 3) bytes.fill(0x5a, at, at + 8192);
      if (kind === 5) bytes.set(patternBytes(1, at), at + 8191);
    }
    const [raw, sparse] = [join(folder, "raw"), join(folder, "sparse")];
    writeFileSync(raw, bytes);
    for (const blockSize of [1024, 4096, 65536]) {
      output(["img2simg", raw, sparse, String(blockSize)]);
      const reader = await openSparse(openMemory(readFileSync(sparse)));
      assert.equal(reader.sparse.blockSize, blockSize);
      const found = await readExactly(reader, 0, reader.size);
      assert.equal(found.length, bytes.length);
      assert.ok(found.every((byte, at) => byte === bytes[at]));
    }
  },
);
