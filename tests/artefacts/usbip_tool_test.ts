import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { connectTcp, listenTcp } from "../../src/adapters/node/tcp.ts";
import { usbIpBus } from "../../src/adapters/node/usbip.ts";
import { isCoded } from "../../src/errors.ts";
import { importDevice } from "../../src/usb/usbip/import.ts";
import { oddDevice, smooDevice } from "../support/usb_devices.ts";
import { UsbIpServer } from "../support/usb_ip_bus.ts";
import { UsbModel } from "../../src/phone/usb_device.ts";

const run = promisify(execFile);

async function missing(program: string): Promise<string | false> {
  try {
    await run(program, ["--help"], { env: { PATH } });
    return false;
  } catch (error) {
    const { code } = error as { code?: unknown };
    return code === "ENOENT" ? `${program} is not installed` : false;
  }
}

/** Debian has both programs where only root looks. */
const PATH = `${process.env["PATH"]}:/usr/sbin`;

test("the standard usbip tool lists what our bus lists", {
  skip: await missing("usbip"),
}, async () => {
  const listener = await listenTcp();
  const server = new UsbIpServer();
  server.plug("1-1", new UsbModel(smooDevice(5)));
  server.plug("1-2.4", new UsbModel(oddDevice()));
  const serving = (async () => {
    for await (const stream of listener.connections) server.serve(stream);
  })();
  try {
    const port = `${listener.port}`;
    const { stdout } = await run(
      "usbip",
      ["--tcp-port", port, "list", "--remote", "127.0.0.1"],
      { env: { PATH } },
    );
    const bus = usbIpBus(`usbip://127.0.0.1:${port}`);
    const ours = (await bus.getDevices()).map((one) => bus.describe(one)!);
    assert.equal(ours.length, 2);
    const hex = (value: number, digits: number) =>
      value.toString(16).padStart(digits, "0");
    for (const one of ours) {
      const ids = `(${hex(one.vendorId, 4)}:${hex(one.productId, 4)})`;
      const line = stdout.split("\n").findIndex((text) =>
        text.trim().startsWith(`${one.busid}: `) && text.includes(ids)
      );
      assert.ok(line >= 0, `${one.busid} ${ids} is not in:\n${stdout}`);
      assert.ok(stdout.includes(`: ${one.path}\n`), stdout);
      for (const triple of one.interfaces) {
        const text = triple.map((each) => hex(each, 2)).join("/");
        assert.ok(
          stdout.includes(`(${text})`),
          `${text} is not in:\n${stdout}`,
        );
      }
    }
  } finally {
    listener.close();
    await serving;
  }
});

test("our bus understands the standard usbipd", {
  skip: await missing("usbipd"),
}, async () => {
  const free = await listenTcp();
  const { port } = free;
  free.close();
  const daemon = spawn("usbipd", ["--tcp-port", `${port}`], {
    env: { PATH },
    stdio: "ignore",
  });
  try {
    const bus = usbIpBus(`usbip://127.0.0.1:${port}`);
    // It needs a moment to listen.
    let devices;
    for (let tries = 0; devices === undefined; tries++) {
      devices = await bus.getDevices().catch((error) => {
        if (tries === 100 || !isCoded(error, "usb.unreachable")) throw error;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(devices, [], "nothing is bound on this machine");
    await assert.rejects(
      importDevice(await connectTcp("127.0.0.1", port), "9-9"),
      (error) =>
        isCoded(error, "usb.import-refused") && error.facts["status"] === 4,
    );
  } finally {
    daemon.kill("SIGKILL");
    await new Promise((resolve) => daemon.once("close", resolve));
  }
});
