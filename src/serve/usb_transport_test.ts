import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "../../tests/conformance/controlled_source.ts";
import type {
  SmooDeviceOptions,
  Speed,
} from "../../tests/support/smoo_device.ts";
import {
  DISCARD,
  Errno,
  FLUSH,
  READ,
  SmooGadget,
  WRITE,
} from "../../tests/support/smoo_gadget.ts";
import { isRight, patternReader } from "../../tests/support/smoo_serving.ts";
import type { BlockReader } from "../block/reader.ts";
import { isCoded } from "../errors.ts";
import type { ServedExport, ServeEvent, ServeOptions } from "./events.ts";
import { ServeHistory } from "./history.ts";
import { serveExports } from "./host.ts";
import type { SmooTransportOptions } from "./usb_transport.ts";
import { openSmooTransport } from "./usb_transport.ts";

const sleep = (ms: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, ms));

const exportOf = (
  reader: BlockReader = patternReader(8 << 20),
  blockSize = 512,
): ServedExport => ({ reader, blockSize, exportId: 7 });

async function start(
  device: SmooDeviceOptions = {},
  served: readonly ServedExport[] = [exportOf()],
  options: ServeOptions & SmooTransportOptions = {},
) {
  const gadget = new SmooGadget();
  const usb = gadget.plug(device);
  const transport = await openSmooTransport(usb, options);
  const cancel = new AbortController();
  const events: ServeEvent[] = [];
  let started = () => {};
  const ready = new Promise<void>((resolve) => started = resolve);
  const end = serveExports(transport, served, {
    signal: cancel.signal,
    heartbeatMs: 20,
    ...options,
    onEvent: (event) => {
      events.push(event);
      if (event.type === "started") started();
    },
  });
  end.catch(() => {});
  await Promise.race([ready, end]);
  return {
    gadget,
    usb,
    events,
    end,
    async stop() {
      cancel.abort("stopped");
      await assert.rejects(end, (error) => error === "stopped");
      await transport.close();
      gadget.unplug();
      assert.deepEqual(gadget.problems, []);
      assert.equal(gadget.unknown, 0);
    },
  };
}

test("the interface is found by its descriptors and begun anew", async () => {
  const device = {
    configurationValue: 3,
    interfaceNumber: 5,
    endpointNumbers: [9, 9, 14, 2],
    triple: [0xff, 0x42, 0x03],
  } as const;
  const { gadget, usb, stop } = await start(device);
  assert.deepEqual(usb.calls, [
    "open",
    "configuration 3",
    "claim 5",
    "alternate 5 0",
  ]);
  assert.ok(isRight(await gadget.request(READ, 3, 2), 1536));
  await stop();
  assert.deepEqual(usb.calls.slice(4), ["close"]);

  // What is set already is left as it is.
  const again = gadget.plug(device);
  await again.open();
  await again.selectConfiguration(3);
  again.calls.length = 0;
  const transport = await openSmooTransport(again);
  assert.deepEqual(again.calls, ["claim 5", "alternate 5 0"]);
  assert.equal(transport.found.mimicsFastboot, true);
  await transport.close();
  await transport.close();
  assert.deepEqual(again.calls.slice(2), ["close"]);
  gadget.unplug();
});

test("a device that refuses SET_INTERFACE has its endpoints cleared", async () => {
  const refused: string[] = [];
  const { gadget, usb, stop } = await start(
    { refuseAlternate: true },
    undefined,
    { onRefused: (what) => refused.push(what) },
  );
  assert.deepEqual(refused, ["select the alternate setting"]);
  assert.deepEqual(usb.calls.slice(3), [
    "alternate 0 0",
    "clear in 1",
    "clear out 2",
    "clear in 6",
    "clear out 7",
  ]);
  assert.ok(isRight(await gadget.request(READ, 3, 2), 1536));
  await stop();
});

