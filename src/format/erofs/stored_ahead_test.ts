import assert from "node:assert/strict";
import test from "node:test";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../../tests/conformance/controlled_source.ts";
import { StoredAhead, type StoredRange } from "./stored_ahead.ts";

const MIB = 1 << 20;
const BYTES = patternBytes(20 * MIB);

/** Ranges of 1 MiB, one behind the other; counts those that were looked at. */
function ranges(from: number): Iterable<StoredRange> & { seen: number } {
  const list = {
    seen: 0,
    *[Symbol.iterator]() {
      for (let start = from * MIB; start < BYTES.length; start += MIB) {
        list.seen++;
        yield { start, end: start + MIB };
      }
    },
  };
  return list;
}

const range = (i: number) => ({ start: i * MIB, end: (i + 1) * MIB });

test("StoredAhead asks for 8 MiB at once, in all, and for nothing twice", async () => {
  const source = new ControlledSource(BYTES);
  const ahead = new StoredAhead(source, undefined);
  source.hold();
  const first = ahead.take(range(0), ranges(1));
  await settle();
  assert.equal(source.pending, 8);
  source.release();
  const check = (bytes: Uint8Array, at: number) =>
    assert.ok(
      bytes.length === MIB &&
        bytes.every((byte, i) => byte === BYTES[at * MIB + i]),
    );
  check(await first, 0);
  for (let i = 1; i < 20; i++) {
    check(await ahead.take(range(i), ranges(i + 1)), i);
    assert.equal(source.requests, Math.min(20, i + 8));
  }
  ahead.close();
});

test("StoredAhead gives the start of a range that turned out shorter", async () => {
  const source = new ControlledSource(BYTES);
  const ahead = new StoredAhead(source, undefined);
  await ahead.take(range(0), [range(1)]);
  const bytes = await ahead.take({ start: MIB, end: MIB + 10 }, []);
  assert.deepEqual(bytes, BYTES.subarray(MIB, MIB + 10));
  // a longer one is read anew
  await ahead.take(range(2), [{ start: 3 * MIB, end: 3 * MIB + 10 }]);
  assert.equal((await ahead.take(range(3), [])).length, MIB);
  ahead.close();
});

test("StoredAhead leaves nothing under way when the read ends or is aborted", async () => {
  for (const how of ["close", "abort"]) {
    const source = new ControlledSource(BYTES);
    const controller = new AbortController();
    const { signal } = controller;
    const ahead = new StoredAhead(source, { signal });
    source.hold();
    const first = ahead.take(range(0), ranges(1));
    first.catch(() => {});
    await settle();
    assert.equal(source.pending, 8);
    if (how === "abort") {
      controller.abort(new Error("left"));
      await assert.rejects(first, /left/);
    } else {
      ahead.close();
      await settle();
      assert.equal(source.pending, 1);
      source.release();
      await first;
    }
    await settle();
    assert.equal(source.pending, 0);
    ahead.close();
  }
});

test("StoredAhead tells of a failure when it is asked for the range, not before", async () => {
  const source = new ControlledSource(BYTES);
  const ahead = new StoredAhead(source, undefined);
  source.hold();
  const first = ahead.take(range(0), [range(1), range(2)]);
  await settle();
  source.failures = 0;
  source.release();
  await first;
  source.failures = 1;
  await ahead.take(range(1), [range(3)]);
  await settle();
  await ahead.take(range(2), []);
  await assert.rejects(ahead.take(range(3), []), { code: "read.failed" });
  ahead.close();
});
