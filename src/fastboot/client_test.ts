import assert from "node:assert/strict";
import test from "node:test";
import {
  FakePhone,
  type FakePhoneOptions,
  fastbootSpec,
} from "../../tests/support/fastboot_device.ts";
import { FastbootClient, type FastbootOptions } from "./client.ts";
import type { FastbootMessage } from "./conversation.ts";
import { openFastbootUsb } from "./usb_transport.ts";

const IMAGE = Uint8Array.from({ length: 5000 }, (_, at) => at * 7);

async function connect(
  options: FakePhoneOptions = {},
  clientOptions: FastbootOptions = {},
) {
  const phone = new FakePhone(options);
  const transport = await openFastbootUsb(phone.usb, { chunkBytes: 1024 });
  const client = new FastbootClient(transport, clientOptions);
  return { phone, client };
}

/** A program that comes later finds a bootloader that answers. */
async function expectUsable(phone: FakePhone): Promise<void> {
  const client = new FastbootClient(await openFastbootUsb(phone.usb));
  assert.equal(await client.getvar("version", { timeoutMs: 1000 }), "0.4");
  await client.download(IMAGE);
  await client.boot();
  await client.close();
  assert.deepEqual(phone.left?.image, IMAGE);
}

test("FastbootClient asks, downloads and boots", async () => {
  const { phone, client } = await connect({ variables: { product: "sdm845" } });
  assert.equal(await client.getvar("product"), "sdm845");
  const progress: number[] = [];
  await client.download(IMAGE, {
    onProgress: ({ sent, size }) => {
      assert.equal(size, IMAGE.length);
      progress.push(sent);
    },
  });
  await client.boot();
  await client.close();
  assert.deepEqual(phone.left?.image, IMAGE);
  assert.deepEqual(progress, [1024, 2048, 3072, 4096, 5000]);
  assert.deepEqual(phone.transfers, [1024, 1024, 1024, 1024, 904]);
  assert.deepEqual(phone.commands, [
    "getvar:product",
    "getvar:max-download-size",
    "download:00001388",
    "boot",
  ]);
  assert.equal(phone.usb.opened, false);
});

test("FastbootClient sends an image in pieces of any length as whole packets", async () => {
  const { phone, client } = await connect();
  async function* chunks() {
    for (let at = 0; at < IMAGE.length; at += 333) {
      yield IMAGE.slice(at, at + 333);
      await undefined;
    }
  }
  await client.download({ size: IMAGE.length, chunks: chunks() });
  await client.boot();
  assert.deepEqual(phone.left?.image, IMAGE);
  assert.deepEqual(phone.transfers, [1024, 1024, 1024, 1024, 904]);
});

test("FastbootClient.continue() and .reboot()", async () => {
  for (const name of ["continue", "reboot"] as const) {
    const { phone, client } = await connect();
    await client[name]();
    assert.deepEqual(phone.left, { image: undefined });
    assert.deepEqual(phone.commands, [name]);
  }
});

test("FastbootClient sends commands that are given together one after the other", async () => {
  const { phone, client } = await connect({ variables: { a: "1", b: "2" } });
  const answers = await Promise.all([
    client.getvar("a"),
    client.download(IMAGE),
    client.getvar("b"),
  ]);
  assert.deepEqual(answers, ["1", undefined, "2"]);
  assert.equal(phone.commands.length, 4);
});

test("FastbootClient rejects with the words of a FAIL, and goes on", async () => {
  const { phone, client } = await connect({
    judgeImage: () => "invalid boot image header!",
  });
  await assert.rejects(client.getvar("nothing"), {
    code: "fastboot.failed",
    message:
      'Cannot run "getvar:nothing" on 18d1:d00d "0123456789": bootloader answered FAIL "unknown variable"',
    facts: { command: "getvar:nothing", message: "unknown variable" },
  });
  await client.download(IMAGE);
  await assert.rejects(client.boot(), {
    code: "fastboot.failed",
    facts: { command: "boot", message: "invalid boot image header!" },
  });
  assert.equal(await client.getvar("version"), "0.4");
  assert.equal(phone.left, undefined);
});

test("FastbootClient tells INFO and TEXT as they come", async () => {
  const said: FastbootMessage[] = [];
  const { client } = await connect({
    faults: [
      {
        at: "boot",
        before: ["INFOchecking image ", "TEXT50%\0", "TEXT 100%\n"],
      },
      { at: "image", before: ["INFOgot it"] },
    ],
  }, { onMessage: (message) => said.push(message) });
  await client.download(IMAGE);
  await client.boot();
  assert.deepEqual(said, [
    { command: "download:00001388", type: "info", text: "got it" },
    { command: "boot", type: "info", text: "checking image" },
    { command: "boot", type: "text", text: "50%" },
    { command: "boot", type: "text", text: " 100%\n" },
  ]);
});

