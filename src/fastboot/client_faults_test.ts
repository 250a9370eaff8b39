import assert from "node:assert/strict";
import test from "node:test";
import { gate } from "../../tests/conformance/controlled_source.ts";
import {
  connect,
  expectUsable,
  IMAGE,
} from "../../tests/support/fastboot_client.ts";

for (const announce of [-1000, 1000]) {
  test(`FastbootClient refuses a DATA of ${announce} bytes more, and leaves the phone usable`, async () => {
    const taken = gate();
    const { phone, client } = await connect({
      faults: [
        { at: "download", announce, times: 1 },
        { at: "data", delayMs: 1 },
      ],
      sleep: () => taken.opened,
    });
    // told before zeros went out: none is taken yet
    await assert.rejects(client.download(IMAGE), {
      code: "fastboot.data-length",
      facts: { found: 5000 + announce, expected: 5000 },
    });
    taken.open();
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
    await assert.rejects(client.getvar("a", { timeoutMs: 10_000 }), {
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
      { at: "data", delayMs: 250 },
    ],
  });
  // five transfers, each after 250 ms
  await client.download(IMAGE, { timeoutMs: 1000 });
});

test("FastbootClient cancels at once, and leaves the phone usable", async () => {
  const reason = new Error("the user left");
  for (const at of ["getvar:max", "download", "data", "image", "boot"]) {
    const stop = new AbortController();
    const answered = gate();
    const { phone, client } = await connect({
      faults: [{ at, delayMs: 1, times: 1 }],
      sleep: () => {
        stop.abort(reason);
        return answered.opened;
      },
    });
    const work = client.download(IMAGE, { signal: stop.signal })
      .then(() => client.boot({ signal: stop.signal }));
    // while the phone has not answered
    await assert.rejects(work, (error) => error === reason);
    answered.open();
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
  async function* read(chunks: Uint8Array<ArrayBuffer>[], code?: string) {
    yield* chunks;
    await undefined;
    if (code === undefined) throw broken;
  }
  const sources: [chunks: Uint8Array<ArrayBuffer>[], code?: string][] = [
    [[IMAGE.slice(0, 100)], "fastboot.data-length"],
    [[IMAGE, IMAGE], "fastboot.data-length"],
    [[IMAGE.slice(0, 4000)]],
  ];
  for (const [chunks, code] of sources) {
    const { phone, client } = await connect();
    await assert.rejects(
      client.download({ size: IMAGE.length, chunks: read(chunks, code) }),
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

test("FastbootClient: what waits behind a download does not run out of time", async () => {
  const { client } = await connect({ faults: [{ at: "data", delayMs: 250 }] });
  const [, version] = await Promise.all([
    client.download(IMAGE),
    client.getvar("version", { timeoutMs: 1000 }), // comes after 1250 ms
  ]);
  assert.equal(version, "0.4");
});

test("FastbootClient: a listener that throws fails its command, and leaves the phone usable", async () => {
  const mistake = new Error("a mistake in the page");
  const { phone, client } = await connect({
    faults: [{ at: "getvar:version", before: ["INFOa"], times: 1 }],
  }, {
    onMessage() {
      throw mistake;
    },
  });
  await assert.rejects(client.getvar("version"), (error) => error === mistake);
  await assert.rejects(
    client.download(IMAGE, {
      onProgress() {
        throw mistake;
      },
    }),
    (error) => error === mistake,
  );
  await client.close();
  await expectUsable(phone);
});
