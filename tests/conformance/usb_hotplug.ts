/**
 * What every bus must tell of what comes and goes, as one suite for all of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import test from "node:test";
import { UsbModel } from "../../src/phone/usb_device.ts";
import type { Usb, UsbDevice } from "../../src/usb/shape.ts";
import { smooDevice } from "../support/usb_devices.ts";
import { until } from "./usb_device.ts";

/** A bus to judge, and its places. */
export interface BusUnderTest {
  readonly usb: Usb;
  /** Plugs a device in. */
  readonly plug: (place: number, model: UsbModel) => void;
  /** Pulls its cable. */
  readonly unplug: (place: number) => void;
  readonly dispose?: () => Promise<void> | void;
}

interface Told {
  readonly came: UsbDevice[];
  readonly went: UsbDevice[];
}

/** Declares the suite for one implementation. */
export function usbHotplugConformance(
  name: string,
  make: () => BusUnderTest,
): void {
  const check = (
    what: string,
    run: (bus: BusUnderTest, told: Told) => Promise<void>,
  ) =>
    test(`${name} ${what}`, async () => {
      const bus = make();
      const told: Told = { came: [], went: [] };
      const came = ({ device }: { device: UsbDevice }) =>
        void told.came.push(device);
      const went = ({ device }: { device: UsbDevice }) =>
        void told.went.push(device);
      bus.usb.addEventListener("connect", came);
      bus.usb.addEventListener("disconnect", went);
      try {
        await run(bus, told);
      } finally {
        bus.usb.removeEventListener("connect", came);
        bus.usb.removeEventListener("disconnect", went);
        await bus.dispose?.();
      }
    });
  const phone = () => new UsbModel(smooDevice());

  check("gives the same object for a device each time", async ({
    usb,
    plug,
  }, { came }) => {
    plug(1, phone());
    await until(() => came.length === 1);
    const [first] = await usb.getDevices();
    const [second] = await usb.getDevices();
    assert.equal(first, second);
    assert.equal(first!.vendorId, 0x18d1);
    assert.equal(first!.productId, 0xd00d);
    assert.equal(first!.opened, false);
  });

  check("tells what comes and goes, once each, as the list has it", async (
    { usb, plug, unplug },
    { came, went },
  ) => {
    plug(1, phone());
    await until(() => came.length === 1);
    assert.deepEqual(await usb.getDevices(), came);
    unplug(1);
    await until(() => went.length === 1);
    assert.equal(went[0], came[0]);
    assert.deepEqual(await usb.getDevices(), []);
    assert.deepEqual([came.length, went.length], [1, 1]);
  });

  check("knows a device that was plugged in again for another one", async (
    { usb, plug, unplug },
    { came, went },
  ) => {
    plug(1, phone());
    await until(() => came.length === 1);
    unplug(1);
    await until(() => went.length === 1);
    plug(1, phone());
    await until(() => came.length === 2);
    assert.notEqual(came[0], came[1]);
    assert.deepEqual(await usb.getDevices(), [came[1]]);
    assert.deepEqual(went, [came[0]]);
  });

  check("tells phones with the same ids and serial number apart", async (
    { usb, plug, unplug },
    { came, went },
  ) => {
    plug(1, phone());
    plug(2, phone());
    await until(() => came.length === 2);
    assert.notEqual(came[0], came[1]);
    for (const device of came) {
      await device.open();
      assert.equal(device.serialNumber, "0001");
      await device.close();
    }
    unplug(1);
    await until(() => went.length === 1);
    const left = await usb.getDevices();
    assert.equal(left.length, 1);
    assert.notEqual(left[0], went[0]);
    assert.ok(came.includes(left[0]!));
  });

  check("ends what is under way on a device that leaves", async (
    { plug, unplug },
    { came, went },
  ) => {
    const model = phone();
    plug(1, model);
    await until(() => came.length === 1);
    const device = came[0]!;
    await device.open();
    await device.selectConfiguration(1);
    await device.claimInterface(0);
    const waiting = device.transferIn(1, 28).then(() => "done", () => "over");
    await until(() => model.pipes.get(0x81)!.waiting === 1);
    unplug(1);
    assert.equal(await waiting, "over");
    await until(() => went.length === 1);
    assert.equal(went[0], device);
    await device.close().catch(() => {});
    assert.equal(device.opened, false);
    await assert.rejects(device.open());
  });

  check("tells nobody who has left", async ({ usb, plug }, { came }) => {
    const early: UsbDevice[] = [];
    const listener = ({ device }: { device: UsbDevice }) =>
      void early.push(device);
    usb.addEventListener("connect", listener);
    usb.removeEventListener("connect", listener);
    plug(1, phone());
    await until(() => came.length === 1);
    assert.deepEqual(early, []);
  });
}