test("FastbootClient takes replies of 256 bytes, and longer ones", async () => {
  for (const [packetSize, length] of [[64, 252], [512, 252], [512, 3000]]) {
    const value = "x".repeat(length!);
    const { client } = await connect({
      spec: fastbootSpec(packetSize, packetSize === 64 ? 2 : 3),
      variables: { long: value },
      maxReplyBytes: 4096,
    });
    assert.equal(await client.getvar("long", { timeoutMs: 1000 }), value);
  }
});

test("FastbootClient takes replies filled up with NUL", async () => {
  const { client } = await connect({ faults: [{ at: "", pad: 64 }] });
  assert.equal(await client.getvar("version"), "0.4");
  await client.download(IMAGE);
  await client.boot();
});

test("FastbootClient sends nothing when the image is larger than the bootloader takes", async () => {
  for (const written of ["0x1000", "4096", " 0X1000\n"]) {
    const { phone, client } = await connect({
      variables: { "max-download-size": written },
    });
    await assert.rejects(client.download(IMAGE), {
      code: "fastboot.too-large",
      facts: { size: 5000, limit: 4096 },
    });
    assert.deepEqual(phone.commands, ["getvar:max-download-size"]);
    assert.deepEqual(phone.transfers, []);
  }
});

test("FastbootClient asks for max-download-size once, and does without", async () => {
  for (const written of [undefined, "", "0", "a lot"]) {
    const { phone, client } = await connect({
      variables: { "max-download-size": written },
    });
    assert.equal(await client.maxDownloadSize(), undefined);
    await client.download(IMAGE);
    await client.download(IMAGE);
    assert.equal(
      phone.commands.filter((one) => one.startsWith("getvar")).length,
      1,
    );
  }
});

test("FastbootClient refuses commands that are too long before it sends them", async () => {
  const { phone, client } = await connect();
  await assert.rejects(client.getvar("v".repeat(58)), {
    code: "fastboot.command-too-long",
  });
  assert.deepEqual(phone.commands, []);
  const variable = "v".repeat(100);
  const modern = await connect({
    maxCommandBytes: 4096,
    variables: { [variable]: "1" },
  }, { maxCommandBytes: 4096 });
  assert.equal(await modern.client.getvar(variable), "1");
});

for (const announce of [-1000, 1000]) {
  test(`FastbootClient refuses a DATA of ${announce} bytes more, and leaves the phone usable`, async () => {
    const { phone, client } = await connect({
      faults: [{ at: "download", announce, times: 1 }],
    });
    await assert.rejects(client.download(IMAGE), {
      code: "fastboot.data-length",
      facts: { found: 5000 + announce, expected: 5000 },
    });
    await client.close();
    await expectUsable(phone);
  });
}

const GARBAGE = ["OK", "", "WHAT", "DATA00001388", "\x01\x02\x03\x04\x05"];
for (const instead of GARBAGE) {
  test(`FastbootClient refuses the answer ${JSON.stringify(instead)}`, async () => {
    const { phone, client } = await connect({
      faults: [
        // An empty packet is passed over some times.
        { at: "getvar:a", before: Array(instead === "" ? 7 : 0).fill("") },
        { at: "getvar:a", instead },
      ],
    });
    await assert.rejects(client.getvar("a", { timeoutMs: 1000 }), {
      code: "fastboot.bad-reply",
    });
    await assert.rejects(client.getvar("version"), {
      code: "fastboot.out-of-step",
    });
    await client.close();
    await expectUsable(phone);
  });
}

test("FastbootClient refuses an answer that is torn in two", async () => {
  const { client } = await connect({ faults: [{ at: "getvar", split: 2 }] });
  await assert.rejects(client.getvar("version"), {
    code: "fastboot.bad-reply",
    facts: { command: "getvar:version", found: '"OK"' },
  });
});

test("FastbootClient does not listen to a bootloader that never ends", async () => {
  const { client } = await connect({
    faults: [{ at: "getvar", before: Array(10_001).fill("INFOand") }],
  });
  await assert.rejects(client.getvar("version"), {
    code: "fastboot.bad-reply",
  });
});

test("FastbootClient gives up when nothing is heard, and goes on when it was late", async () => {
  const { phone, client } = await connect({
    variables: { a: "1" },
    faults: [{ at: "getvar:version", delayMs: 150, times: 1 }],
  });
  await assert.rejects(client.getvar("version", { timeoutMs: 30 }), {
    code: "fastboot.timeout",
    facts: { command: "getvar:version", timeoutMs: 30 },
  });
  assert.equal(await client.getvar("a"), "1", "not the late answer");
  await client.close();
  await expectUsable(phone);
});

test("FastbootClient closes a phone that says nothing, in time", async () => {
  const { phone, client } = await connect({
    faults: [{ at: "boot", silent: true }],
  });
  await assert.rejects(client.boot({ timeoutMs: 20 }), {
    code: "fastboot.timeout",
  });
  const began = Date.now();
  await client.close({ settleMs: 50 });
  assert.ok(Date.now() - began < 1000);
  assert.equal(phone.usb.opened, false);
  await assert.rejects(client.boot(), { code: "fastboot.closed" });
});

