/**
 * A smoo host as a process of its own, to be killed by tests.
 *
 * usage: serve_process.ts IMAGE
 *
 * Listens on a free port, which is the first line on standard output, and serves the image to the
 * USB/IP device behind each connection, one at a time. Each event follows as one line: its type, and why.
 *
 * @module
 */

import process from "node:process";
import { openFile } from "../../src/adapters/node/file.ts";
import { listenTcp } from "../../src/adapters/node/tcp.ts";
import { serveForever } from "../../src/serve/serve_forever.ts";
import { openUsbIpDevice } from "../../src/usb/usbip/device.ts";

const reader = await openFile(process.argv[2]!);
const { port, connections } = await listenTcp();
console.log(port);
const waiting = connections.getReader();
const source = {
  async find() {
    const { value } = await waiting.read();
    return await openUsbIpDevice(value!);
  },
};
for await (
  const event of serveForever(source, [{ reader, blockSize: 4096 }])
) {
  const why = "cause" in event && event.cause ? ` ${event.cause}` : "";
  console.log(`${event.type}${why}`);
}
