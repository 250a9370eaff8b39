import assert from "node:assert/strict";
import test from "node:test";
import { SmooGadget } from "../../tests/support/smoo_gadget.ts";
import {
  FakeBus,
  patternReader,
  serving,
} from "../../tests/support/smoo_serving.ts";
import { isCoded } from "../errors.ts";
import type { DeviceLogEvent } from "./device_log.ts";
import { decodeLog, DeviceLog } from "./device_log.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A reply by hand: version, header_size, flags, oldest, start, newest, bytes. */
function reply(
  oldest: bigint,
  start: bigint,
  newest: bigint,
  text = "",
  { version = 0, headerSize = 32 } = {},
): Uint8Array {
  const bytes = encode(text);
  const all = new Uint8Array(headerSize + bytes.length);
  const view = new DataView(all.buffer);
  view.setUint16(0, version, true);
  if (all.length >= 4) view.setUint16(2, headerSize, true);
  if (all.length >= 32) {
    view.setBigUint64(8, oldest, true);
    view.setBigUint64(16, start, true);
    view.setBigUint64(24, newest, true);
  }
  all.set(bytes, headerSize);
  return all;
}

const texts = (events: readonly DeviceLogEvent[]) =>
  events.map((event) =>
    event.type === "device-log" ? event.text : `lost ${event.bytes}`
  );

test("decodeLog() reads what the protocol says, and headers that grew", () => {
  for (const headerSize of [32, 40]) {
    const found = decodeLog(reply(5n, 6n, 9n, "abc", { headerSize }));
    assert.deepEqual(
      [found.oldest, found.start, found.newest],
      [5n, 6n, 9n],
    );
    assert.deepEqual(found.bytes, encode("abc"));
  }
});

test("decodeLog() refuses what contradicts itself", () => {
  const bad: Uint8Array[] = [
    reply(0n, 0n, 0n, "", { version: 1 }),
    reply(7n, 6n, 9n),
    reply(5n, 10n, 9n),
    reply(5n, 6n, 8n, "abc"),
    reply(0n, 0n, 2n ** 64n - 1n, "").with(2, 31),
    reply(0n, 0n, 9n).with(2, 33),
  ];
  for (const bytes of bad) {
    assert.throws(() => decodeLog(bytes), (error) => {
      assert.ok(isCoded(error, "smoo.bad-log"), String(error));
      return true;
    });
  }
  for (let length = 0; length < 32; length++) {
    const cut = reply(0n, 0n, 0n).subarray(0, length);
    assert.throws(
      () => decodeLog(cut),
      (error) => isCoded(error, "struct.too-short"),
    );
  }
});

test("lines are joined wherever replies cut them", () => {
  const text = "6 12.000001 stage0: one\n3    7.250000 two: ä€\n7 0.5 odd\n";
  const bytes = encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const log = new DeviceLog();
    log.begin(1n);
    const events: DeviceLogEvent[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      assert.equal(log.wanted, at);
      const taken = log.take({
        oldest: 0n,
        start: BigInt(at),
        newest: BigInt(bytes.length),
        bytes: bytes.subarray(at, at + size),
      });
      events.push(...taken.events);
      assert.equal(taken.more, at + size < bytes.length);
    }
    assert.deepEqual(events, [
      { type: "device-log", level: 6, seconds: 12.000001, text: "stage0: one" },
      { type: "device-log", level: 3, seconds: 7.25, text: "two: ä€" },
      {
        type: "device-log",
        level: undefined,
        seconds: undefined,
        text: "7 0.5 odd",
      },
    ]);
  }
});

test("what the phone could not keep is told, and rests of lines are not", () => {
  const log = new DeviceLog();
  log.begin(1n);
  const first = decodeLog(
    reply(0n, 0n, 30n, "6 1.000000 begun\n6 2.000000 cu"),
  );
  assert.deepEqual(texts(log.take(first).events), ["begun"]);
  const next = decodeLog(
    reply(100n, 100n, 140n, "st of it\n6 3.000000 whole\n"),
  );
  const { events, more } = log.take(next);
  assert.deepEqual(texts(events), ["cu", "lost 70", "whole"]);
  assert.equal(more, true);
  // A log that begins anew under the same session.
  const anew = decodeLog(reply(0n, 0n, 17n, "6 1.000000 again\n"));
  assert.deepEqual(texts(log.take(anew).events), ["again"]);
});

test("a piece from elsewhere is asked for again", () => {
  const log = new DeviceLog();
  log.begin(1n);
  log.take({ oldest: 0n, start: 0n, newest: 90000n, bytes: encode("x\n") });
  assert.equal(log.wanted, 2);
  const far = {
    oldest: 0n,
    start: 65538n,
    newest: 90000n,
    bytes: encode("y\n"),
  };
  assert.deepEqual(log.take(far), { events: [], more: true });
  assert.equal(log.wanted, 2);
});

