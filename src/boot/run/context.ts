/**
 * What all parts of one run share: the world with its defaults, and the way out for events.
 *
 * @module
 */

import { type Sleep, sleep } from "../../serve/link.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { BootEvent, PhoneData } from "./events.ts";
import type { BootOptions, BootWorld, FindOptions } from "./options.ts";

type WithoutTime<E> = E extends unknown ? Omit<E, "ms"> : never;

/** An event whose time is added by {@linkcode RunContext.emit}. */
export type TimelessEvent = WithoutTime<BootEvent>;

/** What all parts of one run share. */
export interface RunContext<Options extends FindOptions = BootOptions> {
  readonly options: Options;
  readonly usb: BootWorld["usb"];
  readonly portOf: (device: UsbDevice) => string | undefined;
  readonly now: () => number;
  readonly sleep: Sleep;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Tells who listens. */
  readonly emit: (event: TimelessEvent) => void;
}

/** Fills in what the world leaves out. */
export function runContext<Options extends FindOptions>(
  options: Options,
  world: BootWorld,
  signal: AbortSignal,
  push: (event: BootEvent) => void,
): RunContext<Options> {
  const now = world.now ?? (() => performance.now());
  const began = now();
  return {
    options,
    usb: world.usb,
    portOf: world.portOf ?? (() => undefined),
    now,
    sleep: world.sleep ?? sleep,
    signal,
    emit: (event) => push({ ...event, ms: now() - began } as BootEvent),
  };
}

/** What is known of a device now. */
export function describePhone(
  device: UsbDevice,
  portOf: RunContext["portOf"],
): PhoneData {
  const { vendorId, productId } = device;
  return {
    vendorId,
    productId,
    serialNumber: serialOf(device),
    port: portOf(device),
  };
}

/** The serial number, if there is one. */
export function serialOf({ serialNumber }: UsbDevice): string | undefined {
  return serialNumber?.trim() || undefined;
}

/** Ids of a USB device: `18d1:d00d`. */
export function idsText(
  { vendorId, productId }: Pick<PhoneData, "vendorId" | "productId">,
): string {
  return [vendorId, productId].map((id) => id.toString(16).padStart(4, "0"))
    .join(":");
}

/** A phone in words: `18d1:d00d "0123" at 1-2`. */
export function phoneText(phone: PhoneData): string {
  const { serialNumber, port } = phone;
  return [
    idsText(phone),
    ...serialNumber === undefined ? [] : [`"${serialNumber}"`],
    ...port === undefined ? [] : [`at ${port}`],
  ].join(" ");
}
