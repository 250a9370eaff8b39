import assert from "node:assert/strict";
import test from "node:test";
import { pattern, until } from "../../../tests/conformance/usb_device.ts";
import { oddDevice, smooDevice } from "../../../tests/support/usb_devices.ts";
import { open, opened, rejects } from "../../../tests/support/usb_ip_device.ts";
import { retSubmit, Script } from "../../../tests/support/usb_script.ts";
import { isCoded } from "../../errors.ts";
import { UsbModel } from "../../phone/usb_device.ts";
import { openUsbIpDevice } from "./device.ts";

test("transferOut() queues a large transfer as several URBs with one result", async () => {
  const { device, model } = await opened();
  const seen: number[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => release = resolve);
  model.pipes.get(7)!.onOut = (bytes) => {
    seen.push(bytes.length);
    return held;
  };
  const data = pattern((4 << 20) + 5, 1);
  const done = device.transferOut(7, data);
  await until(() => seen.length === 5);
  assert.deepEqual(seen, [1 << 20, 1 << 20, 1 << 20, 1 << 20, 5]);
  release();
  assert.deepEqual(await done, { status: "ok", bytesWritten: data.length });
  await device.close();
});

test("transferOut() counts up to the stall", async () => {
  const { device, model } = await opened({ maxUrbBytes: 1024 });
  let count = 0;
  model.pipes.get(7)!.onOut = () => ++count === 3 ? "stall" : undefined;
  assert.deepEqual(await device.transferOut(7, pattern(8192, 1)), {
    status: "stall",
    bytesWritten: 2048,
  });
  // What was queued behind it did not go out.
  await device.clearHalt("out", 7);
  assert.equal(count, 3);
  await device.close();
});

