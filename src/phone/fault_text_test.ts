import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFault } from "./fault_text.ts";

test("parseFault() reads what users write", () => {
  assert.deepEqual(parseFault("boot:fail*1=no: memory"), {
    at: "boot",
    fail: "no: memory",
    times: 1,
  });
  assert.deepEqual(parseFault("data:unplug=65536"), {
    at: "data",
    unplug: 65536,
  });
  assert.deepEqual(parseFault("getvar:product:silent"), {
    at: "getvar:product",
    silent: true,
  });
  assert.deepEqual(parseFault("download:announce=-16"), {
    at: "download",
    announce: -16,
  });
  assert.deepEqual(parseFault("usb:descriptors*2=length-0"), {
    at: "usb",
    descriptors: "length-0",
    times: 2,
  });
  assert.deepEqual(parseFault("boot:before=INFOa,INFOb"), {
    at: "boot",
    before: ["INFOa", "INFOb"],
  });
});

for (const wrong of ["", "boot", "boot:", ":fail=x", "boot:stall=up", "a:b"]) {
  test(`parseFault() refuses "${wrong}"`, () => {
    assert.throws(() => parseFault(wrong), TypeError);
  });
}

for (
  const wrong of [
    "usb:fail=no",
    "usb:descriptors=upside-down",
    "gadget:silent",
    "data:stall=in",
    "data:fail=no",
    "image:unplug=0",
    "boot:announce=1",
    "boot:descriptors=length-0",
  ]
) {
  test(`parseFault() refuses "${wrong}", which cannot happen`, () => {
    assert.throws(() => parseFault(wrong), TypeError);
  });
}
