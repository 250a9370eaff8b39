import assert from "node:assert/strict";
import test from "node:test";
import { oddDevice, smooDevice } from "../../tests/support/usb_devices.ts";
import { FakeUsbDevice } from "../../tests/support/usb_fake.ts";
import type { DeviceSpec } from "../phone/usb_descriptors.ts";
import { UsbModel } from "../phone/usb_device.ts";
import { findInterface } from "./find.ts";

const SMOO = {
  triples: [[0xff, 0x53, 0x4d], [0xff, 0x42, 0x03]],
  endpoints: ["interrupt-in", "interrupt-out", "bulk-in", "bulk-out"],
} as const;
const FASTBOOT = {
  triples: [[0xff, 0x42, 0x03]],
  endpoints: ["bulk-in", "bulk-out"],
} as const;

const device = (spec: DeviceSpec) => new FakeUsbDevice(new UsbModel(spec));

test("findInterface() finds endpoints by kind, whatever their numbers", () => {
  const found = findInterface(device(smooDevice()), SMOO)!;
  assert.equal(found.configuration.configurationValue, 1);
  assert.equal(found.interface.interfaceNumber, 0);
  const numbers = SMOO.endpoints.map((kind) =>
    found.endpoints[kind].endpointNumber
  );
  assert.deepEqual(numbers, [1, 2, 6, 7]);
});

test("findInterface() looks at every configuration and setting", () => {
  const found = findInterface(device(oddDevice()), SMOO)!;
  // The bootloader's interface has the other triple, but no interrupt endpoints.
  assert.equal(found.configuration.configurationValue, 2);
  assert.equal(found.interface.interfaceNumber, 2);
  assert.equal(found.alternate.alternateSetting, 1);
});

test("findInterface() tells a bootloader from a gadget that looks like one", () => {
  const found = findInterface(device(oddDevice()), FASTBOOT)!;
  assert.equal(found.configuration.configurationValue, 1);
  assert.equal(findInterface(device(smooDevice()), FASTBOOT), undefined);
});

test("findInterface() prefers the configuration that is set", () => {
  const spec = smooDevice();
  const twice = { 1: spec.configurations[1]!, 2: spec.configurations[1]! };
  const model = new UsbModel({ ...spec, configurations: twice });
  const at = () =>
    findInterface(new FakeUsbDevice(model), SMOO)!.configuration
      .configurationValue;
  assert.equal(at(), 1);
  model.configuration = 2;
  assert.equal(at(), 2);
});

test("findInterface() demands each kind of endpoint", () => {
  const spec = smooDevice();
  const whole = spec.configurations[1]![0]![0]!;
  for (const { address } of whole.endpoints) {
    const endpoints = whole.endpoints.filter((each) =>
      each.address !== address
    );
    const configurations = { 1: [[{ ...whole, endpoints }]] };
    const less = device({ ...spec, configurations });
    assert.equal(findInterface(less, SMOO), undefined);
  }
});
