import assert from "node:assert/strict";
import test from "node:test";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import {
  makeCasync,
  memoryChunkStore,
} from "../../../tests/support/casync_made.ts";
import { openMemory } from "../../block/memory.ts";
import { isCoded } from "../../errors.ts";
import { isCasyncIndex } from "./index.ts";
import { openCasync } from "./open.ts";

const BYTES = patternBytes(100_000);

test("openCasync() refuses indexes by what is wrong with them", async () => {
  const { index } = await makeCasync(BYTES);
  const refused = async (
    change: (view: DataView) => void,
    code: `${string}.${string}`,
    name = "a.caibx",
    size = index.length,
  ) => {
    const copy = index.slice(0, size);
    change(new DataView(copy.buffer));
    const store = memoryChunkStore(new Map());
    const error = await openCasync(openMemory(copy, { name }), { store }).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error, code), `${error}`);
    return error.message;
  };
  const nothing = () => {};
  const put = (at: number, value: bigint) => (view: DataView) =>
    view.setBigUint64(at, value, true);
  const unsupported = "casync.unsupported-feature", damaged = "casync.damaged";
  assert.match(
    await refused(nothing, unsupported, "a.caidx"),
    /of a directory/,
  );
  assert.match(
    await refused(nothing, unsupported, "https://a/b.CAIDX?c=1"),
    /of a directory/,
  );
  // as casync writes it for a directory
  assert.match(
    await refused(put(16, 0xb0000001effffe26n), unsupported),
    /of a directory/,
  );
  assert.match(
    await refused(put(16, 1n << 40n), unsupported),
    /0x0000010000000000/,
  );
  assert.match(
    await refused(put(8, 1n), "casync.bad-magic"),
    /magic at byte 8/,
  );
  for (
    const [at, value] of [[24, 0n], [24, 5000n], [32, 1n << 20n], [
      40,
      129n << 20n,
    ]] as const
  ) {
    assert.match(
      await refused(put(at, value), damaged),
      /chunk size at byte 24/,
    );
  }
  assert.match(await refused(put(48, 1n), damaged), /table size/);
  assert.match(await refused(put(56, 1n), damaged), /table magic/);
  assert.match(
    await refused(put(64, 0n), damaged),
    /end of chunk 0 at byte 64/,
  );
  assert.match(await refused(put(64, 16385n), damaged), /end of chunk 0/);
  assert.match(await refused(put(104, 4096n), damaged), /end of chunk 1/);
  assert.match(await refused(put(104, 1n << 63n), damaged), /end of chunk 1/);
  for (const back of [8, 16, 24, 32, 40]) {
    const change = put(index.length - back, 7n);
    assert.match(await refused(change, damaged), /table tail/);
  }
  for (let size = 0; size < index.length; size += 1) {
    const found = (index.length - size) % 40 === 0 && size >= 104
      ? damaged
      : "casync.truncated";
    await refused(nothing, found, "a.caibx", size);
  }
});

test("isCasyncIndex() tells an index from other files", async () => {
  const { index } = await makeCasync(BYTES);
  assert.ok(isCasyncIndex(index));
  assert.ok(!isCasyncIndex(index.subarray(0, 15)));
  assert.ok(!isCasyncIndex(index.subarray(8)));
});