test("what is no gadget, or cannot be opened, is left closed", async () => {
  const other = new SmooGadget().plug({ triple: [0xff, 0x42, 0x04] });
  await assert.rejects(openSmooTransport(other), (error) => {
    assert.ok(isCoded(error, "smoo.no-interface"));
    return true;
  });
  assert.equal(other.opened, false);

  const steps = [
    "open",
    "selectConfiguration",
    "claimInterface",
  ] as const;
  for (const step of steps) {
    for (const hangs of [false, true]) {
      const device = new SmooGadget().plug({ serialNumber: "S" });
      device[step] = () =>
        hangs ? new Promise(() => {}) : Promise.reject(new Error("busy"));
      const opening = openSmooTransport(device, { timeoutMs: 10 });
      await assert.rejects(opening, (error) => {
        assert.ok(isCoded(error, "smoo.open-failed"));
        assert.match(error.message, /of 18d1:d00d "S": (busy|it took longer)/);
        return true;
      });
      assert.equal(device.opened, false);
    }
    const device = new SmooGadget().plug();
    device[step] = () => new Promise(() => {});
    const cancel = new AbortController();
    const opening = openSmooTransport(device, { signal: cancel.signal });
    await settle();
    cancel.abort("no more");
    await assert.rejects(opening, (error) => error === "no more");
    assert.equal(device.opened, false);
  }
});

test("a device that opens when nobody waits any more is closed again", async () => {
  for (const cancelled of [false, true]) {
    const device = new SmooGadget().plug();
    const open = device.open.bind(device);
    let late = () => {};
    device.open = () =>
      new Promise<void>((resolve) => late = resolve).then(open);
    const cancel = new AbortController();
    const opening = openSmooTransport(device, {
      signal: cancel.signal,
      timeoutMs: cancelled ? 10_000 : 10,
    });
    if (cancelled) cancel.abort("no more");
    await assert.rejects(opening);
    late();
    await settle();
    assert.deepEqual(device.calls, ["open", "close"]);
    assert.equal(device.opened, false);
  }
});

test("reads are right at every speed, sizes of whole packets and others", async () => {
  const counts = [1, 2, 3, 4, 7, 8, 128, 129, 2048, 2049, 4100];
  for (const speed of ["full", "high", "super"] as Speed[]) {
    for (const maxTransferBytes of [1024, 5000, 1 << 20]) {
      const { gadget, usb, stop } = await start(
        { speed },
        undefined,
        { maxTransferBytes },
      );
      await Promise.all(counts.map(async (count, i) => {
        const bytes = await gadget.request(READ, 10 * i, count);
        assert.equal(bytes.length, 512 * count);
        assert.ok(isRight(bytes, 5120 * i), `${speed} ${count}`);
      }));
      for (const length of usb.bulkOutLengths) {
        assert.ok(length > 0 && length <= maxTransferBytes, `${length} bytes`);
      }
      await stop();
    }
  }
});

test("payloads that wait are joined, unless a packet would hold two", async () => {
  // 512 bytes are a whole packet at high speed and half of one at SuperSpeed.
  const cases = [["high", 1, 40], ["super", 64, 64]] as const;
  for (const [speed, least, most] of cases) {
    const { gadget, usb, stop } = await start({ speed, delay: () => sleep(3) });
    const reads = Array.from(
      { length: 64 },
      (_, i) => gadget.request(READ, i, 1),
    );
    for (const [i, read] of reads.entries()) {
      assert.ok(isRight(await read, 512 * i));
    }
    const { length } = usb.bulkOutLengths;
    assert.ok(length >= least && length <= most, `${length} transfers`);
    await stop();
  }
});

test("transfers that are joined, one behind the other, keep their bytes", async () => {
  const { gadget, usb, stop } = await start({ delay: () => sleep(1) });
  for (let round = 0; round < 4; round++) {
    const reads = Array.from(
      { length: 48 },
      (_, i) => gadget.request(READ, 300 * i + round, 280),
    );
    for (const [i, read] of reads.entries()) {
      assert.ok(isRight(await read, 512 * (300 * i + round)), `read ${i}`);
    }
  }
  const joined = usb.bulkOutLengths.filter((length) => length > 280 * 512);
  assert.ok(joined.length > 10, `${joined.length} joined transfers`);
  await stop();
});

test("writes, flushes and discards are refused, and the stream stays aligned", async () => {
  const { gadget, stop } = await start();
  const payload = new Uint8Array(3 * 512).fill(9);
  await assert.rejects(gadget.request(WRITE, 1, 3, { payload }), new Errno(95));
  await assert.rejects(gadget.request(DISCARD, 1, 3), new Errno(95));
  await gadget.request(FLUSH, 0, 0);
  const big = new Uint8Array(5000 * 512);
  await assert.rejects(
    gadget.request(WRITE, 0, 5000, { payload: big }),
    new Errno(95),
  );
  assert.ok(isRight(await gadget.request(READ, 1, 3), 512));
  assert.equal(gadget.exports[0]!.flags, 1n);
  await stop();
});

