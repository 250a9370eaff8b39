import assert from "node:assert/strict";
import test from "node:test";
import {
  FakePhone,
  fastbootSpec,
} from "../../tests/support/fastboot_device.ts";
import { smooDevice } from "../../tests/support/usb_devices.ts";
import { FakeUsbDevice } from "../../tests/support/usb_fake.ts";
import { serveUrbs } from "../../tests/support/usb_ip_server.ts";
import { streamPair } from "../../tests/support/usb_streams.ts";
import { openUsbIpDevice } from "../usb/usbip/device.ts";
import type { DeviceSpec } from "../phone/usb_descriptors.ts";
import { UsbModel } from "../phone/usb_device.ts";
import { FastbootClient } from "./client.ts";
import { findFastbootInterface } from "./usb_interface.ts";
import { openFastbootUsb } from "./usb_transport.ts";

const [fastboot] = fastbootSpec().configurations[1]![0]!;

/** A gadget of ours that mimics a bootloader. */
function mimic(): DeviceSpec {
  const spec = smooDevice();
  const [smoo] = spec.configurations[1]![0]!;
  return {
    ...spec,
    configurations: { 1: [[{ ...smoo!, triple: [0xff, 0x42, 0x03] }]] },
  };
}

function fakeOf(spec: DeviceSpec): FakeUsbDevice {
  const model = new UsbModel(spec);
  model.configuration = 1;
  return new FakeUsbDevice(model);
}

test("findFastbootInterface() finds it in any configuration and setting", () => {
  const adb = { ...fastboot!, triple: [0xff, 0x42, 0x01] } as const;
  const spec: DeviceSpec = {
    ...fastbootSpec(),
    configurations: { 1: [[adb]], 2: [[adb], [adb, fastboot!]] },
  };
  const found = findFastbootInterface(fakeOf(spec));
  assert.equal(found?.configuration.configurationValue, 2);
  assert.equal(found?.interface.interfaceNumber, 1);
  assert.equal(found?.alternate.alternateSetting, 1);
  assert.equal(found?.endpoints["bulk-in"].endpointNumber, 1);
});

test("findFastbootInterface() is not deceived by a gadget that mimics one", () => {
  assert.equal(findFastbootInterface(fakeOf(mimic())), undefined);
  const { triple, endpoints } = fastboot!;
  const half = { triple, endpoints: endpoints.slice(0, 1) };
  const one = { ...fastbootSpec(), configurations: { 1: [[half]] } };
  assert.equal(findFastbootInterface(fakeOf(one)), undefined);
});

test("openFastbootUsb() sets the configuration and the setting that it needs, and no others", async () => {
  const { triple } = fastboot!;
  const spec: DeviceSpec = {
    ...fastbootSpec(),
    configurations: {
      1: [[{ triple, endpoints: [] }]],
      2: [[
        { triple, endpoints: [] },
        fastboot!,
      ]],
    },
  };
  const device = fakeOf(spec);
  const transport = await openFastbootUsb(device);
  assert.deepEqual(device.model.requests, ["9:2", "11:1"]);
  await transport.close();
  const plain = new FakePhone();
  await (await openFastbootUsb(plain.usb)).close();
  assert.deepEqual(plain.model.requests, []);
});

test("openFastbootUsb() refuses a device without fastboot, and closes it", async () => {
  const device = fakeOf(mimic());
  await assert.rejects(openFastbootUsb(device), {
    code: "usb.no-interface",
    message:
      /^Cannot use 18d1:d00d "0001" as a bootloader: .* class ff\/42\/03/,
  });
  assert.equal(device.opened, false);
});

/** A device that cannot be opened, or claimed, some times. */
class Reluctant extends FakeUsbDevice {
  attempts = 0;
  readonly #step: "open" | "claim";
  readonly #times: number;
  readonly #error: () => Error;

  constructor(step: "open" | "claim", times: number, error: () => Error) {
    const { model } = new FakePhone();
    super(model);
    this.#step = step;
    this.#times = times;
    this.#error = error;
  }

  override async open(): Promise<void> {
    this.#refuse("open");
    await super.open();
  }

  override async claimInterface(number: number): Promise<void> {
    this.#refuse("claim");
    await super.claimInterface(number);
  }

  #refuse(step: string): void {
    if (step === this.#step && this.attempts++ < this.#times) {
      throw this.#error();
    }
  }
}

const named = (name: string, message: string) => () =>
  Object.assign(new Error(message), { name });
const ERRORS: [code: string, error: () => Error][] = [
  ["usb.access-denied", named("SecurityError", "Access denied.")],
  ["usb.access-denied", named("Error", "LIBUSB_ERROR_ACCESS")],
  ["usb.access-denied", named("Error", "Permission denied (os error 13)")],
  ["usb.busy", named("NetworkError", "Unable to claim interface.")],
  ["usb.busy", named("Error", "LIBUSB_ERROR_BUSY")],
  ["usb.busy", named("Error", "Device or resource busy (os error 16)")],
];
for (const [code, error] of ERRORS) {
  test(`openFastbootUsb() tries again for ${code}: ${error().message}`, async () => {
    for (const step of ["open", "claim"] as const) {
      const late = new Reluctant(step, 2, error);
      await (await openFastbootUsb(late, { retryMs: 10 })).close();
      assert.equal(late.attempts, 3);
      const never = new Reluctant(step, Infinity, error);
      await assert.rejects(
        openFastbootUsb(never, { busyMs: 200, deniedMs: 200, retryMs: 20 }),
        { code },
      );
      assert.ok(never.attempts > 2, `${never.attempts} attempts`);
      assert.equal(never.opened, false);
    }
  });
}

