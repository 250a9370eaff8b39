import assert from "node:assert/strict";
import test from "node:test";
import { connect, IMAGE } from "../../tests/support/fastboot_client.ts";
import { fastbootSpec } from "../../tests/support/fastboot_device.ts";
import type { FastbootMessage } from "./conversation.ts";

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
    assert.equal(await client.getvar("long", { timeoutMs: 10_000 }), value);
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
