import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { oddDevice, smooDevice } from "../../../tests/support/usb_devices.ts";
import { open, opened, rejects } from "../../../tests/support/usb_ip_device.ts";
import { Script } from "../../../tests/support/usb_script.ts";
import { isCoded } from "../../errors.ts";
import { UsbModel } from "../../phone/usb_device.ts";
import { openUsbIpDevice } from "./device.ts";

test("openUsbIpDevice() is told when the connection is cut at any byte", async () => {
  let cuts = 0;
  for (let cutAt = 0;; cutAt += 7) {
    const [opening, served] = open(new UsbModel(oddDevice()), { cutAt });
    const device = await opening.catch((error) => error);
    if (!(device instanceof Error)) {
      await device.close();
      break;
    }
    assert.ok(isCoded(device, "usb.disconnected"), `${cutAt}: ${device}`);
    await served;
    cuts++;
  }
  assert.ok(cuts > 50, `${cuts}`);
});

test("openUsbIpDevice() survives changed bytes in any reply", async () => {
  let opens = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(12),
      fc.nat(140),
      fc.nat(255),
      async (reply, at, byte) => {
        let seen = 0;
        const [opening, served] = open(new UsbModel(smooDevice()), {
          mangle: (bytes) => {
            if (seen++ === reply && at < bytes.length) bytes[at] = byte;
            return bytes;
          },
        }, { timeoutMs: 50 });
        const device = await opening.catch((error) => error);
        if (device instanceof Error) {
          assert.ok(isCoded(device), `${device}`);
        } else {
          opens++;
          await device.close();
        }
        await served;
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(opens > 30 && opens < 300, `${opens} of 300 opened`);
});

test("openUsbIpDevice() gives up a server that does not answer", async () => {
  const script = new Script();
  await rejects(
    openUsbIpDevice(script.client, { timeoutMs: 10 }),
    "usb.timeout",
  );
  await script.read(48);
  assert.equal(await script.read(1), "", "the connection is closed");
});

test("openUsbIpDevice() leaves when it is told to", async () => {
  const script = new Script();
  const leaver = new AbortController();
  const { signal } = leaver;
  const opening = openUsbIpDevice(script.client, { signal });
  await script.read(48);
  leaver.abort();
  await assert.rejects(opening, { name: "AbortError" });
  assert.equal(await script.read(1), "", "the connection is closed");
  const late = new Script();
  await assert.rejects(
    openUsbIpDevice(late.client, { signal: AbortSignal.abort() }),
    { name: "AbortError" },
  );
  assert.equal(await late.read(1), "", "the connection is closed");
});

test("openUsbIpDevice() refuses descriptors that are cut short", async () => {
  for (const id of [0x0100, 0x0200]) {
    const whole = new UsbModel(smooDevice()).descriptors.get(id)!;
    for (let length = 0; length < whole.length; length++) {
      const model = new UsbModel(smooDevice());
      model.descriptors.set(id, whole.slice(0, length));
      const [opening] = open(model);
      await rejects(opening, "usb.bad-descriptor");
    }
  }
});

test("openUsbIpDevice() goes on without names", async () => {
  const model = new UsbModel(smooDevice());
  model.descriptors.set(0x0301, Uint8Array.of(60, 3, 0x61));
  model.descriptors.set(0x0302, Uint8Array.of(2, 3));
  model.descriptors.delete(0x0303);
  const device = await open(model)[0];
  assert.equal(device.manufacturerName, null);
  assert.equal(device.productName, "");
  assert.equal(device.serialNumber, null);
  await device.close();
});

test("a UsbIpDevice that was closed cannot be opened over the same stream", async () => {
  const { device, served } = await opened();
  await device.close();
  await served;
  await rejects(device.open(), "usb.disconnected");
});

test("a UsbIpDevice knows the configuration that is set already", async () => {
  const model = new UsbModel(oddDevice());
  model.configuration = 2;
  const device = await open(model)[0];
  assert.equal(device.configuration?.configurationValue, 2);
  await device.close();
});