test("openFastbootUsb() says what to do about access, and gives the rule of udev", async () => {
  const device = new Reluctant("open", Infinity, ERRORS[0]![1]);
  const rule =
    'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="18d1", ATTR{idProduct}=="d00d", MODE="0660", GROUP="plugdev", TAG+="uaccess"';
  await assert.rejects(openFastbootUsb(device, { deniedMs: 0 }), {
    message:
      `Cannot open the device of 18d1:d00d "0123456789": Access denied.; on Linux put the line '${rule}' into /etc/udev/rules.d/70-fastboop.rules and run 'sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb'`,
    facts: {
      step: "open the device",
      device: '18d1:d00d "0123456789"',
      rule,
      file: "/etc/udev/rules.d/70-fastboop.rules",
    },
  });
});

test("openFastbootUsb() tries nothing again that will not help", async () => {
  const device = new Reluctant("open", 1, named("NotFoundError", "gone"));
  await assert.rejects(openFastbootUsb(device), { code: "usb.open-failed" });
  assert.equal(device.attempts, 1);
});

test("openFastbootUsb() stops trying when it is cancelled", async () => {
  const device = new Reluctant("claim", Infinity, ERRORS[3]![1]);
  const stop = new AbortController();
  setTimeout(() => stop.abort("enough"), 20);
  await assert.rejects(
    openFastbootUsb(device, { signal: stop.signal }),
    (error) => error === "enough",
  );
  assert.equal(device.opened, false);
});

test("openFastbootUsb() gives up a device that does not answer", async () => {
  const device = fakeOf(fastbootSpec());
  device.claimInterface = () => new Promise(() => {});
  await assert.rejects(openFastbootUsb(device, { openMs: 20 }), {
    code: "usb.open-failed",
    message: /it took longer than 20 ms/,
  });
});

test("the USB transport sends no empty packet unless it is told to", async () => {
  const image = new Uint8Array(4096).fill(1);
  const silent = new FakePhone();
  const client = new FastbootClient(await openFastbootUsb(silent.usb));
  await client.download(image);
  await client.boot();
  assert.ok(!silent.transfers.includes(0) && !silent.commands.includes(""));
  // The emulated bootloader is as LK: it answers to an empty packet behind the data.
  const told = new FakePhone();
  const options = { emptyPacketAfterData: true };
  const other = new FastbootClient(await openFastbootUsb(told.usb, options));
  await other.download(image);
  assert.equal(told.commands.at(-1), "");
  await assert.rejects(other.boot(), {
    code: "fastboot.failed",
    facts: { command: "boot", message: "unknown command" },
  });
});

test("the USB transport keeps several transfers under way, in order", async () => {
  const phone = new FakePhone();
  const out = phone.model.pipes.get(1)!;
  const take = out.onOut!;
  let active = 0;
  let most = 0;
  out.onOut = async (bytes) => {
    most = Math.max(most, ++active);
    await new Promise((resolve) => setTimeout(resolve, 1));
    active--;
    return await take(bytes);
  };
  const image = Uint8Array.from({ length: 10_000 }, (_, at) => at >> 4);
  const transport = await openFastbootUsb(phone.usb, { chunkBytes: 1000 });
  const client = new FastbootClient(transport);
  await client.download(image);
  await client.boot();
  assert.equal(most, 3);
  assert.deepEqual(phone.left?.image, image);
  assert.equal(phone.transfers[0], 512, "whole packets");
});

test("the USB transport refuses a short write", async () => {
  const phone = new FakePhone();
  const { usb } = phone;
  const transferOut = usb.transferOut.bind(usb);
  usb.transferOut = async (number, data) => {
    const result = await transferOut(number, data);
    return data.length > 64
      ? { ...result, bytesWritten: data.length - 1 }
      : result;
  };
  const client = new FastbootClient(await openFastbootUsb(usb));
  await assert.rejects(client.download(new Uint8Array(2048)), {
    code: "fastboot.lost",
    message: /2047 of 2048 bytes/,
  });
});

test("the USB transport passes over empty packets, but not over too many", async () => {
  const phone = new FakePhone({
    faults: [{ at: "getvar:version", before: ["", ""] }],
  });
  const client = new FastbootClient(await openFastbootUsb(phone.usb));
  assert.equal(await client.getvar("version"), "0.4");
});

test("FastbootClient works over USB/IP, and loses the phone with the connection", async () => {
  const image = Uint8Array.from({ length: 300_000 }, (_, at) => at >> 5);
  const phone = new FakePhone();
  const [there, here] = streamPair();
  const served = serveUrbs(phone.model, here);
  const device = await openUsbIpDevice(there, { speed: 3 });
  const client = new FastbootClient(
    await openFastbootUsb(device, { chunkBytes: 64 << 10 }),
  );
  assert.equal(client.name, '18d1:d00d "0123456789"');
  await client.download(image);
  await client.boot();
  assert.deepEqual(phone.left?.image, image);
  const silent = client.getvar("version");
  here.close();
  await assert.rejects(silent, { code: "fastboot.lost" });
  await client.close();
  await served;
});
