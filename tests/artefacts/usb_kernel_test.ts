import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Machine } from "../../src/adapters/node/qemu.ts";
import { isCoded } from "../../src/errors.ts";
import { findInterface } from "../../src/usb/find.ts";
import type { UsbControlSetup } from "../../src/usb/shape.ts";
import {
  openUsbIpDevice,
  type UsbIpDevice,
} from "../../src/usb/usbip/device.ts";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { missingPhone } from "../support/missing_phone.ts";
import { bootPhone } from "../support/rig.ts";

// Our USB/IP client against Linux: the controller of a gadget, and the server of a real bus.

const CONTROLLERS = {
  vudc: { profile: "virtual-phone-arm64", packetSize: 512 },
  dummy: { profile: "virtual-phone-arm64-superspeed", packetSize: 1024 },
} as const;
const IMAGE = "guest-arm64.erofs";
const ROUNDS = 6;
/** A guest that crashed is never plugged in again. */
const PLUG_MS = 60_000;

const IDENT: UsbControlSetup = {
  requestType: "vendor",
  recipient: "interface",
  request: 1,
  value: 0,
  index: 0,
};

for (const controller of ["vudc", "dummy"] as const) {
  const { profile, packetSize } = CONTROLLERS[controller];
  const image = findFixture(IMAGE);
  const reasons = missingPhone("aarch64");
  if (image === undefined) reasons.push(`run deno task fixtures ${IMAGE}`);
  const skip = reasons.length > 0 && `missing: ${reasons.join(", ")}`;

  test(`UsbIpDevice on the kernel of ${profile}`, { skip }, async (t) => {
    const { machine, stop } = await bootPhone({
      image: image!,
      profile,
      controller,
      deviceSerial: "0123",
    });
    try {
      await t.test("reads its descriptors", async () => {
        const device = await plug(machine);
        assert.equal(device.serialNumber, "0123");
        const [alternate] = device.configurations[0]!.interfaces[0]!.alternates;
        assert.deepEqual(
          alternate!.endpoints.filter((one) => one.type === "bulk")
            .map((one) => one.packetSize),
          [packetSize, packetSize],
        );
        assert.equal(alternate!.interfaceName, "smoo");
        await device.close();
      });
      await checkTransfers(t, machine);
      await t.test("is left within large transfers, again and again", () =>
        leaveWithin(machine));
      assert.doesNotMatch(machine.console.text, /Oops|BUG:|Unable to handle/);
    } catch (error) {
      console.error(machine.console.lastLines);
      throw error;
    } finally {
      await stop();
    }
  });
}

async function checkTransfers(t: TestContext, machine: Machine) {
  const device = await plug(machine);
  const { irqIn, bulkOut } = await claim(device);
  await t.test("does control transfers, and tells stalls", async () => {
    for (let i = 0; i < 3; i++) {
      const { status, data } = await device.controlTransferIn(IDENT, 64);
      assert.equal(status, "ok");
      assert.equal(data!.byteLength, 8);
      assert.equal(data!.getUint32(0), 0x534d4f4f);
      const unknown = { ...IDENT, request: 0x77 };
      const refused = await device.controlTransferIn(unknown, 8);
      assert.equal(refused.status, "stall");
    }
  });
  await t.test("takes transfers back", async () => {
    for (let i = 0; i < 3; i++) {
      const leaver = new AbortController();
      const waiting = [0, 1, 2, 3].map(() =>
        device.transferIn(irqIn, 28, { signal: leaver.signal })
      );
      const left = waiting.map((one) =>
        assert.rejects(one, { name: "AbortError" })
      );
      assert.equal((await device.controlTransferIn(IDENT, 8)).status, "ok");
      leaver.abort();
      await Promise.all(left);
      assert.equal((await device.controlTransferIn(IDENT, 8)).status, "ok");
    }
  });
  await t.test("ends what waits when a setting is chosen", async () => {
    const waiting = assert.rejects(
      device.transferIn(irqIn, 28),
      (error) => isCoded(error, "usb.closed"),
    );
    await device.selectAlternateInterface(0, 0);
    await waiting;
    assert.equal((await device.controlTransferIn(IDENT, 8)).status, "ok");
    await device.clearHalt("out", bulkOut);
  });
  await device.close();
  await assert.rejects(device.transferIn(irqIn, 28));
}

/** Nobody takes the bytes on the other side: what counts is that the next connection is served. */
async function leaveWithin(machine: Machine): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const device = await plug(machine);
    const { bulkOut } = await claim(device);
    const data = new Uint8Array(4 << 20);
    const waiting = assert.rejects(
      device.transferOut(bulkOut, data),
      (error) => isCoded(error, "usb.closed"),
    );
    await new Promise((resolve) => setTimeout(resolve, 3 * round));
    await Promise.all([device.close(), waiting]);
  }
  const device = await plug(machine);
  await claim(device);
  assert.equal((await device.controlTransferIn(IDENT, 8)).status, "ok");
  await device.close();
}

async function plug(machine: Machine): Promise<UsbIpDevice> {
  const signal = AbortSignal.timeout(PLUG_MS);
  const { stream, devid, speed } = await machine.plugIn({ signal });
  return await openUsbIpDevice(stream, { devid, speed, timeoutMs: 20_000 });
}

async function claim(device: UsbIpDevice) {
  const found = findInterface(device, {
    triples: [[0xff, 0x53, 0x4d]],
    endpoints: ["interrupt-in", "bulk-out"],
  });
  assert.ok(found);
  await device.selectConfiguration(found.configuration.configurationValue);
  await device.claimInterface(found.interface.interfaceNumber);
  return {
    irqIn: found.endpoints["interrupt-in"].endpointNumber,
    bulkOut: found.endpoints["bulk-out"].endpointNumber,
  };
}
