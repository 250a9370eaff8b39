import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "../../tests/conformance/controlled_source.ts";
import { Errno, READ, SmooGadget } from "../../tests/support/smoo_gadget.ts";
import {
  FakeBus,
  isRight,
  patternReader,
  serving,
} from "../../tests/support/smoo_serving.ts";
import { isCoded } from "../errors.ts";
import type { ServedExport } from "./events.ts";
import { sleep as sleepFor } from "./link.ts";
import { serveForever } from "./serve_forever.ts";
import { smooSource } from "./smoo_source.ts";

const FAST = { heartbeatMs: 20 };
const soon = (ms = 5) =>
  new Promise<void>((resolve) => setTimeout(resolve, ms));

const exportsOf = (size = 1 << 20): ServedExport[] => [
  { reader: patternReader(size), blockSize: 512, exportId: 7 },
];

test("serveForever() waits for a gadget, serves it and goes on after a loss", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const host = serving(bus, exportsOf(), FAST);
  await host.seen("searching");
  for (let round = 1; round <= 3; round++) {
    bus.plug(gadget.plug());
    await host.seen("started", round);
    const bytes = await gadget.request(READ, 2 * round, 4);
    assert.ok(isRight(bytes, 1024 * round));
    gadget.unplug();
    const { reason, cause } = await host.seen("ended", round);
    assert.equal(reason, "lost");
    assert.ok(isCoded(cause, "smoo.lost"), String(cause));
  }
  await host.stop();
  assert.deepEqual(gadget.problems, []);
  assert.equal(gadget.configs, 1);
  assert.equal(bus.listeners, 0);
});

test("100 unplugs at random moments lose and double none of 16 reads", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const delay = async () => {
    if (Math.random() < 0.3) await soon(Math.random() * 3);
  };
  const reader = patternReader(1 << 20, delay);
  const host = serving(bus, [{ reader, blockSize: 512, exportId: 7 }], FAST);
  bus.plug(gadget.plug({ delay }));
  await host.seen("started");

  let unplugs = 0;
  let reads = 0;
  let wrong = 0;
  const work = Array.from({ length: 16 }, async () => {
    while (unplugs < 100) {
      const count = 1 + Math.floor(Math.random() * 64);
      const lba = Math.floor(Math.random() * (2048 - count));
      const bytes = await gadget.request(READ, lba, count);
      reads++;
      if (bytes.length !== count * 512 || !isRight(bytes, lba * 512)) wrong++;
    }
  });
  let full = 0;
  while (unplugs < 100) {
    // Every other time something is served in between, however slow the machine is.
    const before = reads;
    while (unplugs % 2 === 0 && reads === before) await soon(1);
    await soon(Math.random() * 12);
    if (gadget.outstanding === 16) full++;
    gadget.unplug();
    unplugs++;
    if (Math.random() < 0.3) await soon(Math.random() * 5);
    bus.plug(gadget.plug({ delay }));
  }
  await Promise.all(work);
  await host.stop();
  assert.equal(wrong, 0);
  assert.equal(gadget.unknown, 0);
  assert.deepEqual(gadget.problems, []);
  assert.equal(gadget.configs, 1);
  assert.ok(full > 50 && reads >= 50, `${full} times 16, ${reads} reads`);
  assert.ok(gadget.replays > 50, `${gadget.replays} asked again`);
  gadget.unplug();
});

test("a host that starts anew goes on where the one before was killed", async () => {
  const gadget = new SmooGadget({ livenessMs: 1000 });
  const device = gadget.plug();
  // Killed: it neither closes anything nor answers.
  const hung = new FakeBus();
  const never = patternReader(1 << 20, () => new Promise(() => {}));
  const first = serving(hung, [{ reader: never, blockSize: 512, exportId: 7 }]);
  hung.plug(device);
  await first.seen("started");
  const reads = [1, 2, 3].map((lba) => gadget.request(READ, lba, 1));
  while (gadget.requests < 3) await soon();

  hung.devices = [];
  await device.close();
  const bus = new FakeBus();
  bus.plug(device);
  const second = serving(bus, exportsOf(), FAST);
  for (const [i, read] of reads.entries()) {
    assert.ok(isRight(await read, 512 * (i + 1)));
  }
  assert.equal(gadget.configs, 1);
  assert.equal(gadget.replays, 3);
  assert.equal(gadget.unknown, 0);
  await second.stop();
  await first.stop();
  gadget.unplug();
});

test("a gadget of another session is served anew", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const host = serving(bus, exportsOf(), FAST);
  bus.plug(gadget.plug());
  await host.seen("started");
  gadget.sessionId = 5n;
  gadget.exports = [];
  const { reason, waitMs } = await host.seen("ended");
  assert.deepEqual([reason, waitMs], ["session-changed", 0]);
  await host.seen("started", 2);
  assert.ok(isRight(await gadget.request(READ, 9, 1), 9 * 512));
  assert.equal(gadget.configs, 2);
  await host.stop();
  gadget.unplug();
});

