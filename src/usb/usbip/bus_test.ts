import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { until } from "../../../tests/conformance/usb_device.ts";
import { oddDevice, smooDevice } from "../../../tests/support/usb_devices.ts";
import { UsbIpServer } from "../../../tests/support/usb_ip_bus.ts";
import { UsbModel } from "../../phone/usb_device.ts";
import { fromHex, Script } from "../../../tests/support/usb_script.ts";
import { streamPair } from "../../../tests/support/usb_streams.ts";
import { type ErrorCode, isCoded } from "../../errors.ts";
import { UsbError } from "../errors.ts";
import { UsbIpBus, type UsbIpBusOptions } from "./bus.ts";
import { importDevice, listDevices } from "./import.ts";
import { parseUsbIpUrl } from "./url.ts";

const rejects = (work: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(work, (error) => {
    assert.ok(isCoded(error, code), `${error}`);
    return true;
  });

function busOf(
  server: UsbIpServer,
  options: Partial<UsbIpBusOptions> = {},
): UsbIpBus {
  const connect = () => {
    const [client, other] = streamPair();
    server.serve(other);
    return Promise.resolve(client);
  };
  return new UsbIpBus({ connect, pollMs: 2, ...options });
}

function withDevices(): UsbIpServer {
  const server = new UsbIpServer();
  server.plug("1-1", new UsbModel(smooDevice()));
  server.plug("1-2.4", new UsbModel(oddDevice()));
  return server;
}

test("UsbIpBus lists devices and imports them when they are opened", async () => {
  const server = withDevices();
  const bus = busOf(server);
  const [first, second, ...rest] = await bus.getDevices();
  assert.deepEqual(rest, []);
  assert.equal(second!.vendorId, 0xdead);
  assert.equal(second!.productId, 0xbeef);
  assert.equal(second!.opened, false);
  const { busid, path, speed, interfaces } = bus.describe(second!)!;
  assert.equal(busid, "1-2.4");
  assert.equal(path, "/sys/devices/virtual/usb1/1-2.4");
  assert.equal(speed, 3);
  assert.deepEqual(interfaces, [[0xff, 0x42, 0x03]]);
  assert.deepEqual(server.used, []);
  await first!.open();
  assert.deepEqual(server.used, ["1-1"]);
  assert.equal(first!.serialNumber, "0001");
  await first!.selectConfiguration(1);
  // It is not in the list now, and still on the bus.
  for (let i = 0; i < 4; i++) assert.equal((await bus.getDevices())[0], first);
  await first!.close();
  await until(() => server.used.length === 0);
  assert.equal((await bus.getDevices())[0], first);
  await first!.open();
  assert.equal(first!.opened, true);
  await first!.close();
  assert.deepEqual(server.ends, ["client left", "client left"]);
});

test("UsbIpBus tells what comes and goes while somebody listens", async () => {
  const server = withDevices();
  const bus = busOf(server);
  const log: string[] = [];
  const names = new Map<unknown, string>();
  const came = ({ device }: { device: object }) => {
    names.set(device, `device ${names.size + 1}`);
    log.push(`+${names.get(device)}`);
  };
  const went = ({ device }: { device: object }) =>
    void log.push(`-${names.get(device)}`);
  bus.addEventListener("connect", came);
  bus.addEventListener("disconnect", went);
  await until(() => log.length === 2);
  // Plugged in again: the same place, another device.
  server.unplug("1-1");
  server.plug("1-1", new UsbModel(smooDevice()));
  await until(() => log.length === 4);
  assert.deepEqual(log.slice(2).sort(), ["+device 3", "-device 1"]);
  server.unplug("1-2.4");
  await until(() => log.length === 5);
  assert.equal(log[4], "-device 2");
  bus.removeEventListener("connect", came);
  bus.removeEventListener("disconnect", went);
  await new Promise((resolve) => setTimeout(resolve, 10));
  const { connections } = server;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.connections, connections, "nobody listens, nobody asks");
});

test("UsbIpBus tells at once when an open device is unplugged", async () => {
  const server = withDevices();
  const bus = busOf(server, { busid: "1-1" });
  const [device, ...others] = await bus.getDevices();
  assert.deepEqual(others, []);
  let gone = 0;
  const went = () => gone++;
  bus.addEventListener("disconnect", went);
  await device!.open();
  await device!.selectConfiguration(1);
  await device!.claimInterface(0);
  const waiting = rejects(device!.transferIn(1, 28), "usb.disconnected");
  server.unplug("1-1");
  await waiting;
  await until(() => gone === 1);
  assert.deepEqual(await bus.getDevices(), []);
  bus.removeEventListener("disconnect", went);
});

test("UsbIpBus goes on when the server is away for a while", async () => {
  const server = withDevices();
  const problems: unknown[] = [];
  let away = false;
  const inner = streamPair;
  const bus = new UsbIpBus({
    pollMs: 2,
    onProblem: (error) => problems.push(error),
    connect: () => {
      if (away) return Promise.reject(new UsbError("usb.unreachable", "away"));
      const [client, other] = inner();
      server.serve(other);
      return Promise.resolve(client);
    },
  });
  const log: string[] = [];
  const came = () => void log.push("+");
  const went = () => void log.push("-");
  bus.addEventListener("connect", came);
  bus.addEventListener("disconnect", went);
  await until(() => log.length === 2);
  away = true;
  await until(() => log.length === 4);
  await rejects(bus.getDevices(), "usb.unreachable");
  away = false;
  await until(() => log.length === 6);
  assert.equal(log.join(""), "++--++");
  assert.equal(problems.length, 1, "once, however long it is away");
  assert.ok(isCoded(problems[0], "usb.unreachable"));
  away = true;
  await until(() => problems.length === 2);
  bus.removeEventListener("connect", came);
  bus.removeEventListener("disconnect", went);
});

