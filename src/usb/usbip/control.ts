/**
 * Control transfers over a connection.
 *
 * @module
 */

import { onAbort } from "../../block/abortable.ts";
import { struct, u16, u8 } from "../../bytes/struct.ts";
import { UsbError } from "../errors.ts";
import type { UsbControlSetup } from "../shape.ts";
import type { UsbIpConnection } from "./connection.ts";
import type { UrbResult } from "./urb.ts";

/** Standard requests (USB 2.0, table 9-4). */
export const CLEAR_FEATURE = 1;
/** Gives a descriptor; value is type << 8 | index. */
export const GET_DESCRIPTOR = 6;
/** Gives the value of the configuration that is set, 0 for none. */
export const GET_CONFIGURATION = 8;
/** Chooses a configuration. */
export const SET_CONFIGURATION = 9;
/** Chooses an alternate setting. */
export const SET_INTERFACE = 11;
/** The feature that CLEAR_FEATURE takes from an endpoint. */
export const ENDPOINT_HALT = 0;

/** How long a wait may be. */
export interface ControlOptions {
  /** Leaves the wait and closes the connection. */
  readonly signal?: AbortSignal | undefined;
  /** Closes the connection when there is no answer in this time; none by default. */
  readonly timeoutMs?: number | undefined;
}

const SetupPacket = struct("USB setup packet", {
  requestType: u8,
  request: u8,
  value: u16,
  index: u16,
  length: u16,
});

const TYPES = { standard: 0, class: 1, vendor: 2 } as const;
const RECIPIENTS = { device: 0, interface: 1, endpoint: 2, other: 3 } as const;

/**
 * Does a control transfer: IN with the bytes wanted at most, OUT with data.
 *
 * One that is given up closes the connection: `usbip-vudc` would give its late answer to the next
 * control transfer.
 *
 * @throws {RangeError} when a field of the setup does not fit
 * @throws {UsbError} `usb.timeout`, and that of the connection
 */
export async function control(
  connection: UsbIpConnection,
  setup: UsbControlSetup,
  transfer: number | Uint8Array,
  { signal, timeoutMs }: ControlOptions = {},
): Promise<UrbResult> {
  const isIn = typeof transfer === "number";
  const length = isIn ? transfer : transfer.length;
  const packet = SetupPacket.encode({
    requestType: (isIn ? 0x80 : 0) | TYPES[setup.requestType] << 5 |
      RECIPIENTS[setup.recipient],
    request: setup.request,
    value: setup.value,
    index: setup.index,
    length,
  });
  signal?.throwIfAborted();
  const giveUp = () =>
    void connection.close(
      new UsbError(
        "usb.closed",
        "Cannot use the USB device any more: a control transfer was given up, which closes the connection",
        { cause: signal!.reason },
      ),
    );
  const forget = signal && onAbort(signal, giveUp);
  const timer = timeoutMs === undefined ? undefined : setTimeout(
    () => void connection.close(timeout(setup, timeoutMs)),
    timeoutMs,
  );
  try {
    return await connection.submit({
      endpoint: 0,
      direction: isIn ? "in" : "out",
      length,
      data: isIn ? undefined : transfer,
      setup: packet,
      interval: 0,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    forget?.();
  }
}

/**
 * Does a standard request that must succeed.
 *
 * @returns What came in, for IN.
 * @throws {UsbError} `usb.request-failed` when the device refuses it; see {@linkcode control}
 */
export async function standard(
  connection: UsbIpConnection,
  name: string,
  setup: Omit<UsbControlSetup, "requestType">,
  length: number | undefined,
  options: ControlOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { status, data } = await control(
    connection,
    { requestType: "standard", ...setup },
    length ?? new Uint8Array(0),
    options,
  );
  if (status === 0) return data;
  const { request, value, index } = setup;
  throw new UsbError(
    "usb.request-failed",
    `Cannot do ${name} with value ${value} and index ${index}: status is ${status}, expected 0`,
    { facts: { request, value, index, status } },
  );
}

function timeout({ request, value }: UsbControlSetup, ms: number): UsbError {
  return new UsbError(
    "usb.timeout",
    `Cannot finish control request 0x${
      request.toString(16)
    } with value ${value}: no answer in ${ms} ms; the connection was closed, unplug the device and plug it in again`,
    { facts: { request, value, timeoutMs: ms } },
  );
}
