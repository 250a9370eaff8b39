import { connectTcp, listenTcp } from "../../src/adapters/node/tcp.ts";
import { openUsbIpDevice } from "../../src/usb/usbip/device.ts";
import { FakeUsbDevice } from "../support/usb_fake.ts";
import { type ServerFaults, serveUrbs } from "../support/usb_ip_server.ts";
import { streamPair } from "../support/usb_streams.ts";
import { usbDeviceConformance } from "./usb_device.ts";

usbDeviceConformance("FakeUsbDevice", async (model) => {
  const device = new FakeUsbDevice(model);
  await device.open();
  return { device, unplug: () => device.unplug() };
});

/** Over USB/IP in memory, with replies as the faults have them. */
function overMemory(name: string, faults: () => ServerFaults): void {
  usbDeviceConformance(name, async (model) => {
    const [client, server] = streamPair();
    const served = serveUrbs(model, server, { devid: 7, faults: faults() });
    const { speed } = model.spec;
    const device = await openUsbIpDevice(client, { devid: 7, speed });
    const dispose = async () => void await served;
    return { device, unplug: () => server.close(), dispose };
  });
}

overMemory("UsbIpDevice", () => ({}));
overMemory("UsbIpDevice with replies in pieces", () => ({ chunk: 4099 }));
overMemory("UsbIpDevice with late replies", () => ({
  delay: (seqnum) => new Promise((resolve) => setTimeout(resolve, seqnum % 3)),
}));

usbDeviceConformance("UsbIpDevice over TCP", async (model) => {
  const listener = await listenTcp();
  const connections = listener.connections.getReader();
  const client = await connectTcp("127.0.0.1", listener.port);
  const server = (await connections.read()).value!;
  listener.close();
  const served = serveUrbs(model, server);
  const { speed } = model.spec;
  const device = await openUsbIpDevice(client, { speed });
  const dispose = async () => void await served;
  return { device, unplug: () => server.close(), dispose };
});