test("FastbootClient.close() stops waiting when it is told so", async () => {
  const { phone, client } = await connect({
    faults: [{ at: "boot", silent: true }],
  });
  const boot = client.boot();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const began = Date.now();
  await client.close({ signal: AbortSignal.timeout(30) });
  assert.ok(Date.now() - began < 1000);
  await assert.rejects(boot, { code: "fastboot.lost" });
  assert.equal(phone.usb.opened, false);
});

test("FastbootClient: bytes that went out are a sign of life", async () => {
  const { client } = await connect({
    faults: [
      { at: "data", delayMs: 40 },
    ],
  });
  // five transfers, each after 40 ms
  await client.download(IMAGE, { timeoutMs: 120 });
});

test("FastbootClient cancels at once, and leaves the phone usable", async () => {
  const reason = new Error("the user left");
  for (const at of ["getvar:max", "download", "data", "image", "boot"]) {
    const { phone, client } = await connect({
      faults: [{ at, delayMs: 60, times: 1 }],
    });
    const stop = new AbortController();
    const work = client.download(IMAGE, { signal: stop.signal })
      .then(() => client.boot({ signal: stop.signal }));
    setTimeout(() => stop.abort(reason), 20);
    const began = Date.now();
    await assert.rejects(work, (error) => error === reason);
    assert.ok(Date.now() - began < 55, `${at}: at once`);
    await client.close();
    assert.equal(phone.device.expected, 0, at);
    if (at === "boot") assert.deepEqual(phone.left?.image, IMAGE);
    else assert.equal(phone.left, undefined, at);
    await expectUsable(phone);
  }
});

test("FastbootClient fills a cancelled download up with zeros", async () => {
  const { phone, client } = await connect();
  const stop = new AbortController();
  async function* chunks() {
    yield IMAGE.slice(0, 2048);
    stop.abort("enough");
    await new Promise(() => {}); // a source that never answers again
  }
  await assert.rejects(
    client.download({ size: IMAGE.length, chunks: chunks() }, {
      signal: stop.signal,
    }),
    (error) => error === "enough",
  );
  await client.boot();
  const begun = new Uint8Array(IMAGE.length);
  begun.set(IMAGE.subarray(0, 2048));
  assert.deepEqual(phone.left?.image, begun);
});

test("FastbootClient sends nothing for a signal that is aborted already", async () => {
  const { phone, client } = await connect();
  const signal = AbortSignal.abort("no");
  await assert.rejects(client.boot({ signal }), (error) => error === "no");
  const stop = new AbortController();
  const first = client.getvar("version");
  const second = client.boot({ signal: stop.signal });
  stop.abort("not any more");
  await assert.rejects(second, (error) => error === "not any more");
  await first;
  await client.close();
  assert.deepEqual(phone.commands, ["getvar:version"]);
});

test("FastbootClient: images that cannot be read or change leave the phone usable", async () => {
  const broken = new Error("disk is gone");
  const sources: [chunks: Uint8Array<ArrayBuffer>[], code?: string][] = [
    [[IMAGE.slice(0, 100)], "fastboot.data-length"],
    [[IMAGE, IMAGE], "fastboot.data-length"],
    [[IMAGE.slice(0, 4000)]],
  ];
  for (const [chunks, code] of sources) {
    const { phone, client } = await connect();
    async function* read() {
      yield* chunks;
      await undefined;
      if (code === undefined) throw broken;
    }
    await assert.rejects(
      client.download({ size: IMAGE.length, chunks: read() }),
      code === undefined ? (error) => error === broken : { code },
    );
    await client.close();
    await expectUsable(phone);
  }
});

test("FastbootClient: an unplugged phone is lost, wherever it was", async () => {
  for (const at of ["getvar", "download", "data", "boot"]) {
    const { client } = await connect({ faults: [{ at, unplug: 3000 }] });
    await assert.rejects(
      client.download(IMAGE).then(() => client.boot()),
      (error: Error & { code: string; cause: { code: string } }) =>
        error.code === "fastboot.lost" &&
        error.cause.code === "usb.disconnected",
      at,
    );
    await client.close();
  }
});

test("FastbootClient clears halts: it asks again and reads on, but cuts no download", async () => {
  const { phone, client } = await connect({
    faults: [
      { at: "getvar:version", stall: "out", times: 1 },
      { at: "getvar:version", stall: "in", times: 1 },
      { at: "data", stall: "out", times: 1 },
    ],
  });
  assert.equal(await client.getvar("version"), "0.4");
  await assert.rejects(client.download(IMAGE), {
    code: "fastboot.lost",
    message: /stalled its out endpoint behind 0 bytes; the halt was cleared/,
  });
  assert.equal(phone.model.pipes.get(1)!.halted, false);
  await client.close();
});
