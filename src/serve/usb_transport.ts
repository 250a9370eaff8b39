/**
 * The transport of a smoo session over a device of the shape of WebUSB.
 *
 * @module
 */

import { abortable, onAbort } from "../block/abortable.ts";
import type { ReadOptions } from "../block/reader.ts";
import type { UsbDevice } from "../usb/shape.ts";
import { ServeError } from "./errors.ts";
import { MessagePipe } from "./message_pipe.ts";
import { MessageLayout } from "./messages.ts";
import { PayloadPipe } from "./payload_pipe.ts";
import type { SmooInterface } from "./smoo_interface.ts";
import { findSmooInterface } from "./smoo_interface.ts";
import type { ControlSetup, SmooTransport } from "./transport.ts";
import {
  lengthToAsk,
  packetSizeOf,
  received,
  written,
} from "./usb_transfer.ts";

/** Time that closing may take before we go on without it. */
const CLOSE_MS = 2000;

/** What {@linkcode openSmooTransport} can be told. */
export interface SmooTransportOptions extends ReadOptions {
  /** Opening, claiming and the like may take so long each; 5000 when absent. */
  readonly timeoutMs?: number | undefined;
  /** Bytes of one transfer of payloads at most; 1 MiB when absent. */
  readonly maxTransferBytes?: number | undefined;
  /** Told of what a device refuses that is no reason to give it up. */
  readonly onRefused?: ((what: string, cause: unknown) => void) | undefined;
}

/** A transport that holds a device. */
export interface SmooUsbTransport extends SmooTransport {
  /** What was found. */
  readonly found: SmooInterface;
  /**
   * Ends all transfers and closes the device. It is the only way to end one: WebUSB cannot cancel a
   * transfer (WICG/webusb issue 25). So a session that is cancelled costs the connection, and the
   * next one opens the device again; the phone sees that as a link that was lost, keeps what it
   * asked for and asks again. Never rejects.
   */
  close(): Promise<void>;
}

/**
 * Opens `device` for one session: claims the interface of smoo and begins its alternate setting
 * anew, so that nothing of an earlier session is left in the pipes.
 *
 * The interface is found by its descriptors. Payloads that are ready together go out in one
 * transfer; the gadget reads exact lengths. No empty packet is ever sent.
 *
 * @throws {ServeError} `smoo.no-interface`, `smoo.open-failed`. The device is closed then.
 */
export async function openSmooTransport(
  device: UsbDevice,
  options: SmooTransportOptions = {},
): Promise<SmooUsbTransport> {
  const { signal, timeoutMs = 5000 } = options;
  signal?.throwIfAborted();
  const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await within(timeoutMs, work, signal);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ServeError(
        "smoo.open-failed",
        `Cannot ${what} of ${nameOf(device)}: ${
          messageOf(cause)
        }; close other programs that use it, and check that you may use it`,
        { facts: { step: what, device: nameOf(device) }, cause },
      );
    }
  };
  let opening: Promise<void> | undefined;
  try {
    if (!device.opened) {
      await step("open the device", () => opening = device.open());
    }
    const found = findSmooInterface(device);
    if (found === undefined) {
      throw new ServeError(
        "smoo.no-interface",
        `Cannot serve ${
          nameOf(device)
        }: none of its interfaces is one of smoo, expected class ff/53/4d or ff/42/03 with interrupt and bulk endpoints; it may be in its bootloader still`,
        { facts: { device: nameOf(device) } },
      );
    }
    const { configurationValue, interfaceNumber, alternateSetting } = found;
    if (device.configuration?.configurationValue !== configurationValue) {
      await step(
        "select the configuration",
        () => device.selectConfiguration(configurationValue),
      );
    }
    await step(
      `claim interface ${interfaceNumber}`,
      () => device.claimInterface(interfaceNumber),
    );
    try {
      await within(
        timeoutMs,
        () =>
          device.selectAlternateInterface(interfaceNumber, alternateSetting),
        signal,
      );
    } catch (cause) {
      signal?.throwIfAborted();
      options.onRefused?.("select the alternate setting", cause);
      await clearHalts(device, found, timeoutMs, options);
    }
    return new UsbTransport(device, found, options);
  } catch (error) {
    // One that opens when nobody waits for it any more must not stay open.
    if (device.opened) await closeDevice(device);
    else opening?.then(() => closeDevice(device), () => {});
    throw error;
  }
}