test("waits double to 5 s, and begin anew after a session that served", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const waits: number[] = [];
  const sleep = (ms: number, signal: AbortSignal) => {
    if (ms >= 500) waits.push(ms);
    return soon(Math.min(ms, 20)).then(() => signal.throwIfAborted());
  };
  const host = serving(bus, exportsOf(), { ...FAST, sleep });
  gadget.answers.set(1, () => Promise.resolve(undefined));
  bus.plug(gadget.plug());
  await host.seen("ended", 6);
  assert.deepEqual(waits.slice(0, 5), [500, 1000, 2000, 4000, 5000]);
  gadget.answers.clear();
  await host.seen("started");
  await gadget.request(READ, 1, 1);
  waits.length = 0;
  gadget.unplug();
  await host.seen("ended", 7);
  await settle();
  assert.equal(waits[0], 500);
  await host.stop();
});

test("a device that appears is served at once, one that nobody tells of soon", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  let waits = 0;
  // Waits of the loop never end by themselves.
  const sleep = async (ms: number, signal: AbortSignal) => {
    if (ms < 500) return await sleepFor(ms, signal);
    waits++;
    await new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  };
  const host = serving(bus, exportsOf(), { ...FAST, sleep });
  bus.plug(gadget.plug());
  await host.seen("started");
  for (let round = 2; round <= 5; round++) {
    gadget.unplug();
    // Before the host has seen the loss, and after.
    if (round > 3) await host.seen("ended", round - 1);
    bus.plug(gadget.plug());
    await host.seen("started", round);
  }
  assert.ok(waits > 0);
  await host.stop();

  const other = new FakeBus();
  other.silent = true;
  const quiet = serving(other, exportsOf(), FAST);
  await quiet.seen("searching");
  other.plug(gadget.plug());
  await quiet.seen("started");
  await quiet.stop();
  gadget.unplug();
});

test("stopping ends reads, closes the device and rejects with the reason", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  let release = () => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  const reader = patternReader(1 << 20, () => gate);
  const host = serving(bus, [{ reader, blockSize: 512, exportId: 7 }], FAST);
  const device = gadget.plug();
  bus.plug(device);
  await host.seen("started");
  for (let i = 0; i < 4; i++) gadget.request(READ, i, 1);
  await settle();
  host.cancel.abort("enough");
  await assert.rejects(host.done, (error) => error === "enough");
  assert.equal(device.opened, false);
  assert.equal(bus.listeners, 0);
  release();
  await settle();
  assert.equal(reader.aborted, 4);
  gadget.unplug();
});

test("leaving the loop stops serving", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const device = gadget.plug();
  bus.plug(device);
  for await (const event of serveForever(smooSource(bus), exportsOf())) {
    if (event.type === "started") break;
  }
  assert.equal(device.opened, false);
  assert.equal(bus.listeners, 0);
  gadget.unplug();
});

test("what can never be served is refused before anything is looked for", async () => {
  const bus = new FakeBus();
  const [one] = exportsOf();
  const cases: [ServedExport[], object, new () => Error][] = [
    [[one!, one!], {}, RangeError],
    [[{ ...one!, blockSize: 500 }], {}, RangeError],
    [
      [{ reader: one!.reader, blockSize: 512, writable: true } as never],
      {},
      TypeError,
    ],
    [[one!], { heartbeatMs: 0 }, RangeError],
  ];
  for (const [exports, options, type] of cases) {
    const all = serveForever(smooSource(bus), exports, options);
    await assert.rejects(all.next(), type);
  }
  assert.equal(bus.looks, 0);
});

test("each failed read is an event, good ones only when they are wanted", async () => {
  for (const everyRequest of [false, true]) {
    const bus = new FakeBus();
    const gadget = new SmooGadget();
    const host = serving(bus, exportsOf(), { ...FAST, everyRequest });
    bus.plug(gadget.plug());
    await host.seen("started");
    await gadget.request(READ, 0, 1);
    await assert.rejects(gadget.request(READ, 2048, 1), new Errno(22));
    await host.seen("answered", everyRequest ? 2 : 1);
    const { report } = await host.seen("statistics");
    assert.equal(report.requests.read, 2);
    assert.equal(report.failed, 1);
    const told = host.events.flatMap((e) =>
      e.type === "answered" ? e.status : []
    );
    assert.deepEqual(told, everyRequest ? [0, 22] : [22]);
    await host.stop();
    gadget.unplug();
  }
});

test("events that nobody takes do not pile up, whatever the phone sends", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const cancel = new AbortController();
  const { signal } = cancel;
  const events = serveForever(smooSource(bus), exportsOf(), {
    ...FAST,
    signal,
  });
  bus.plug(gadget.plug());
  while ((await events.next()).value.type !== "started");
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 50; i++) gadget.sendRaw(new Uint8Array(5));
    assert.ok(isRight(await gadget.request(READ, round, 1), 512 * round));
  }
  cancel.abort("enough");
  let strays = 0;
  await assert.rejects(async () => {
    for (;;) if ((await events.next()).value.type === "stray") strays++;
  }, (error) => error === "enough");
  assert.ok(strays > 900 && strays <= 1000, `${strays}`);
  gadget.unplug();
});
