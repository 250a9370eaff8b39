import assert from "node:assert/strict";
import test from "node:test";
import { within } from "../../../tests/conformance/controlled_source.ts";
import { isCoded } from "../../errors.ts";
import { ByteSource, type ByteStream } from "../../usb/usbip/stream.ts";
import { connectTcp, listenTcp } from "./tcp.ts";

async function pair(): Promise<[ByteStream, ByteStream]> {
  const listener = await listenTcp();
  const connections = listener.connections.getReader();
  const client = await connectTcp("127.0.0.1", listener.port);
  const server = (await connections.read()).value!;
  listener.close();
  return [client, server];
}

function numbered(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 255;
  return bytes;
}

test("a TCP stream carries bytes both ways at once, in order, at any size of chunks", async () => {
  const ends = await pair();
  const sizes = [1, 48, 65536, 1 << 20, 3, 0, 4097, 3 << 20, 28];
  await Promise.all(ends.flatMap((stream, side) => [
    (async () => {
      const writer = stream.writable.getWriter();
      for (const [seed, size] of sizes.entries()) {
        await writer.write(numbered(size, seed + 100 * side));
      }
    })(),
    (async () => {
      const source = new ByteSource(stream.readable);
      for (const [seed, size] of sizes.entries()) {
        const into = new Uint8Array(size);
        assert.equal(await source.fill(into), size);
        const expected = numbered(size, seed + 100 * (1 - side));
        assert.ok(Buffer.compare(into, expected) === 0, `chunk ${seed}`);
      }
    })(),
  ]));
  for (const stream of ends) stream.close();
});

test("a TCP stream does not take more than its reader can hold", async () => {
  const [client, server] = await pair();
  const writer = client.writable.getWriter();
  const piece = new Uint8Array(1 << 20);
  let written = 0;
  const writing = (async () => {
    for (;;) {
      await writer.write(piece);
      written++;
    }
  })().catch(() => {});
  // What the kernel and both sides hold, and nothing beyond.
  let before = -1;
  for (let i = 0; i < 50 && before !== written; i++) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(written, before, "it still takes more");
  assert.ok(written < 64, `${written} MiB were taken`);
  // And it goes on when somebody reads, at the latest when all of that is read.
  const reader = server.readable.getReader();
  await within(
    10_000,
    (async () => {
      while (written === before) await reader.read();
    })(),
  );
  client.close();
  server.close();
  await writing;
});

test("a TCP stream ends for the other side when it is closed, at once", async () => {
  const [client, server] = await pair();
  const reader = server.readable.getReader();
  const mine = client.readable.getReader();
  const writer = server.writable.getWriter();
  const closed = writer.closed.catch(() => "failed");
  const ends = [reader.read(), mine.read()].map((read) =>
    read.then(({ done }) => done, () => true)
  );
  client.close();
  client.close();
  assert.deepEqual(await Promise.all(ends), [true, true]);
  assert.equal(await closed, "failed");
  await assert.rejects(async () => {
    for (;;) await client.writable.getWriter().write(new Uint8Array(1));
  });
  server.close();
});

test("a TCP stream ends with all that was written before the end", async () => {
  const [client, server] = await pair();
  const writer = client.writable.getWriter();
  const bytes = numbered(5 << 20, 1);
  const written = writer.write(bytes).then(() => writer.close());
  const into = new Uint8Array(bytes.length + 1);
  const found = await new ByteSource(server.readable).fill(into);
  assert.equal(found, bytes.length);
  assert.ok(Buffer.compare(into.subarray(0, found), bytes) === 0);
  await written;
  client.close();
  server.close();
});

test("cancelling the reader closes a TCP stream", async () => {
  const [client, server] = await pair();
  await client.readable.cancel();
  const { done } = await server.readable.getReader().read()
    .catch(() => ({ done: true }));
  assert.equal(done, true);
  server.close();
});

test("connectTcp() tells when nobody listens, and leaves when it is told to", async () => {
  const { port, close } = await listenTcp();
  close();
  await assert.rejects(
    connectTcp("127.0.0.1", port),
    (error) => isCoded(error, "usb.unreachable"),
  );
  const reason = new Error("enough");
  await assert.rejects(
    connectTcp("127.0.0.1", port, { signal: AbortSignal.abort(reason) }),
    reason,
  );
  const listener = await listenTcp();
  const leaver = new AbortController();
  const connecting = connectTcp("127.0.0.1", listener.port, leaver);
  leaver.abort(reason);
  await assert.rejects(connecting, reason);
  listener.close();
});

test("listenTcp() says what else to choose", async () => {
  const { port, close } = await listenTcp();
  for (
    const [where, advice] of [
      [{ port }, "port"],
      [{ host: "no-such-host.invalid" }, "address of this machine"],
    ] as const
  ) {
    await assert.rejects(listenTcp(where), (error) => {
      assert.ok(isCoded(error, "usb.unreachable"));
      assert.match(error.message, new RegExp(`; choose another ${advice}$`));
      return true;
    });
  }
  close();
});

test("listenTcp() gives many connections and ends when it is closed", async () => {
  const listener = await listenTcp();
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => connectTcp("127.0.0.1", listener.port)),
  );
  let count = 0;
  for await (const stream of listener.connections) {
    stream.close();
    if (++count === 5) listener.close();
  }
  assert.equal(count, 5);
  listener.close();
  for (const client of clients) client.close();
});