test("a failed read is followed by a good one", async () => {
  const reader = patternReader(8 << 20);
  const read = reader.read.bind(reader);
  reader.read = (offset, into, options) => {
    if (offset === 512) return Promise.reject(new Error("bad sector"));
    return read(offset, into, options);
  };
  const { gadget, stop } = await start({}, [exportOf(reader)]);
  for (let i = 0; i < 5; i++) {
    await assert.rejects(gadget.request(READ, 1, 1), new Errno(5));
    assert.ok(isRight(await gadget.request(READ, 2, 3), 1024));
  }
  await stop();
});

test("a message that is no Request is taken whole, whatever its length", async () => {
  const { gadget, events, stop } = await start();
  for (const length of [64, 1, 1000, 29]) {
    gadget.sendRaw(new Uint8Array(length));
  }
  assert.ok(isRight(await gadget.request(READ, 3, 1), 1536));
  const strays = events.flatMap((e) => e.type === "stray" ? e.length : []);
  assert.deepEqual(strays, [64, 1, 1000, 29]);
  await stop();
});

test("what a session leaves unanswered is not counted as under way", async () => {
  const history = new ServeHistory();
  const reader = patternReader(8 << 20, () => new Promise(() => {}));
  const { gadget, end } = await start({}, [exportOf(reader)], { history });
  for (let i = 0; i < 5; i++) gadget.request(READ, i, 1).catch(() => {});
  await settle();
  assert.equal(history.statistics.inFlight, 5);
  gadget.unplug();
  await assert.rejects(end);
  assert.equal(history.statistics.inFlight, 0);
  assert.equal(history.statistics.answered, 0);
});

test("work that ends after its session is not counted twice", async () => {
  const history = new ServeHistory();
  let flushed = () => {};
  const gate = new Promise<void>((resolve) => flushed = resolve);
  const { read, ...about } = patternReader(8 << 20);
  const reader = {
    ...about,
    read,
    write: () => Promise.resolve(),
    flush: () => gate,
  };
  const { gadget, end } = await start({}, [
    { reader, blockSize: 512, exportId: 7, writable: true },
  ], { history });
  // The second one takes the id of the first.
  for (const lba of [1, 2]) {
    const message = new Uint8Array(28);
    message.set([FLUSH], 0);
    message.set([7], 8);
    message.set([lba], 12);
    gadget.sendRaw(message);
  }
  await settle();
  assert.equal(history.statistics.inFlight, 2);
  gadget.unplug();
  await assert.rejects(end);
  assert.equal(history.statistics.inFlight, 0);
  flushed();
  await settle();
  assert.equal(history.statistics.inFlight, 0);
});

test("a halt of interrupt IN is cleared, and no message is lost", async () => {
  const { gadget, usb, stop } = await start();
  for (let round = 0; round < 3; round++) {
    // Eight transfers are under way already; the next is the one that finds the halt.
    usb.faults.push(["interruptIn", "stall"]);
    const reads = Array.from(
      { length: 16 },
      (_, i) => gadget.request(READ, i, 1),
    );
    for (const [i, read] of reads.entries()) {
      assert.ok(isRight(await read, 512 * i));
    }
  }
  assert.equal(usb.calls.filter((call) => call === "clear in 1").length, 3);
  await stop();
});

test("a halt of interrupt IN that comes again at once ends the session", async () => {
  const { gadget, usb, end } = await start();
  const wakes = Array.from({ length: 8 }, (_, i) => gadget.request(READ, i, 1));
  for (let i = 0; i < 20; i++) usb.faults.push(["interruptIn", "stall"]);
  Promise.all(wakes).catch(() => {});
  await assert.rejects(end, (error) => {
    assert.ok(isCoded(error, "smoo.lost"));
    assert.match(error.message, /interrupt IN/);
    return true;
  });
  assert.equal(usb.calls.filter((call) => call === "clear in 1").length, 1);
  gadget.unplug();
});

