import assert from "node:assert/strict";
import test from "node:test";
import { SmooGadget } from "../../tests/support/smoo_gadget.ts";
import { FakeBus } from "../../tests/support/smoo_serving.ts";
import { isCoded } from "../errors.ts";
import { smooSource } from "./smoo_source.ts";

test("smooSource() finds the phone that is meant, or says that it cannot", async () => {
  const bus = new FakeBus();
  const one = new SmooGadget().plug({ serialNumber: "A" });
  const two = new SmooGadget().plug({
    serialNumber: "B",
    triple: [0xff, 0x42, 0x03],
  });
  const other = new SmooGadget().plug({ triple: [8, 6, 0x50] });
  const broken = {
    ...other,
    get configurations(): never {
      throw new Error("no descriptors");
    },
  };
  bus.devices = [broken as never, other, one, two];
  const find = (filter: object) => smooSource(bus, filter).find({});
  await assert.rejects(find({}), (error) => {
    assert.ok(isCoded(error, "smoo.ambiguous"));
    assert.match(error.message, /found 2 .* "A", "B", expected one/);
    return true;
  });
  assert.equal(await find({ serialNumber: "A" }), one);
  assert.equal(await find({ serialNumber: "B" }), two);
  assert.equal(await find({ serialNumber: "C" }), undefined);
  assert.equal(await find({ vendorId: 1 }), undefined);
  assert.equal(await find({ productId: 1 }), undefined);
  bus.devices = [other];
  assert.equal(await find({ vendorId: 0x18d1 }), undefined);
});

test("smooSource() opens what does not show its descriptors, once", async () => {
  const bus = new FakeBus();
  const gadget = new SmooGadget();
  const device = gadget.plug({ serialNumber: "A", triple: [8, 6, 0x50] });
  const { configurations } = device;
  let shown: typeof configurations = [];
  Object.defineProperty(device, "configurations", { get: () => shown });
  const silent = new SmooGadget().plug();
  Object.defineProperty(silent, "configurations", { value: [] });
  bus.devices = [device, silent];
  const source = smooSource(bus, { serialNumber: "A" });
  device.open = () => {
    shown = new SmooGadget().plug().configurations;
    return Promise.resolve();
  };
  for (let look = 0; look < 3; look++) {
    assert.equal(await source.find({}), device);
  }
  assert.deepEqual(silent.calls, ["open", "close"]);
  shown = [];
  device.open = () => Promise.reject(new Error("busy"));
  assert.equal(await source.find({}), undefined);
});