test("lines without an end come in pieces, and control characters not at all", () => {
  const log = new DeviceLog();
  log.begin(1n);
  const bytes = new Uint8Array(10000).fill(0x61);
  const { events } = log.take({ oldest: 0n, start: 0n, newest: 10000n, bytes });
  assert.deepEqual(texts(events).map((text) => text.length), [4096, 4096]);
  const other = new DeviceLog();
  other.begin(1n);
  const text = "6 1.000000 \x1b[31mred\x07\ttab\x9b\n";
  const { events: [line] } = other.take(
    decodeLog(reply(0n, 0n, BigInt(encode(text).length), text)),
  );
  assert.deepEqual(texts([line!]), ["\ufffd[31mred\ufffd\ttab\ufffd"]);
});

test("the log goes on over sessions with one gadget", async () => {
  const line = (i: number) => `6 ${i}.000000 stage0: line ${i}\n`;
  const lines = Array.from({ length: 6000 }, (_, i) => line(i)).join("");
  const log = { bytes: encode(lines.slice(0, 60000)), keep: 32768 };
  const gadget = new SmooGadget({ log });
  const bus = new FakeBus();
  const exports = [{ reader: patternReader(4096), blockSize: 512 }];
  const host = serving(bus, exports, { heartbeatMs: 10 });
  bus.plug(gadget.plug());
  await host.seen("started");
  const wait = async (last: string) => {
    for (let tries = 0; tries < 300; tries++) {
      const found = texts(
        host.events.filter((event) =>
          event.type === "device-log" || event.type === "device-log-lost"
        ),
      );
      if (found.at(-1) === last) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`never saw ${last}`);
  };
  const lastOf = (text: string) =>
    text.trimEnd().split("\n").at(-1)!.slice(11)
      .trimStart();
  const whole = lines.slice(0, lines.lastIndexOf("\n", 60000) + 1);
  const first = await wait(lastOf(whole).replace(/^.*stage0/, "stage0"));
  assert.ok(
    first.length > 900 && !first.some((text) => text.startsWith("lost")),
  );

  gadget.unplug();
  log.bytes = encode(lines.slice(0, 80000));
  bus.plug(gadget.plug());
  await host.seen("started", 2);
  const rest = lines.slice(0, lines.lastIndexOf("\n", 80000) + 1);
  const second = await wait(lastOf(rest).replace(/^.*stage0/, "stage0"));
  assert.ok(!second.some((text) => text.startsWith("lost")));
  const numbers = second.map((text) =>
    Number(text.slice("stage0: line ".length))
  );
  for (let i = 1; i < numbers.length; i++) {
    assert.equal(numbers[i], numbers[i - 1]! + 1);
  }

  log.bytes = encode(lines);
  const third = await wait("stage0: line 5999");
  assert.ok(third.some((text) => text.startsWith("lost")));
  await host.stop();
  gadget.unplug();
});

test("a gadget that cannot tell its log, or tells nonsense, is served all the same", async () => {
  const nonsense = new Uint8Array(64).fill(0xff);
  const answers = [
    () => Promise.resolve(undefined),
    () => Promise.resolve(nonsense),
    () => Promise.resolve(new Uint8Array(3)),
  ];
  for (const answer of answers) {
    const gadget = new SmooGadget();
    let asked = 0;
    gadget.answers.set(4, () => {
      asked++;
      return answer();
    });
    const bus = new FakeBus();
    const exports = [{ reader: patternReader(4096), blockSize: 512 }];
    const host = serving(bus, exports, { heartbeatMs: 5 });
    bus.plug(gadget.plug());
    await host.seen("device-log-unavailable");
    await host.seen("status", 5);
    assert.equal(asked, 1);
    assert.ok(!host.events.some(({ type }) => type === "ended"));
    await host.stop();
    gadget.unplug();
  }
});

test("a gadget that never answers LOG costs one session and is not asked again", async () => {
  const gadget = new SmooGadget();
  let asked = 0;
  gadget.answers.set(4, () => {
    asked++;
    return new Promise(() => {});
  });
  const bus = new FakeBus();
  const exports = [{ reader: patternReader(4096), blockSize: 512 }];
  const host = serving(bus, exports, { heartbeatMs: 5 });
  bus.plug(gadget.plug());
  await host.seen("ended");
  await host.seen("started", 2);
  await host.seen("status", 3);
  assert.equal(asked, 1);
  await host.stop();
  gadget.unplug();
});