test("transferIn() of an exact length asks for all of it at once", async () => {
  const { device, model } = await opened({ maxUrbBytes: 1024 });
  const pipe = model.pipes.get(0x86)!;
  const exact = device.transferIn(6, 8192, { exact: true });
  await until(() => pipe.waiting === 8);
  pipe.send(pattern(8192, 1));
  const { data } = await exact;
  assert.deepEqual(new Uint8Array(data!.buffer), pattern(8192, 1));
  // A length that is not whole packets could end early: one at a time.
  const careful = device.transferIn(6, 8191, { exact: true });
  await until(() => pipe.waiting === 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(pipe.waiting, 1);
  pipe.send(pattern(8191, 2));
  assert.equal((await careful).data?.byteLength, 8191);
  await device.close();
});

test("transferIn() ends with a short packet, and takes the URBs behind it back", async () => {
  const { device, model } = await opened({ maxUrbBytes: 1024 });
  const pipe = model.pipes.get(0x86)!;
  const exact = device.transferIn(6, 8192, { exact: true });
  await until(() => pipe.waiting === 8);
  pipe.send(pattern(1500, 1));
  assert.equal((await exact).data?.byteLength, 1500);
  await until(() => pipe.waiting === 0);
  const inTurn = device.transferIn(6, 8192);
  await until(() => pipe.waiting === 1);
  pipe.send(pattern(1500, 2));
  pipe.send(pattern(100, 3));
  const first = (await inTurn).data!;
  assert.deepEqual(
    new Uint8Array(first.buffer, first.byteOffset, first.byteLength),
    pattern(1500, 2),
  );
  assert.equal((await device.transferIn(6, 8192)).data?.byteLength, 100);
  await device.close();
});

test("transferIn() leaves when it is told to, and the device stays", async () => {
  const { device, model } = await opened();
  const leaver = new AbortController();
  const waiting = device.transferIn(1, 28, { signal: leaver.signal });
  await until(() => model.pipes.get(0x81)!.waiting === 1);
  leaver.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  await until(() => model.pipes.get(0x81)!.waiting === 0);
  model.pipes.get(0x81)!.send(pattern(28, 1));
  assert.equal((await device.transferIn(1, 28)).data?.byteLength, 28);
  await device.close();
});

test("a control transfer that is given up closes the connection", async () => {
  const { device, model, served } = await opened();
  model.onControl = () => new Promise(() => {});
  const leaver = new AbortController();
  const setup = {
    requestType: "vendor",
    recipient: "interface",
    request: 1,
    value: 0,
    index: 0,
  } as const;
  const waiting = device.controlTransferIn(setup, 8, { signal: leaver.signal });
  const other = device.transferIn(1, 28).catch((error) => error);
  await until(() => model.pipes.get(0x81)!.waiting === 1);
  leaver.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.ok(isCoded(await other, "usb.closed"));
  assert.equal(device.opened, false);
  await served;
});

test("a standard request without an answer closes the connection", async () => {
  let silent = false;
  const { device, served } = await opened({ timeoutMs: 500 }, {
    delay: () => silent ? new Promise(() => {}) : Promise.resolve(),
  });
  silent = true;
  await rejects(device.selectAlternateInterface(0, 0), "usb.timeout");
  await rejects(device.transferIn(1, 28), "usb.timeout");
  await served;
});

test("a request that the device refuses is told by its code", async () => {
  const { device, model } = await opened();
  model.configuration = 0; // it forgot
  await rejects(device.selectAlternateInterface(0, 0), "usb.request-failed");
  await device.close();
});

test("another setting, configuration or release ends what waits on its endpoints", async () => {
  const model = new UsbModel(oddDevice());
  const device = await open(model)[0];
  await device.selectConfiguration(2);
  await device.claimInterface(2);
  await device.claimInterface(1);
  const other = device.transferIn(3, 512).catch((error) => error);
  const actions = [
    () => device.selectAlternateInterface(2, 1),
    () => device.releaseInterface(2),
  ];
  for (const action of actions) {
    await device.claimInterface(2);
    await device.selectAlternateInterface(2, 1);
    const waiting = device.transferIn(6, 512);
    await until(() => model.pipes.get(0x86)!.waiting === 1);
    const ended = rejects(waiting, "usb.closed");
    await action();
    await ended;
    await until(() => model.pipes.get(0x86)!.waiting === 0);
  }
  await until(() => model.pipes.get(0x83)!.waiting === 1);
  await device.selectConfiguration(2);
  assert.ok(isCoded(await other, "usb.closed"));
  await device.close();
});

const STATUSES: [status: number, meaning: string][] = [
  [0, "ok"],
  [-121, "ok"],
  [-32, "stall"],
  [-75, "babble"],
  [-19, "usb.disconnected"],
  [-108, "usb.disconnected"],
  [-104, "usb.disconnected"],
  [-2, "usb.disconnected"],
  [-71, "usb.transfer-failed"],
  [-110, "usb.transfer-failed"],
];

for (const [status, meaning] of STATUSES) {
  test(`status ${status} is ${meaning}`, async () => {
    const { device, model } = await opened({}, {
      mangle: (bytes) => {
        const header = new DataView(bytes.buffer);
        // Only the one with data of ours.
        if (bytes.length === 48 + 28) header.setInt32(20, status);
        return bytes;
      },
    });
    model.pipes.get(0x81)!.send(pattern(28, 1));
    const result = await device.transferIn(1, 28).catch((error) => error);
    assert.equal(result.code ?? result.status, meaning);
    if (!result.code) assert.equal(result.data.byteLength, 28);
    await device.close();
  });
}

test("UsbIpDevice polls interrupt endpoints as Linux asks a controller to", async () => {
  // bInterval 1 and 4: exponents at high speed, frames at full speed.
  for (const [speed, expected] of [[3, [1, 8]], [2, [1, 4]]] as const) {
    const script = new Script();
    const model = new UsbModel(smooDevice(speed));
    const opening = openUsbIpDevice(script.client, { speed });
    const device = await answered(script, model, opening);
    await answered(script, model, device.selectConfiguration(1));
    await device.claimInterface(0);
    const found: number[] = [];
    for (
      const run of [
        () => device.transferIn(1, 28),
        () => device.transferOut(2, new Uint8Array(0)),
        () => device.transferIn(6, 28),
      ]
    ) {
      run().catch(() => {});
      found.push(parseInt((await script.read(48)).slice(72, 80), 16));
    }
    assert.deepEqual(found, [...expected, 0]);
    script.end();
    await device.close();
  }
});

/** Answers control transfers by the model until `work` is done. */
async function answered<T>(
  script: Script,
  model: UsbModel,
  work: Promise<T>,
): Promise<T> {
  let done = false;
  work.finally(() => done = true).catch(() => {});
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (done) return await work;
    const header = await script.read(48);
    const at = (byte: number) =>
      parseInt(header.slice(2 * byte, 2 * byte + 2), 16);
    const { data } = await model.control({
      requestType: at(40),
      request: at(41),
      value: at(42) | at(43) << 8,
      index: at(44) | at(45) << 8,
      length: at(46) | at(47) << 8,
    }, new Uint8Array(0));
    const hex = Array.from(data, (one) => one.toString(16).padStart(2, "0"));
    script.write(retSubmit(at(7), { data: hex.join("") }));
  }
}
