import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { within } from "../../../tests/conformance/controlled_source.ts";
import { pattern } from "../../../tests/conformance/usb_device.ts";
import {
  hexOf,
  retSubmit,
  retUnlink,
  Script,
} from "../../../tests/support/usb_script.ts";
import { type ErrorCode, isCoded } from "../../errors.ts";
import { UsbIpConnection } from "./connection.ts";
import type { Urb } from "./urb.ts";

const irqIn = {
  endpoint: 1,
  direction: "in",
  length: 28,
  interval: 8,
} as const;
const bulkIn = {
  endpoint: 6,
  direction: "in",
  length: 64,
  interval: 0,
} as const;

function bulkOut(data: Uint8Array): Urb {
  const { length } = data;
  return { endpoint: 7, direction: "out", length, data, interval: 0 };
}

function connect(devid?: number): [Script, UsbIpConnection] {
  const script = new Script();
  return [script, new UsbIpConnection(script.client, devid)];
}

const rejects = (work: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(work, (error) => isCoded(error, code));

test("UsbIpConnection writes an OUT with its data", async () => {
  const [script, connection] = connect(0x10002);
  const done = connection.submit(bulkOut(Uint8Array.of(0xaa, 0xbb)));
  // Documentation/usb/usbip_protocol.rst: command seqnum devid direction ep,
  // flags length start_frame number_of_packets interval setup
  assert.equal(
    await script.read(50),
    "00000001" + "00000001" + "00010002" + "00000000" + "00000007" +
      "00000000" + "00000002" + "00000000" + "ffffffff" + "00000000" +
      "0000000000000000" + "aabb",
  );
  script.write(retSubmit(1, { length: 2 }));
  const { status, actualLength, data } = await done;
  assert.deepEqual([status, actualLength, data.length], [0, 2, 0]);
  connection.close();
});

test("UsbIpConnection writes an interrupt IN with its interval, and takes its data", async () => {
  const [script, connection] = connect();
  const done = connection.submit(irqIn);
  assert.equal(
    await script.read(48),
    "00000001" + "00000001" + "00000000" + "00000001" + "00000001" +
      "00000000" + "0000001c" + "00000000" + "ffffffff" + "00000008" +
      "0000000000000000",
  );
  script.write(retSubmit(1, { data: "010203" }));
  const { actualLength, data } = await done;
  assert.deepEqual([actualLength, ...data], [3, 1, 2, 3]);
  connection.close();
});

test("UsbIpConnection matches replies by seqnum, in any order and any pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }),
      fc.integer({ min: 1, max: 60 }),
      async (order, step) => {
        const [script, connection] = connect();
        const all = order.map(() => connection.submit(bulkIn));
        const wire = order
          .map((n) => retSubmit(n, { data: hexOf(pattern(n * 3, n)) }))
          .join("");
        for (let at = 0; at < wire.length; at += 2 * step) {
          script.write(wire.slice(at, at + 2 * step));
        }
        for (const [index, result] of all.entries()) {
          const { data } = await result;
          assert.deepEqual([...data], [...pattern((index + 1) * 3, index + 1)]);
        }
        connection.close();
      },
    ),
    { numRuns: 50 },
  );
});

test("UsbIpConnection takes an URB back, and goes on", async () => {
  const [script, connection] = connect();
  const leaver = new AbortController();
  const left = connection.submit(irqIn, leaver.signal);
  await script.read(48);
  const reason = new Error("enough");
  leaver.abort(reason);
  await assert.rejects(left, reason);
  assert.equal(
    await script.read(48),
    "00000002" + "00000002" + "00000000" + "00000001" + "00000001" +
      "00000001" + "00".repeat(24),
  );
  script.write(retUnlink(2, -104));
  const next = connection.submit(bulkIn);
  await script.read(48);
  script.write(retSubmit(3, { data: "01" }));
  assert.equal((await next).actualLength, 1);
  connection.close();
});

test("UsbIpConnection passes over the data of an URB that was taken back too late", async () => {
  const [script, connection] = connect();
  const leaver = new AbortController();
  const left = connection.submit(bulkIn, leaver.signal);
  const next = connection.submit(bulkIn);
  leaver.abort();
  await assert.rejects(left, { name: "AbortError" });
  script.write(
    retSubmit(1, { data: "aabbcc" }) + retSubmit(2, { data: "01" }) +
      retUnlink(3, 0),
  );
  assert.deepEqual([...(await next).data], [1]);
  // The seqnum is unknown from now on.
  script.write(retSubmit(1, { data: "aabbcc" }));
  assert.ok(isCoded(await connection.ended, "usb.bad-reply"));
});

test("UsbIpConnection leaves while the data of the URB come in", async () => {
  const [script, connection] = connect();
  const leaver = new AbortController();
  const left = connection.submit(bulkIn, leaver.signal);
  const wire = retSubmit(1, { data: "aabbcc" });
  script.write(wire.slice(0, -2));
  await script.read(48);
  await new Promise((resolve) => setTimeout(resolve, 5));
  leaver.abort();
  await assert.rejects(left, { name: "AbortError" });
  script.write(wire.slice(-2) + retUnlink(2, 0));
  const next = connection.submit(bulkIn);
  script.write(retSubmit(3, { data: "01" }));
  assert.deepEqual([...(await next).data], [1]);
  connection.close();
});

test("UsbIpConnection is not touched by a signal that is aborted before or behind", async () => {
  const [script, connection] = connect();
  await assert.rejects(connection.submit(bulkIn, AbortSignal.abort()), {
    name: "AbortError",
  });
  const leaver = new AbortController();
  const done = connection.submit(bulkIn, leaver.signal);
  script.write(retSubmit(1));
  await done;
  leaver.abort();
  connection.submit(bulkIn).catch(() => {});
  const wire = await script.read(96);
  assert.equal(wire.slice(0, 16), "0000000100000001");
  assert.equal(wire.slice(96, 112), "0000000100000002");
  connection.close();
});

