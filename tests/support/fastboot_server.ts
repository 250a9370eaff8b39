/**
 * A phone in fastboot mode behind USB/IP, as a process of its own.
 *
 * Listens on a free port, which is the first line on standard output. Each connection is a new phone,
 * imported already.
 *
 * @module
 */

import { listenTcp } from "../../src/adapters/node/tcp.ts";
import { FakePhone } from "./fastboot_device.ts";
import { serveUrbs } from "./usb_ip_server.ts";

const { port, connections } = await listenTcp();
console.log(port);
for await (const stream of connections) {
  void serveUrbs(new FakePhone().model, stream);
}
