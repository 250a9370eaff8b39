import { NativeUsbBus } from "../../src/adapters/node/usb_native_bus.ts";
import { UsbDeviceSet } from "../../src/usb/device_set.ts";
import { UsbIpBus } from "../../src/usb/usbip/bus.ts";
import { FakeUsbDevice } from "../support/usb_fake.ts";
import { UsbIpServer } from "../support/usb_ip_bus.ts";
import {
  FakeNativeUsb,
  type PluggedDevice,
} from "../support/usb_native_fake.ts";
import { streamPair } from "../support/usb_streams.ts";
import { usbHotplugConformance } from "./usb_hotplug.ts";

usbHotplugConformance("UsbDeviceSet", () => {
  const usb = new UsbDeviceSet();
  const places = new Map<number, FakeUsbDevice>();
  return {
    usb,
    plug(place, model) {
      const device = new FakeUsbDevice(model);
      places.set(place, device);
      usb.plug(device);
    },
    unplug(place) {
      const device = places.get(place)!;
      device.unplug();
      usb.unplug(device);
    },
  };
});

for (const silent of [false, true]) {
  const how = silent ? "of a system that tells nothing" : "";
  usbHotplugConformance(`NativeUsbBus ${how}`.trim(), () => {
    const machine = new FakeNativeUsb();
    machine.silent = silent;
    const usb = new NativeUsbBus(machine, silent ? 5 : undefined);
    const places = new Map<number, PluggedDevice>();
    return {
      usb,
      plug: (place, model) => {
        places.set(place, machine.plug(model, place));
      },
      unplug: (place) => machine.unplug(places.get(place)!),
    };
  });
}

usbHotplugConformance("UsbIpBus", () => {
  const server = new UsbIpServer();
  const usb = new UsbIpBus({
    connect() {
      const [client, other] = streamPair();
      server.serve(other);
      return Promise.resolve(client);
    },
    pollMs: 2,
  });
  return {
    usb,
    plug: (place, model) => server.plug(`1-${place}`, model),
    unplug: (place) => server.unplug(`1-${place}`),
  };
});
