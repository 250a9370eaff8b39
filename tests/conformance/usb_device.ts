/**
 * What every device in the shape of WebUSB must do, as one suite for all of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { findInterface } from "../../src/usb/find.ts";
import type { UsbDevice } from "../../src/usb/shape.ts";
import { oddDevice, smooDevice } from "../support/usb_devices.ts";
import type { DeviceSpec } from "../../src/phone/usb_descriptors.ts";
import { type Setup, UsbModel } from "../../src/phone/usb_device.ts";

/** A device to judge, open, and how its cable is pulled. */
export interface DeviceUnderTest {
  readonly device: UsbDevice;
  readonly unplug: () => void;
  readonly dispose?: () => Promise<void> | void;
}

type MakeDevice = (model: UsbModel) => Promise<DeviceUnderTest>;

/** In what implementations may differ. */
export interface DeviceDifferences {
  /** Transfers that reach one endpoint at a time; those behind them wait here. All when absent. */
  readonly atEndpoint?: number;
}

interface Context {
  readonly device: UsbDevice;
  readonly model: UsbModel;
  readonly unplug: () => void;
}

/** Declares the suite for one implementation. */
export function usbDeviceConformance(
  name: string,
  make: MakeDevice,
  { atEndpoint = Infinity }: DeviceDifferences = {},
): void {
  const check = (
    what: string,
    spec: DeviceSpec,
    run: (context: Context) => Promise<void>,
  ) =>
    test(`${name} ${what}`, async () => {
      const model = new UsbModel(spec);
      const { device, unplug, dispose } = await make(model);
      try {
        await run({ device, model, unplug });
      } finally {
        await device.close().catch(() => {});
        await dispose?.();
      }
    });

  check(
    "tells ids, names and descriptors",
    smooDevice(),
    async ({ device }) => {
      assert.equal(device.vendorId, 0x18d1);
      assert.equal(device.productId, 0xd00d);
      assert.equal(device.manufacturerName, "smoo");
      assert.equal(device.productName, "smoo gädget");
      assert.equal(device.serialNumber, "0001");
      assert.equal(device.opened, true);
      assert.equal(device.configuration ?? null, null);
      const [alternate, ...rest] = device.configurations[0]!.interfaces[0]!
        .alternates;
      assert.deepEqual(rest, []);
      assert.equal(alternate!.interfaceName, "smoo");
      assert.deepEqual(
        alternate!.endpoints.map((one) =>
          `${one.endpointNumber} ${one.direction} ${one.type} ${one.packetSize}`
        ),
        [
          "1 in interrupt 1024",
          "2 out interrupt 1024",
          "6 in bulk 512",
          "7 out bulk 512",
        ],
      );
      await device.open(); // again: does nothing
    },
  );

  for (const [speed, size] of [[2, 64], [3, 512], [5, 1024]] as const) {
    check(`tells packet sizes at speed ${speed}`, smooDevice(speed), async ({
      device,
    }) => {
      const [one] = device.configurations[0]!.interfaces[0]!.alternates;
      assert.equal(one!.endpoints[3]!.packetSize, size);
      await device.open();
    });
  }

  check(
    "finds and sets an interface in another configuration and setting",
    oddDevice(),
    async ({ device, model }) => {
      const ends = await claimSmoo(device);
      assert.equal(device.configuration?.configurationValue, 2);
      assert.deepEqual(
        device.configuration?.interfaces.map((one) => one.claimed),
        [false, false, true],
      );
      assert.ok(model.requests.includes("9:2"));
      assert.ok(model.requests.includes("11:1:2"));
      assert.deepEqual(ends, { irqIn: 1, irqOut: 2, bulkIn: 6, bulkOut: 7 });
      const sent: number[] = [];
      model.pipes.get(7)!.onOut = (bytes) => void sent.push(...bytes);
      await device.transferOut(7, Uint8Array.of(1, 2, 3));
      assert.deepEqual(sent, [1, 2, 3]);
    },
  );

  check("refuses what is not there", oddDevice(), async ({ device, model }) => {
    await assert.rejects(device.selectConfiguration(3));
    await assert.rejects(device.claimInterface(0), "nothing is configured");
    await device.selectConfiguration(2);
    await assert.rejects(device.claimInterface(7));
    await assert.rejects(device.transferOut(7, Uint8Array.of(1)), "unclaimed");
    await assert.rejects(device.selectAlternateInterface(2, 1), "unclaimed");
    await device.claimInterface(2);
    await assert.rejects(device.selectAlternateInterface(2, 5));
    await assert.rejects(device.transferOut(7, Uint8Array.of(1)), "setting 0");
    await assert.rejects(device.transferIn(6, 10));
    await assert.rejects(device.clearHalt("in", 6));
    await device.selectAlternateInterface(2, 1);
    await assert.rejects(device.transferIn(7, 10), "7 is OUT");
    await device.releaseInterface(2);
    await assert.rejects(device.transferOut(7, Uint8Array.of(1)), "released");
    // Nothing of this reached the device, and it is still there.
    assert.deepEqual(
      model.requests.filter((one) => /^(9|11|1):/.test(one)),
      ["9:2", "11:1:2"],
    );
    await device.claimInterface(2);
  });

  check("does control transfers", smooDevice(), async ({ device, model }) => {
    await device.selectConfiguration(1);
    await device.claimInterface(0);
    const seen: Setup[] = [];
    let body = new Uint8Array(0);
    model.onControl = (setup, data) => {
      seen.push(setup);
      body = data.slice();
      return setup.request === 9 ? "stall" : Uint8Array.of(1, 2, 3, 4, 5);
    };
    const setup = {
      requestType: "vendor",
      recipient: "interface",
      request: 1,
      value: 0x1234,
      index: 0,
    } as const;
    const whole = await device.controlTransferIn(setup, 64);
    assert.equal(whole.status, "ok");
    assert.deepEqual(bytesOf(whole.data), [1, 2, 3, 4, 5]);
    const cut = await device.controlTransferIn(
      { ...setup, requestType: "class" },
      2,
    );
    assert.deepEqual(bytesOf(cut.data), [1, 2]);
    const out = await device.controlTransferOut(
      { ...setup, request: 2 },
      Uint8Array.of(9, 8, 7),
    );
    assert.deepEqual([out.status, out.bytesWritten], ["ok", 3]);
    assert.deepEqual([...body], [9, 8, 7]);
    const none = await device.controlTransferOut(setup, new Uint8Array(0));
    assert.deepEqual([none.status, none.bytesWritten], ["ok", 0]);
    assert.deepEqual(seen.map((one) => [one.requestType, one.length]), [
      [0xc1, 64],
      [0xa1, 2],
      [0x41, 3],
      [0x41, 0],
    ]);
    assert.equal(seen[0]!.value, 0x1234);
    const refused = { ...setup, request: 9 };
    assert.equal((await device.controlTransferIn(refused, 8)).status, "stall");
    assert.equal(
      (await device.controlTransferOut(refused, Uint8Array.of(1))).status,
      "stall",
    );
    // A stall of endpoint 0 ends with the next setup.
    assert.equal((await device.controlTransferIn(setup, 8)).status, "ok");
  });

  check("moves bytes of any length", smooDevice(), async ({
    device,
    model,
  }) => {
    const { bulkIn, bulkOut } = await claimSmoo(device);
    model.pipes.get(bulkOut)!.onOut = (bytes) =>
      model.pipes.get(bulkIn | 0x80)!.send(bytes);
    const length = fc.oneof(
      fc.nat(2000),
      fc.nat(8).map((n) => (n + 1) * 512),
      fc.constantFrom(1, 511, 513, 65536, 1 << 20, (1 << 20) + 1, 3 << 20),
    );
    await fc.assert(
      fc.asyncProperty(length, fc.nat(255), async (length, seed) => {
        const bytes = pattern(Math.max(length, 1), seed);
        const { status, bytesWritten } = await device.transferOut(
          bulkOut,
          bytes,
        );
        assert.deepEqual([status, bytesWritten], ["ok", bytes.length]);
        const back = await device.transferIn(bulkIn, bytes.length);
        assert.equal(back.status, "ok");
        assertEqual(bytesIn(back.data), bytes);
      }),
      { numRuns: 60 },
    );
  });

  check("ends an IN with a short packet only", smooDevice(), async ({
    device,
    model,
  }) => {
    const { bulkIn } = await claimSmoo(device);
    const pipe = model.pipes.get(bulkIn | 0x80)!;
    pipe.send(pattern(700, 1));
    pipe.send(pattern(1024, 2)); // whole packets: no end
    pipe.send(pattern(100, 3));
    const first = await device.transferIn(bulkIn, 65536);
    assertEqual(bytesIn(first.data), pattern(700, 1));
    const second = await device.transferIn(bulkIn, 65536);
    assert.equal(second.data?.byteLength, 1124);
    pipe.send(pattern(1024, 4));
    pipe.send(new Uint8Array(0));
    const third = await device.transferIn(bulkIn, 65536);
    assertEqual(bytesIn(third.data), pattern(1024, 4));
    pipe.send(pattern(2048, 5));
    const fourth = await device.transferIn(bulkIn, 1024);
    assertEqual(bytesIn(fourth.data), pattern(2048, 5).subarray(0, 1024));
  });

  check("tells stalls, and ends them", smooDevice(), async ({
    device,
    model,
  }) => {
    const { bulkIn, bulkOut } = await claimSmoo(device);
    let stall = true;
    model.pipes.get(bulkOut)!.onOut = () => stall ? "stall" : undefined;
    const data = pattern(100, 0);
    assert.equal((await device.transferOut(bulkOut, data)).status, "stall");
    stall = false;
    assert.equal((await device.transferOut(bulkOut, data)).status, "stall");
    await device.clearHalt("out", bulkOut);
    assert.equal((await device.transferOut(bulkOut, data)).status, "ok");
    const waiting = device.transferIn(bulkIn, 512);
    await until(() => model.pipes.get(bulkIn | 0x80)!.waiting === 1);
    model.pipes.get(bulkIn | 0x80)!.halted = true;
    assert.equal((await waiting).status, "stall");
    await device.clearHalt("in", bulkIn);
    model.pipes.get(bulkIn | 0x80)!.send(data);
    assertEqual(bytesIn((await device.transferIn(bulkIn, 512)).data), data);
  });

  check("tells babble", smooDevice(), async ({ device, model }) => {
    const { irqIn } = await claimSmoo(device);
    model.pipes.get(irqIn | 0x80)!.send(pattern(40, 1));
    const { status } = await device.transferIn(irqIn, 28);
    assert.equal(status, "babble");
  });

  check(
    "keeps the order of many transfers on each endpoint",
    smooDevice(),
    async ({
      device,
      model,
    }) => {
      const { irqIn, bulkOut, bulkIn } = await claimSmoo(device);
      const seen: number[] = [];
      model.pipes.get(bulkOut)!.onOut = (bytes) => void seen.push(bytes[0]!);
      const order: number[] = [];
      const requests = Array.from(
        { length: 16 },
        (_, n) =>
          device.transferIn(irqIn, 28).then(({ data }) => {
            assert.equal(data!.byteLength, 28);
            assert.equal(data!.getUint8(0), n);
            order.push(n);
          }),
      );
      // Bulk goes on while the interrupt endpoint waits.
      await Promise.all(
        Array.from(
          { length: 16 },
          (_, n) => device.transferOut(bulkOut, new Uint8Array(64).fill(n)),
        ),
      );
      model.pipes.get(bulkIn | 0x80)!.send(pattern(10, 0));
      assert.equal((await device.transferIn(bulkIn, 64)).data?.byteLength, 10);
      assert.deepEqual(order, []);
      for (let n = 0; n < 16; n++) {
        model.pipes.get(irqIn | 0x80)!.send(new Uint8Array(28).fill(n));
      }
      await Promise.all(requests);
      const ordered = Array.from({ length: 16 }, (_, n) => n);
      assert.deepEqual(order, ordered);
      assert.deepEqual(seen, ordered);
    },
  );

  check("ends every transfer when it is closed", smooDevice(), async ({
    device,
    model,
  }) => {
    const { irqIn, bulkIn } = await claimSmoo(device);
    const waiting = [
      device.transferIn(irqIn, 28),
      device.transferIn(bulkIn, 512),
      device.transferIn(bulkIn, 512),
    ].map((one) => one.then(() => "done", () => "rejected"));
    const both = Math.min(2, atEndpoint);
    await until(() => model.pipes.get(bulkIn | 0x80)!.waiting === both);
    await device.close();
    assert.deepEqual(await Promise.all(waiting), [
      "rejected",
      "rejected",
      "rejected",
    ]);
    assert.equal(device.opened, false);
    await assert.rejects(device.transferIn(irqIn, 28));
    await assert.rejects(device.claimInterface(0));
    await device.close(); // again: does nothing
  });

  check("ends every transfer when the cable is pulled", smooDevice(), async ({
    device,
    model,
    unplug,
  }) => {
    const { irqIn, bulkOut } = await claimSmoo(device);
    const waiting = [
      device.transferIn(irqIn, 28),
      device.transferOut(bulkOut, pattern(100_000, 1)),
    ].map((one) => one.then(() => "done", () => "rejected"));
    await until(() => model.pipes.get(irqIn | 0x80)!.waiting === 1);
    unplug();
    assert.deepEqual(await Promise.all(waiting), ["rejected", "rejected"]);
    await assert.rejects(device.transferIn(irqIn, 28));
    await assert.rejects(device.controlTransferIn({
      requestType: "vendor",
      recipient: "device",
      request: 1,
      value: 0,
      index: 0,
    }, 8));
  });
}

