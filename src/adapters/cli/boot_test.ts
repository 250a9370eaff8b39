import assert from "node:assert/strict";
import test from "node:test";
import { CliProcess } from "../../../tests/support/cli_process.ts";
import {
  startHttpServer,
  type TestServer,
} from "../../../tests/support/http_server.ts";

/** Of an image that takes long to fetch. */
const SLOW = { content: new Uint8Array(1 << 20), bytesPerSecond: 1000 };

/** What boots an image that is fetched as a whole first. */
const bootSpooled = (server: TestServer, usb: string) =>
  new CliProcess([
    ...["boot", "--spool", "--no-cache", server.url("/a.img")],
    ...["--device-profile", "virtual-phone-arm64", "--usb", usb],
  ]);

test("fastboop boot looks at USB before it fetches the image", async () => {
  const server = await startHttpServer(SLOW);
  const boot = bootSpooled(server, "usbip://lab:none");
  try {
    assert.equal(await boot.ended, 1);
    assert.match(boot.errors, /Cannot use "usbip:\/\/lab:none"/);
    assert.equal(server.requests.length, 0);
  } finally {
    await boot.stop();
    await server.close();
  }
});

test("fastboop boot tells that it was interrupted while it fetched the image", async () => {
  const server = await startHttpServer(SLOW);
  const boot = bootSpooled(server, "usbip://127.0.0.1");
  try {
    await boot.until("a request", () => server.requests.length > 0);
    boot.signal("SIGINT");
    assert.equal(await boot.ended, 130);
    assert.match(boot.errors, /Interrupted: finishing/);
  } finally {
    await boot.stop();
    await server.close();
  }
});
