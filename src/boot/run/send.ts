/**
 * The part of a phone's way that its bootloader sees: download, boot, and its leaving the bus.
 *
 * @module
 */

import { isCoded } from "../../errors.ts";
import { findSmooInterface } from "../../serve/smoo_interface.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { BusWatch } from "./bus_watch.ts";
import { phoneText, type RunContext } from "./context.ts";
import { BootError } from "./errors.ts";
import type { BootablePhone } from "./examine.ts";
import { RateMeter } from "./rate.ts";

/** Between two events of progress. */
const PROGRESS_MS = 200;
/** A bootloader that has been told to boot is gone by then. */
const LEAVE_MS = 30_000;
/** A device that is listed still may be another one at the same place: it is looked at by then. */
const LOOK_AGAIN_MS = 3000;

/**
 * Sends the boot image and starts it.
 *
 * @throws {FastbootError} `fastboot.too-large` before anything is sent, and as `FastbootClient`
 */
export async function sendAndBoot(
  { phone, client }: BootablePhone,
  image: Uint8Array<ArrayBuffer>,
  { emit, now }: Pick<RunContext, "emit" | "now">,
  signal: AbortSignal,
): Promise<void> {
  const total = image.length;
  const meter = new RateMeter();
  let toldAt = -Infinity, toldBytes = -1;
  const tell = (bytes: number, at: number) => {
    [toldAt, toldBytes] = [at, bytes];
    const bytesPerSecond = meter.measure(bytes, at);
    emit({ type: "sending", phone, bytes, total, bytesPerSecond });
  };
  const limit = await client.maxDownloadSize({ signal }) ?? Infinity;
  // what is too large is refused by download() before a byte is out
  if (total <= limit) tell(0, now());
  await client.download(image, {
    signal,
    onProgress: ({ sent }) => {
      const at = now();
      if (at - toldAt >= PROGRESS_MS) tell(sent, at);
    },
  });
  if (toldBytes !== total) tell(total, now());
  emit({ type: "booting", phone });
  try {
    await client.boot({ signal });
  } catch (error) {
    // some let the kernel go before their answer is out: whether it did is seen on the bus
    if (!isCoded(error, "fastboot.lost")) throw error;
  }
}

/**
 * Waits until the bootloader has left the bus, or has come back as something else without anybody
 * noticing.
 *
 * @param gone Whether its leaving was noticed.
 * @throws {BootError} `boot.not-leaving`
 */
export async function waitUntilLeft(
  { device: name, usbDevice }: BootablePhone,
  gone: () => boolean,
  { now }: Pick<RunContext, "now">,
  bus: BusWatch,
  signal: AbortSignal,
): Promise<void> {
  const began = now();
  for (;;) {
    const since = bus.changes;
    if (gone()) return;
    try {
      if (!(await bus.devices(signal)).includes(usbDevice)) return;
    } catch {
      signal.throwIfAborted();
    }
    const waited = now() - began;
    if (
      waited >= LOOK_AGAIN_MS &&
      await bus.alone(() => isGadgetNow(usbDevice), signal)
    ) return;
    if (waited >= LEAVE_MS) {
      throw new BootError(
        "boot.not-leaving",
        `Cannot boot ${
          phoneText(name)
        }: its bootloader took the boot image and is there still after ${LEAVE_MS} ms, expected it to leave the bus; the kernel may not be one that it starts, see docs/PORTING.md`,
        { facts: { timeoutMs: LEAVE_MS } },
      );
    }
    await bus.change(since, signal, Math.min(250, LEAVE_MS - waited));
  }
}

/** Buses that know devices by their place alone take the next one there for the same. */
async function isGadgetNow(device: UsbDevice): Promise<boolean> {
  if (device.opened) return false;
  try {
    await device.open();
    return findSmooInterface(device) !== undefined;
  } catch {
    return false;
  } finally {
    await device.close().catch(() => {});
  }
}