async function claimSmoo(device: UsbDevice) {
  const found = findInterface(device, {
    triples: [[0xff, 0x53, 0x4d]],
    endpoints: ["interrupt-in", "interrupt-out", "bulk-in", "bulk-out"],
  });
  assert.ok(found);
  const { interfaceNumber } = found.interface;
  await device.selectConfiguration(found.configuration.configurationValue);
  await device.claimInterface(interfaceNumber);
  await device.selectAlternateInterface(
    interfaceNumber,
    found.alternate.alternateSetting,
  );
  const { endpoints } = found;
  return {
    irqIn: endpoints["interrupt-in"].endpointNumber,
    irqOut: endpoints["interrupt-out"].endpointNumber,
    bulkIn: endpoints["bulk-in"].endpointNumber,
    bulkOut: endpoints["bulk-out"].endpointNumber,
  };
}

/** Bytes that differ at each place and for each seed. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function bytesIn(data: DataView | null | undefined): Uint8Array {
  assert.ok(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function bytesOf(data: DataView | null | undefined): number[] {
  return [...bytesIn(data)];
}

/** Fast for large ones. */
function assertEqual(found: Uint8Array, expected: Uint8Array): void {
  assert.equal(found.length, expected.length);
  for (let i = 0; i < found.length; i++) {
    if (found[i] !== expected[i]) {
      assert.fail(`byte ${i} is ${found[i]}, expected ${expected[i]}`);
    }
  }
}

/** Waits for what happens on the other side. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition(), "it did not happen within 2 s");
}
