/**
 * A client of ours connected to the emulated bootloader.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  FastbootClient,
  type FastbootOptions,
} from "../../src/fastboot/client.ts";
import { openFastbootUsb } from "../../src/fastboot/usb_transport.ts";
import { FakePhone, type FakePhoneOptions } from "./fastboot_device.ts";

/** Something to send, of a length that no chunk divides. */
export const IMAGE = Uint8Array.from({ length: 5000 }, (_, at) => at * 7);

/** In transfers of 1 KiB. */
export async function connect(
  options: FakePhoneOptions = {},
  clientOptions: FastbootOptions = {},
) {
  const phone = new FakePhone(options);
  const transport = await openFastbootUsb(phone.usb, { chunkBytes: 1024 });
  const client = new FastbootClient(transport, clientOptions);
  return { phone, client };
}

/** A program that comes later finds a bootloader that answers. */
export async function expectUsable(phone: FakePhone): Promise<void> {
  const client = new FastbootClient(await openFastbootUsb(phone.usb));
  assert.equal(await client.getvar("version", { timeoutMs: 10_000 }), "0.4");
  await client.download(IMAGE);
  await client.boot();
  await client.close();
  assert.deepEqual(phone.left?.image, IMAGE);
}
