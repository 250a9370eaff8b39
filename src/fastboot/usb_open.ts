/**
 * Taking hold of a bootloader's interface, which others may have hold of, or nobody may yet.
 *
 * @module
 */

import { abortable } from "../block/abortable.ts";
import { isCoded } from "../errors.ts";
import { UsbError } from "../usb/errors.ts";
import type { UsbDevice } from "../usb/shape.ts";
import { UDEV_RELOAD_COMMAND, UDEV_RULES_FILE, udevRule } from "../usb/udev.ts";
import {
  type FastbootInterface,
  findFastbootInterface,
} from "./usb_interface.ts";
import { Wait } from "./wait.ts";

/** What opening can be told. */
export interface UsbOpenOptions {
  /** Gives up; the device is closed. */
  readonly signal?: AbortSignal | undefined;
  /** Each step may take so long; 5000 when absent. */
  readonly openMs?: number | undefined;
  /** A device that others use is tried for so long; 3000 when absent. */
  readonly busyMs?: number | undefined;
  /**
   * A device that we may not use is tried for so long, since udev gives the right to it some time
   * after it has come; 5000 when absent.
   */
  readonly deniedMs?: number | undefined;
  /** Between two attempts; 150 when absent. */
  readonly retryMs?: number | undefined;
}

/**
 * Opens `device` and claims its interface of fastboot.
 *
 * @throws {UsbError} `usb.access-denied`, `usb.busy`, `usb.open-failed`, `usb.no-interface`. The
 *   device is closed then.
 */
export async function openFastbootInterface(
  device: UsbDevice,
  options: UsbOpenOptions = {},
): Promise<FastbootInterface> {
  const take = async (what: string, work: () => Promise<void>) => {
    const began = Date.now();
    for (;;) {
      try {
        return await within(work, options);
      } catch (cause) {
        options.signal?.throwIfAborted();
        const kind = judge(cause);
        const waited = Date.now() - began;
        const { busyMs = 3000, deniedMs = 5000, retryMs = 150 } = options;
        const patience = { busy: busyMs, denied: deniedMs, other: 0 }[kind];
        if (waited + retryMs > patience) {
          throw openError(kind, what, device, cause);
        }
        await sleep(retryMs, options.signal);
      }
    }
  };
  try {
    options.signal?.throwIfAborted();
    if (!device.opened) await take("open the device", () => device.open());
    const found = findFastbootInterface(device);
    if (found === undefined) throw noInterface(device);
    const { configurationValue } = found.configuration;
    const { interfaceNumber } = found.interface;
    if (device.configuration?.configurationValue !== configurationValue) {
      await take(
        "select the configuration",
        () => device.selectConfiguration(configurationValue),
      );
    }
    await take(
      `claim interface ${interfaceNumber}`,
      () => device.claimInterface(interfaceNumber),
    );
    // Bootloaders are asked no more than needed: not all know SET_INTERFACE.
    const { alternateSetting } = found.alternate;
    if (alternateSetting !== 0) {
      await take(
        "select the alternate setting",
        () =>
          device.selectAlternateInterface(interfaceNumber, alternateSetting),
      );
    }
    return found;
  } catch (error) {
    await closeUsbDevice(device);
    throw error;
  }
}

/** Closes a device, in 2 s at most; some never say that they have. Never rejects. */
export async function closeUsbDevice(device: UsbDevice): Promise<void> {
  if (!device.opened) return;
  try {
    await within(() => device.close(), { openMs: 2000 });
  } catch {
    // Gone already, or about to be: nothing can be done about it.
  }
}

/** The phone, for messages. */
export function describeUsbDevice(
  { vendorId, productId, serialNumber }: UsbDevice,
): string {
  const id = `${hex(vendorId)}:${hex(productId)}`;
  return serialNumber ? `${id} "${serialNumber}"` : id;
}

type OpenFailure = "denied" | "busy" | "other";

/**
 * Why a device could not be had. WebUSB has no word for it: Chromium throws SecurityError for rights
 * and NetworkError for an interface that others have; others put the errno of the system, or its
 * text, into the message.
 */
function judge(error: unknown): OpenFailure {
  // Its server hands a device out to one at a time, and resets it in between.
  if (isCoded(error, "usb.import-refused")) return "busy";
  if (!(error instanceof Error)) return "other";
  const text = `${error.name} ${error.message}`;
  if (
    /SecurityError|access|permission|EACCES|EPERM|not permitted/i.test(text)
  ) {
    return "denied";
  }
  if (/busy|EBUSY|in use|unable to claim/i.test(text)) return "busy";
  return "other";
}

function openError(
  kind: OpenFailure,
  what: string,
  device: UsbDevice,
  cause: unknown,
): UsbError {
  const name = describeUsbDevice(device);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const facts = { step: what, device: name };
  if (kind === "denied") {
    const rule = udevRule(device);
    return new UsbError(
      "usb.access-denied",
      `Cannot ${what} of ${name}: ${reason}; on Linux put the line '${rule}' into ${UDEV_RULES_FILE} and run '${UDEV_RELOAD_COMMAND}'`,
      { facts: { ...facts, rule, file: UDEV_RULES_FILE }, cause },
    );
  }
  if (kind === "busy") {
    return new UsbError(
      "usb.busy",
      `Cannot ${what} of ${name}: ${reason}; close other programs that use it, such as adb or fastboot`,
      { facts, cause },
    );
  }
  return new UsbError(
    "usb.open-failed",
    `Cannot ${what} of ${name}: ${reason}; unplug it and plug it in again`,
    { facts, cause },
  );
}

function noInterface(device: UsbDevice): UsbError {
  const name = describeUsbDevice(device);
  return new UsbError(
    "usb.no-interface",
    `Cannot use ${name} as a bootloader: none of its interfaces is one of fastboot, expected class ff/42/03 with one bulk endpoint each way; restart the phone in fastboot mode`,
    { facts: { device: name } },
  );
}

async function within(
  work: () => Promise<void>,
  { signal, openMs = 5000 }: UsbOpenOptions,
): Promise<void> {
  signal?.throwIfAborted();
  const wait = new Wait(
    signal,
    openMs,
    () => new Error(`it took longer than ${openMs} ms`),
  );
  try {
    await abortable(work(), wait.signal);
  } finally {
    wait.end();
  }
}

async function sleep(
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const wait = new Wait(signal, ms, () => undefined);
  await wait.over.catch(() => {});
  wait.end();
  signal?.throwIfAborted();
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
