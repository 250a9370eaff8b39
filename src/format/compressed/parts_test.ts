import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { gzip } from "../../wasm/codecs.ts";
import { pieceSpecs } from "../../wasm/pieces.ts";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import { rejectsWith } from "../../../tests/fixtures/codecs/fixtures.ts";
import { decodedStream } from "./part_decoder.ts";
import { PartTable } from "./parts.ts";
import { openParts } from "./parts_reader.ts";

test("PartTable finds the part of every byte", () => {
  const sizes = fc.array(fc.nat(50), { minLength: 1, maxLength: 60 });
  fc.assert(fc.property(sizes, (sizes) => {
    const table = new PartTable();
    const owner: number[] = [];
    let part = -1;
    for (const [i, size] of sizes.entries()) {
      table.add(i * 100, i, size);
      if (size > 0) part++;
      for (let n = 0; n < size; n++) owner.push(part);
    }
    assert.equal(table.size, owner.length);
    assert.equal(table.count, part + 1);
    for (const [at, part] of owner.entries()) {
      assert.equal(table.indexOf(at), part);
      assert.ok(table.start(part) <= at && at < table.end(part));
    }
  }));
});

test("PartTable merges small parts that lie side by side", () => {
  const table = new PartTable(100);
  table.add(0, 10, 40);
  table.add(10, 10, 60);
  table.add(20, 10, 1);
  table.add(40, 10, 1); // not side by side
  table.add(50, 5, 200);
  table.add(55, 5, 0);
  assert.equal(table.count, 4);
  assert.equal(table.added, 5);
  assert.equal(table.storedSize(0), 20);
  assert.deepEqual([table.start(1), table.end(1)], [100, 101]);
  assert.equal(table.largest, 200);
});

test("decodedStream() reads on while it decodes", async () => {
  const content = patternBytes(3 << 20);
  const packed = await gzip(content, { level: 0 });
  const image = withRecord(openMemory(packed));
  const part = {
    name: "",
    spec: pieceSpecs.gzip(content.length),
    offset: 0,
    size: packed.length,
    contentSize: undefined,
  };
  const { signal } = new AbortController();
  const reader = decodedStream(image, part, undefined, signal).getReader();
  assert.equal(image.report.requests, 0);
  await reader.read();
  assert.equal(image.report.requests, 2);
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
  }
  assert.ok(size > content.length - (2 << 20));
  assert.equal(image.report.bytes, packed.length);
});

test("openParts() refuses parts that claim more than they can hold", async () => {
  const table = new PartTable();
  table.add(0, 100, 1000);
  table.add(100, 100, 2 ** 40);
  const parts = {
    format: "xz" as const,
    table,
    maxRatio: 8192,
    coding: (part: number) => ({
      name: `block ${part}`,
      spec: pieceSpecs.gzip(1),
    }),
  };
  const image = openMemory(new Uint8Array(200));
  await rejectsWith(
    Promise.resolve().then(() => openParts(image, parts, {})),
    "xz.damaged",
  );
  assert.throws(
    () => openParts(image, parts, { maxCachedBytes: 1000 }),
    RangeError,
  );
});
