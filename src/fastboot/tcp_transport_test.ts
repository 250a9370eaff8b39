import assert from "node:assert/strict";
import test from "node:test";
import {
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../phone/fastboot_device.ts";
import { serveFastbootTcp } from "../phone/fastboot_tcp.ts";
import type { ByteStream } from "../usb/usbip/stream.ts";
import { Script } from "../../tests/support/usb_script.ts";
import { streamPair } from "../../tests/support/usb_streams.ts";
import { FastbootClient } from "./client.ts";
import { openFastbootTcp } from "./tcp_transport.ts";

const IMAGE = Uint8Array.from({ length: 3 << 20 }, (_, at) => at >> 3);
const hex = (text: string) =>
  Array.from(
    new TextEncoder().encode(text),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
const packet = (text: string) =>
  text.length.toString(16).padStart(16, "0") + hex(text);

function connect(
  options: FastbootDeviceOptions = {},
  through: (stream: ByteStream) => ByteStream = (stream) => stream,
) {
  const [client, server] = streamPair();
  const end = serveFastbootTcp(server, new FastbootDevice(options));
  return { end, stream: through(client) };
}

test("the TCP transport says what the protocol says, byte for byte", async () => {
  const script = new Script();
  const opening = openFastbootTcp(script.client, "tcp:there");
  assert.equal(await script.read(4), hex("FB01"));
  script.write(hex("FB01"));
  const client = new FastbootClient(await opening);
  const version = client.getvar("version");
  assert.equal(await script.read(8 + 14), packet("getvar:version"));
  script.write(packet("OKAY0.4"));
  assert.equal(await version, "0.4");
  const none = client.getvar("none");
  assert.equal(await script.read(8 + 11), packet("getvar:none"));
  script.write(packet("FAILUnknown variable"));
  await assert.rejects(none, { code: "fastboot.failed" });
  script.end();
});

test("the TCP transport downloads and boots", async () => {
  const { stream, end } = connect();
  const transport = await openFastbootTcp(stream, "tcp:there");
  const client = new FastbootClient(transport);
  const sent: number[] = [];
  await client.download(IMAGE, { onProgress: (now) => sent.push(now.sent) });
  await client.boot();
  await client.close();
  assert.deepEqual(sent, [1 << 20, 2 << 20, 3 << 20]);
  assert.deepEqual(await end, { why: "left", image: IMAGE });
});

test("the TCP transport reads replies byte by byte, and many at once", async () => {
  const torn = (stream: ByteStream): ByteStream => ({
    ...stream,
    readable: stream.readable.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          for (const byte of chunk) controller.enqueue(Uint8Array.of(byte));
        },
      }),
    ),
  });
  const options = {
    variables: { a: "1" },
    faults: [{ at: "getvar:a", before: ["INFOx", "INFOy"] }],
  };
  const { stream } = connect(options, torn);
  const slow = new FastbootClient(await openFastbootTcp(stream, "t"));
  assert.equal(await slow.getvar("a"), "1");
  await slow.close();
  const script = new Script();
  // all that will be said, at once
  script.write(
    hex("FB01") + packet("INFOa") + packet("OKAY1") + packet("OKAY2"),
  );
  const fast = new FastbootClient(await openFastbootTcp(script.client, "t"));
  void script.read(1000);
  assert.equal(await fast.getvar("one"), "1");
  assert.equal(await fast.getvar("two"), "2");
  await fast.close();
});

for (const hello of ["HTTP", "FB00", "FBxx", "\0\0\0\0"]) {
  test(`openFastbootTcp() refuses who says ${JSON.stringify(hello)}`, async () => {
    const script = new Script();
    script.write(hex(hello));
    await assert.rejects(openFastbootTcp(script.client, "tcp:there"), {
      code: "fastboot.bad-handshake",
    });
  });
}

test("openFastbootTcp() speaks with later versions", async () => {
  const script = new Script();
  script.write(hex("FB02"));
  await (await openFastbootTcp(script.client, "t")).close();
});

test("openFastbootTcp() waits no longer than it is told, and leaves when it is told", async () => {
  await assert.rejects(
    openFastbootTcp(new Script().client, "t", { timeoutMs: 20 }),
    { code: "fastboot.timeout" },
  );
  await assert.rejects(
    openFastbootTcp(new Script().client, "t", { signal: AbortSignal.abort(1) }),
    (error) => error === 1,
  );
  const gone = new Script();
  gone.write(hex("FB"));
  gone.end();
  await assert.rejects(openFastbootTcp(gone.client, "t"), {
    code: "fastboot.lost",
  });
});

test("the TCP transport refuses packets that are too large, and connections that end", async () => {
  const script = new Script();
  script.write(hex("FB01") + "0000000100000000");
  const client = new FastbootClient(await openFastbootTcp(script.client, "t"));
  void script.read(1000);
  await assert.rejects(client.getvar("a"), { code: "fastboot.bad-reply" });
  await client.close();
  for (const at of ["getvar", "download", "data", "boot"]) {
    const { stream, end } = connect({ faults: [{ at, unplug: 2 << 20 }] });
    const lost = new FastbootClient(await openFastbootTcp(stream, "t"));
    await assert.rejects(
      lost.download(IMAGE).then(() => lost.boot()),
      { code: "fastboot.lost" },
      at,
    );
    assert.deepEqual(await end, { why: "unplugged" });
    await lost.close();
  }
});

test("serveFastbootTcp() leaves who is no host", async () => {
  for (const said of [hex("GET "), hex("FB01") + "0000000000002000"]) {
    const script = new Script();
    const end = serveFastbootTcp(script.client, new FastbootDevice());
    script.write(said);
    void script.read(4);
    assert.deepEqual(await end, { why: "bad-host" });
  }
});