/** Where a setting cannot be begun anew, the toggles of the endpoints can. */
async function clearHalts(
  device: UsbDevice,
  { endpoints }: SmooInterface,
  timeoutMs: number,
  { signal, onRefused }: SmooTransportOptions,
): Promise<void> {
  for (const { direction, endpointNumber } of Object.values(endpoints)) {
    try {
      await within(
        timeoutMs,
        () => device.clearHalt(direction, endpointNumber),
        signal,
      );
    } catch (cause) {
      signal?.throwIfAborted();
      onRefused?.(`clear endpoint ${direction} ${endpointNumber}`, cause);
    }
  }
}

class UsbTransport implements SmooUsbTransport {
  readonly found: SmooInterface;
  readonly #device: UsbDevice;
  readonly #messages: MessagePipe;
  readonly #payloads: PayloadPipe;
  #closing: Promise<void> | undefined;

  constructor(
    device: UsbDevice,
    found: SmooInterface,
    { maxTransferBytes }: SmooTransportOptions,
  ) {
    const { interruptIn, bulkOut } = found.endpoints;
    this.found = found;
    this.#device = device;
    this.#messages = new MessagePipe(device, interruptIn, MessageLayout.size);
    this.#payloads = new PayloadPipe(device, bulkOut, maxTransferBytes);
  }

  interruptIn(): Promise<Uint8Array> {
    return this.#messages.take();
  }

  async interruptOut(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    const { endpointNumber } = this.found.endpoints.interruptOut;
    return written(await this.#device.transferOut(endpointNumber, bytes));
  }

  async bulkIn(length: number): Promise<Uint8Array> {
    const { bulkIn } = this.found.endpoints;
    const asked = lengthToAsk(length, packetSizeOf(bulkIn));
    return received(
      await this.#device.transferIn(bulkIn.endpointNumber, asked),
    );
  }

  bulkOut(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return this.#payloads.push(bytes);
  }

  async controlIn(setup: ControlSetup, length: number): Promise<Uint8Array> {
    return received(
      await this.#device.controlTransferIn(this.#setup(setup), length),
    );
  }

  async controlOut(
    setup: ControlSetup,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    return written(
      await this.#device.controlTransferOut(this.#setup(setup), bytes),
    );
  }

  close(): Promise<void> {
    return this.#closing ??= closeDevice(this.#device);
  }

  #setup({ requestType, request, value = 0 }: ControlSetup) {
    const index = this.found.interfaceNumber;
    return {
      requestType,
      recipient: "interface",
      request,
      value,
      index,
    } as const;
  }
}

/** Closes the device, however long that takes; some never say that they have. */
async function closeDevice(device: UsbDevice): Promise<void> {
  if (!device.opened) return;
  try {
    await within(CLOSE_MS, () => device.close(), undefined);
  } catch {
    // Gone already, or about to be: nothing can be done about it.
  }
}

/** Waits for `work` for so long at most. */
async function within<T>(
  ms: number,
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const limit = new AbortController();
  const forget = signal && onAbort(signal, () => limit.abort(signal.reason));
  const timer = setTimeout(
    () => limit.abort(new Error(`it took longer than ${ms} ms`)),
    ms,
  );
  try {
    return await abortable(work(), limit.signal);
  } finally {
    clearTimeout(timer);
    forget?.();
  }
}

function nameOf({ vendorId, productId, serialNumber }: UsbDevice): string {
  const hex = (id: number) => id.toString(16).padStart(4, "0");
  const id = `${hex(vendorId)}:${hex(productId)}`;
  return serialNumber ? `${id} "${serialNumber}"` : id;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
