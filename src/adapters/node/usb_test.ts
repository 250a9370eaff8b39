import assert from "node:assert/strict";
import { test } from "node:test";
import { usbDeviceConformance } from "../../../tests/conformance/usb_device.ts";
import { fastbootSpec } from "../../../tests/support/fastboot_device.ts";
import {
  FakeNativeUsb,
  type PluggedDevice,
} from "../../../tests/support/usb_native_fake.ts";
import { isCoded } from "../../errors.ts";
import { openFastbootInterface } from "../../fastboot/usb_open.ts";
import { UsbModel } from "../../phone/usb_device.ts";
import { openUsb } from "./usb.ts";
import {
  judgeNative,
  loadNativeUsb,
  type NativeEmitter,
} from "./usb_native.ts";
import { NativeUsbBus } from "./usb_native_bus.ts";
import { NativeUsbDevice } from "./usb_native_device.ts";

test("openUsb() lists the devices of this machine, or says why it cannot", async () => {
  try {
    const { usb, portOf } = await openUsb("auto");
    for (const device of await usb.getDevices()) {
      assert.match(portOf(device) ?? "", /^\S+$/);
    }
  } catch (error) {
    assert.ok(isCoded(error, "usb.unavailable"), String(error));
    assert.match(error.message, /^Cannot use USB of this machine: .*usbip:/s);
    // the package itself works here, if the machine does not
    assert.doesNotMatch(error.message, /cannot be loaded/);
  }
});

test("openUsb() takes servers, and nothing else", async () => {
  const { usb, portOf } = await openUsb("usbip://192.0.2.1/1-2");
  assert.equal(typeof usb.getDevices, "function");
  const model = new UsbModel(fastbootSpec());
  const { fake } = new FakeNativeUsb().plug(model);
  assert.equal(portOf(fake), undefined);
  for (const spec of ["", "usb", "tcp://host", "usbip://"]) {
    await assert.rejects(openUsb(spec), TypeError);
  }
});

test("loadNativeUsb() says that there is no package, or no program of it for this machine", async () => {
  const failures = [
    () => Promise.reject(new Error("Cannot find module 'usb'\nRequire stack")),
    () =>
      Promise.resolve({
        usb: { getDevices: () => Promise.reject(new Error("no bus")) },
        Emitter: FakeEmitter,
      }),
  ];
  for (const load of failures) {
    await assert.rejects(loadNativeUsb(load), (error) => {
      assert.ok(isCoded(error, "usb.unavailable"));
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});

class FakeEmitter implements NativeEmitter {
  static readonly log: string[] = [];
  addAttach(): Promise<void> {
    return this.#refuse("addAttach");
  }
  removeAttach(): Promise<void> {
    return this.#refuse("removeAttach");
  }
  addDetach(): Promise<void> {
    return this.#refuse("addDetach");
  }
  removeDetach(): Promise<void> {
    return this.#refuse("removeDetach");
  }
  #refuse(what: string): Promise<void> {
    FakeEmitter.log.push(what);
    return Promise.reject(new Error("failed to open udev netlink socket"));
  }
}

test("loadNativeUsb() gives a machine that refuses to tell of what comes", async () => {
  const native = await loadNativeUsb(() =>
    Promise.resolve({
      usb: { getDevices: () => Promise.resolve([]) },
      Emitter: FakeEmitter,
    })
  );
  assert.deepEqual(await native.getDevices(), []);
  native.watch(() => {})();
  // nothing of it is thrown where nobody can catch it
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(FakeEmitter.log, [
    "addAttach",
    "addDetach",
    "removeAttach",
    "removeDetach",
  ]);
});

test("judgeNative() understands the words of the package and of Linux", () => {
  const WORDS = {
    "failed to open device (errno 13)": "denied",
    "failed to claim interface (errno 16)": "busy",
    "interface is busy": "busy",
    "endpoint already in use": "busy",
    "transfer error: device disconnected": "gone",
    "failed to open device (errno 19)": "gone",
    "transfer was cancelled": "timeout",
    "endpoint stalled": "stall",
    "hardware fault or protocol violation": "other",
  };
  for (const [words, kind] of Object.entries(WORDS)) {
    assert.equal(judgeNative(new Error(words)), kind, words);
  }
});

/** A device of a fake machine, as the adapter gives it. */
async function pluggedIn(
  model: UsbModel,
): Promise<
  {
    machine: FakeNativeUsb;
    plugged: PluggedDevice;
    device: NativeUsbDevice;
    bus: NativeUsbBus;
  }
> {
  const machine = new FakeNativeUsb();
  const plugged = machine.plug(model);
  const bus = new NativeUsbBus(machine);
  const [device] = await bus.getDevices();
  assert.ok(device instanceof NativeUsbDevice);
  return { machine, plugged, device, bus };
}

usbDeviceConformance("NativeUsbDevice", async (model) => {
  const { machine, plugged, device, bus } = await pluggedIn(model);
  // events make the bus notice
  const listener = () => {};
  bus.addEventListener("disconnect", listener);
  await device.open();
  return {
    device,
    unplug: () => machine.unplug(plugged),
    dispose: () => {
      bus.removeEventListener("disconnect", listener);
      assert.equal(machine.listeners, 0);
      assert.equal(plugged.closedBusy, false);
    },
  };
  // the package `usb` refuses a second one
}, { atEndpoint: 1 });

test("NativeUsbDevice waits for a device that says nothing for long", async () => {
  const model = new UsbModel(fastbootSpec());
  model.configuration = 1;
  const { device, plugged } = await pluggedIn(model);
  await openFastbootInterface(device);
  const reply = device.transferIn(1, 4096);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  model.pipes.get(0x81)!.send(Uint8Array.of(1, 2, 3));
  assert.equal((await reply).data?.byteLength, 3);
  const never = assert.rejects(
    device.transferIn(1, 4096),
    (error) => isCoded(error, "usb.closed"),
  );
  await device.close();
  await never;
  assert.equal(plugged.closedBusy, false);
});

test("NativeUsbDevice says that a device is not ours to use, with the rule that helps", async () => {
  const { device, plugged } = await pluggedIn(new UsbModel(fastbootSpec()));
  plugged.openErrors.push(
    ...new Array(100).fill("failed to open device (errno 13)"),
  );
  await assert.rejects(
    openFastbootInterface(device, { deniedMs: 400 }),
    (error) => {
      assert.ok(isCoded(error, "usb.access-denied"));
      assert.match(error.message, /ATTR\{idVendor\}=="18d1"/);
      return true;
    },
  );
  assert.ok(plugged.openErrors.length < 99, "it was not tried again");
});

test("NativeUsbDevice opens once udev has given the right to", async () => {
  const { device, plugged } = await pluggedIn(new UsbModel(fastbootSpec()));
  plugged.openErrors.push(
    "failed to open device (errno 13)",
    "failed to open device (errno 13)",
  );
  await openFastbootInterface(device);
  assert.ok(device.opened);
  await device.close();
});