test("a server that was never there is told once: to who asks, else to who listens", async () => {
  const problems: unknown[] = [];
  const never = () =>
    new UsbIpBus({
      pollMs: 2,
      onProblem: (error) => problems.push(error),
      connect: () => Promise.reject(new UsbError("usb.unreachable", "never")),
    });
  const nothing = () => {};
  const asked = never();
  asked.addEventListener("connect", nothing);
  await rejects(asked.getDevices(), "usb.unreachable");
  asked.removeEventListener("connect", nothing);
  assert.deepEqual(problems, []);
  const heard = never();
  heard.addEventListener("connect", nothing);
  await until(() => problems.length === 1);
  heard.removeEventListener("connect", nothing);
});

test("a device of a bus cannot be opened when it is in use, gone, or another one", async () => {
  const server = withDevices();
  const [mine] = await busOf(server).getDevices();
  const [theirs] = await busOf(server).getDevices();
  await mine!.open();
  await rejects(theirs!.open(), "usb.import-refused");
  await mine!.close();
  await until(() => server.used.length === 0);
  server.unplug("1-1");
  await rejects(theirs!.open(), "usb.import-refused");
  server.plug("1-1", new UsbModel(smooDevice()));
  await rejects(theirs!.open(), "usb.disconnected");
  await until(() => server.used.length === 0);
});

test("importDevice() and listDevices() write what the kernel's documents show", async () => {
  const list = new Script();
  const listing = listDevices(list.client);
  assert.equal(await list.read(8), "0111800500000000");
  list.write("0111000500000000" + "00000000");
  assert.deepEqual(await listing, []);
  const one = new Script();
  const importing = importDevice(one.client, "3-2");
  assert.equal(
    await one.read(40),
    "0111800300000000" + "332d32" + "00".repeat(29),
  );
  one.write("0111000300000001");
  await rejects(importing, "usb.import-refused");
  assert.equal(await one.read(1), "", "the connection is closed");
});

const WRONG: Record<string, [hex: string, code: ErrorCode]> = {
  "another version": ["0100000500000000" + "00000000", "usb.bad-reply"],
  "another code": ["0111000300000000" + "00000000", "usb.bad-reply"],
  "a status": ["0111000500000001", "usb.bad-reply"],
  "4 billion devices": ["0111000500000000" + "ffffffff", "usb.bad-reply"],
  "more than was asked for": [
    "0111000500000000" + "00000000" + "00",
    "usb.bad-reply",
  ],
  "HTTP": ["485454502f312e3120343030", "usb.bad-reply"],
  "half a device": [
    "0111000500000000" + "00000001" + "00".repeat(100),
    "usb.disconnected",
  ],
  "nothing": ["", "usb.disconnected"],
};

for (const [what, [hex, code]] of Object.entries(WRONG)) {
  test(`listDevices() refuses ${what}`, async () => {
    const script = new Script();
    const listing = rejects(listDevices(script.client), code);
    await script.read(8);
    script.write(hex);
    await new Promise((resolve) => setTimeout(resolve, 2));
    script.end();
    await listing;
  });
}

test("listDevices() leaves when nothing comes or when it is told to", async () => {
  const silent = new Script();
  await rejects(listDevices(silent.client, { timeoutMs: 5 }), "usb.timeout");
  const leaver = new AbortController();
  const listing = listDevices(new Script().client, { signal: leaver.signal });
  leaver.abort();
  await assert.rejects(listing, { name: "AbortError" });
});

test("listDevices() and importDevice() survive any bytes", async () => {
  const bytes = fc.tuple(
    fc.constantFrom("", "0111000500000000", "01110003", "0111000300000000"),
    fc.uint8Array({ maxLength: 700, size: "max" }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), async ([hex, tail], isList) => {
      const server = new UsbIpServer();
      server.answer = Uint8Array.from([...fromHex(hex), ...tail]);
      const [client, other] = streamPair();
      server.serve(other).then(() => other.close());
      const work: Promise<unknown> = isList
        ? listDevices(client, { timeoutMs: 1000 })
        : importDevice(client, "1-1", { timeoutMs: 1000 });
      const result = await work.catch((error) => error);
      if (result instanceof Error) assert.ok(isCoded(result), `${result}`);
      other.close();
    }),
    { numRuns: 300 },
  );
});

test("importDevice() refuses a busid that does not fit", async () => {
  await assert.rejects(
    importDevice(new Script().client, "1".repeat(32)),
    RangeError,
  );
});

test("parseUsbIpUrl() knows hosts, ports and devices", () => {
  assert.deepEqual(parseUsbIpUrl("usbip://lab"), { host: "lab", port: 3240 });
  assert.deepEqual(parseUsbIpUrl("usbip://10.0.0.1:99/"), {
    host: "10.0.0.1",
    port: 99,
  });
  assert.deepEqual(parseUsbIpUrl("usbip://[fe80::1]:99/1-1.2"), {
    host: "fe80::1",
    port: 99,
    busid: "1-1.2",
  });
  const wrong = ["", "lab", "http://lab", "usbip://", "usbip://lab:0"];
  wrong.push("usbip://lab:70000", "usbip://lab:x", "usbip://a/b/c");
  for (const text of wrong) {
    assert.throws(() => parseUsbIpUrl(text), TypeError, text);
  }
});