const LIES: Record<string, string> = {
  "an unknown command": "00000005" + "00".repeat(44),
  "a request": "00000001" + "00".repeat(44),
  "an unknown seqnum": retSubmit(77),
  "seqnum 0": retSubmit(0),
  "more data than asked for": retSubmit(1, { length: 65 }),
  "4 GiB of data": retSubmit(1, { length: 0xffffffff }),
  "more written than was sent": retSubmit(2, { length: 4 }),
  "a positive status": retSubmit(1, { status: 32 }),
  "an answer to an UNLINK that was not sent": retUnlink(1, 0),
};

for (const [what, wire] of Object.entries(LIES)) {
  test(`UsbIpConnection ends when it reads ${what}`, async () => {
    const [script, connection] = connect();
    const waiting = [
      connection.submit(bulkIn),
      connection.submit(bulkOut(new Uint8Array(3))),
    ];
    const ended = waiting.map((one) => rejects(one, "usb.bad-reply"));
    script.write(wire);
    await Promise.all(ended);
    assert.ok(isCoded(await connection.ended, "usb.bad-reply"));
    await rejects(connection.submit(bulkIn), "usb.bad-reply");
  });
}

test("UsbIpConnection ends with the stream, wherever it is cut", async () => {
  const wire = retSubmit(1, { data: hexOf(pattern(40, 1)) });
  for (let cut = 0; cut < wire.length; cut += 2) {
    const [script, connection] = connect();
    const waiting = [connection.submit(bulkIn), connection.submit(irqIn)];
    const ended = waiting.map((one) => rejects(one, "usb.disconnected"));
    script.write(wire.slice(0, cut));
    // A stream that is terminated drops what nobody has read.
    if (cut > 0) await new Promise((resolve) => setTimeout(resolve));
    script.end();
    await Promise.all(ended);
    await rejects(connection.submit(bulkIn), "usb.disconnected");
  }
});

test("UsbIpConnection survives any bytes of a server", async () => {
  let replies = 0;
  const word = fc.oneof(
    fc.nat(8),
    fc.constantFrom(0xffffffff, 0xffffffe0, 0x80000000, 64, 65),
  );
  const message = fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 100 }).map(hexOf) },
    {
      weight: 8,
      arbitrary: fc.tuple(
        fc.constantFrom(3, 3, 3, 4, 0),
        fc.array(word, { minLength: 11, maxLength: 11 }),
        fc.nat(64),
      ).map(([command, words, more]) =>
        [command, ...words].map((one) =>
          (one >>> 0).toString(16).padStart(8, "0")
        ).join("") + "5a".repeat(more)
      ),
    },
    {
      weight: 8,
      arbitrary: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(64)).map((
        [seqnum, length],
      ) => retSubmit(seqnum, { data: "5a".repeat(length) })),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 8 }), async (messages) => {
      const [script, connection] = connect();
      const all = Array.from(
        { length: 4 },
        () => connection.submit(bulkIn).catch((error: unknown) => error),
      );
      for (const one of messages) script.write(one);
      await new Promise((resolve) => setTimeout(resolve));
      script.end();
      for (const one of all) {
        const result = await one;
        if (result instanceof Error) assert.ok(isCoded(result), String(result));
        else replies++;
      }
      assert.ok(isCoded(await connection.ended));
    }),
    { numRuns: 400 },
  );
  assert.ok(replies > 50, `${replies} replies were accepted`);
});

test("UsbIpConnection lets the other side set the pace", async () => {
  const [script, connection] = connect();
  const data = pattern(32 << 10, 1);
  const all = Array.from({ length: 8 }, () => connection.submit(bulkOut(data)));
  // Nobody reads for a while: nothing is lost, nothing doubled.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let n = 1; n <= 8; n++) {
    const header = await script.read(48);
    assert.equal(header.slice(8, 16), n.toString(16).padStart(8, "0"));
    assert.equal(await script.read(data.length), hexOf(data));
    script.write(retSubmit(n, { length: data.length }));
  }
  for (const one of all) assert.equal((await one).actualLength, data.length);
  connection.close();
});

test("close() rejects all that is under way and tells why", async () => {
  const [script, connection] = connect();
  const waiting = [irqIn, bulkIn, bulkOut(new Uint8Array(9))].map((urb) =>
    rejects(connection.submit(urb), "usb.closed")
  );
  connection.close();
  connection.close();
  await Promise.all(waiting);
  assert.ok(isCoded(await connection.ended, "usb.closed"));
  assert.equal(await script.read(1), "");
});

test("close() ends the stream behind a whole message, and drops those behind it", async () => {
  const [script, connection] = connect();
  const data = pattern(100_000, 1);
  const waiting = Array.from(
    { length: 3 },
    () => rejects(connection.submit(bulkOut(data)), "usb.closed"),
  );
  await script.read(48 + 10);
  const closed = connection.close();
  await Promise.all(waiting);
  const rest = (await script.read(1 << 20)).length / 2 + 48 + 10;
  assert.equal(rest % (48 + data.length), 0);
  assert.ok(rest < 3 * (48 + data.length));
  await closed;
});

test("close() waits a second at most for a server that does not read", async () => {
  const [script, connection] = connect();
  const waiting = rejects(
    connection.submit(bulkOut(pattern(1 << 20, 1))),
    "usb.closed",
  );
  const closed = connection.close();
  const first = await Promise.race([
    waiting.then(() => "rejected"),
    closed.then(() => "closed"),
  ]);
  assert.equal(first, "rejected", "URBs are rejected at once");
  await within(10_000, closed);
  script.end();
});
