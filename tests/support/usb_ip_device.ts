/**
 * A modelled device behind USB/IP in memory.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ErrorCode, isCoded } from "../../src/errors.ts";
import { UsbModel } from "../../src/phone/usb_device.ts";
import {
  openUsbIpDevice,
  type UsbIpDevice,
  type UsbIpDeviceOptions,
} from "../../src/usb/usbip/device.ts";
import { smooDevice } from "./usb_devices.ts";
import { type ServerFaults, serveUrbs } from "./usb_ip_server.ts";
import { streamPair } from "./usb_streams.ts";

/** Expects a rejection with a code. */
export const rejects = (
  work: Promise<unknown>,
  code: ErrorCode,
): Promise<void> =>
  assert.rejects(work, (error) => {
    assert.ok(isCoded(error, code), `${error}`);
    return true;
  });

/** A device that is open, and whose interface is claimed. */
export interface Opened {
  readonly device: UsbIpDevice;
  readonly model: UsbModel;
  /** Why the server ended. */
  readonly served: Promise<string>;
}

/** Begins to open a device. */
export function open(
  model: UsbModel,
  faults: ServerFaults = {},
  options: UsbIpDeviceOptions & { signal?: AbortSignal } = {},
): [opening: Promise<UsbIpDevice>, served: Promise<string>] {
  const [client, server] = streamPair();
  const served = serveUrbs(model, server, { devid: 3, faults });
  return [openUsbIpDevice(client, { devid: 3, ...options }), served];
}

/** Opens a device and claims its interface. */
export async function opened(
  options: UsbIpDeviceOptions = {},
  faults: ServerFaults = {},
): Promise<Opened> {
  const model = new UsbModel(smooDevice());
  const [opening, served] = open(model, faults, options);
  const device = await opening;
  await device.selectConfiguration(1);
  await device.claimInterface(0);
  return { device, model, served };
}
