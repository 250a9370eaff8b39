import assert from "node:assert/strict";
import test from "node:test";
import { FastbootClient } from "../../fastboot/client.ts";
import { FastbootDevice } from "../../phone/fastboot_device.ts";
import { serveFastbootTcp } from "../../phone/fastboot_tcp.ts";
import { connectFastbootTcp } from "./fastboot_tcp.ts";
import { listenTcp } from "./tcp.ts";

test("connectFastbootTcp() talks to a bootloader over TCP", async () => {
  const { port, connections, close } = await listenTcp();
  const waiting = connections.getReader();
  const served = waiting.read().then(({ value }) =>
    serveFastbootTcp(value!, new FastbootDevice())
  );
  const address = `tcp:127.0.0.1:${port}`;
  const client = new FastbootClient(await connectFastbootTcp(address));
  close();
  assert.equal(client.name, address);
  const image = Uint8Array.from({ length: 2_500_000 }, (_, at) => at >> 4);
  await client.download(image);
  await client.boot();
  await client.close();
  assert.deepEqual(await served, { why: "left", image });
  await assert.rejects(connectFastbootTcp(address), {
    code: "usb.unreachable",
  });
});

test("connectFastbootTcp() refuses what is no address", async () => {
  for (
    const address of ["", "tcp:", "udp:host", "tcp:host:0", "tcp:host:70000"]
  ) {
    await assert.rejects(connectFastbootTcp(address), TypeError, address);
  }
});