test("a fault on any other pipe ends the session", async () => {
  const cases = [
    ["interruptOut", "stall", "smoo.lost"],
    ["interruptOut", "fail", "smoo.lost"],
    ["interruptOut", "short", "smoo.short-transfer"],
    ["bulkOut", "stall", "smoo.lost"],
    ["bulkOut", "fail", "smoo.lost"],
    ["bulkOut", "short", "smoo.short-transfer"],
    ["bulkIn", "stall", "smoo.lost"],
    ["bulkIn", "fail", "smoo.lost"],
    ["bulkIn", "short", "smoo.short-transfer"],
    ["interruptIn", "fail", "smoo.lost"],
  ] as const;
  for (const [pipe, fault, code] of cases) {
    const { gadget, usb, end } = await start();
    usb.faults.push([pipe, fault]);
    if (pipe === "interruptIn") await gadget.request(READ, 0, 1);
    const payload = new Uint8Array(512);
    const request = pipe === "bulkIn"
      ? gadget.request(WRITE, 0, 1, { payload })
      : gadget.request(READ, 0, 1);
    request.catch(() => {});
    // The eight messages that are waited for already come first.
    if (pipe === "interruptIn") {
      for (let i = 0; i < 8; i++) gadget.request(READ, i, 1).catch(() => {});
    }
    await assert.rejects(end, (error) => {
      assert.ok(isCoded(error, code), `${pipe} ${fault}: ${error}`);
      return true;
    });
    gadget.unplug();
  }
});

test("transfers that hang do not keep a session from being stopped", async () => {
  for (const pipe of ["interruptOut", "bulkOut"] as const) {
    const { gadget, usb, stop } = await start();
    usb.faults.push([pipe, "hang"]);
    gadget.request(READ, 0, 1).catch(() => {});
    await settle();
    await stop();
    assert.equal(usb.opened, false);
  }
});

test("closing takes no longer than it may", async () => {
  const gadget = new SmooGadget();
  const usb = gadget.plug();
  const transport = await openSmooTransport(usb);
  usb.close = () => new Promise(() => {});
  const start = performance.now();
  await transport.close();
  assert.ok(performance.now() - start < 10_000);
  gadget.unplug();
});

test("a writable export takes writes, and gives what was written", async () => {
  const bytes = new Uint8Array(1 << 20);
  const done: string[] = [];
  const reader = {
    name: "scratch",
    identity: "scratch:1",
    blockSize: 512,
    size: bytes.length,
    read(offset: number, into: Uint8Array) {
      into.set(bytes.subarray(offset, offset + into.length));
      return Promise.resolve(into.length);
    },
    async write(offset: number, from: Uint8Array) {
      await sleep(1);
      if (offset === 0) throw new RangeError("the first block is mine");
      bytes.set(from, offset);
    },
    flush() {
      done.push("flush");
      return Promise.resolve();
    },
    discard(offset: number, length: number) {
      done.push(`discard ${offset} ${length}`);
      return Promise.resolve();
    },
  };
  const { gadget, stop } = await start({ delay: () => sleep(1) }, [
    { reader, blockSize: 512, exportId: 7, writable: true },
  ]);
  assert.equal(gadget.exports[0]!.flags, 0n);
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const payload = new Uint8Array(512 * (i + 1)).fill(i + 1);
    await gadget.request(WRITE, 1 + 45 * i, i + 1, { payload });
  }));
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const found = await gadget.request(READ, 1 + 45 * i, i + 1);
    assert.ok(found.every((byte) => byte === i + 1), `write ${i}`);
  }));
  await gadget.request(FLUSH, 0, 0);
  await gadget.request(DISCARD, 4, 2);
  assert.deepEqual(done, ["flush", "discard 2048 1024"]);
  const one = new Uint8Array(512);
  await assert.rejects(
    gadget.request(WRITE, 0, 1, { payload: one }),
    new Errno(22),
  );
  await assert.rejects(
    gadget.request(WRITE, 2048, 1, { payload: one }),
    new Errno(22),
  );
  await assert.rejects(gadget.request(DISCARD, 2047, 2), new Errno(22));
  assert.equal((await gadget.request(READ, 2047, 1)).length, 512);
  await stop();
});

test("timers get their turn while everything comes from memory", async () => {
  const { gadget, events, stop } = await start({}, undefined, {
    heartbeatMs: 30,
  });
  const beats = () => events.filter(({ type }) => type === "status").length;
  const until = performance.now() + 10_000;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (beats() < 3 && performance.now() < until) {
      await gadget.request(READ, 5, 8);
    }
  }));
  assert.ok(performance.now() < until, `${beats()} heartbeats in 10 s`);
  await stop();
});
