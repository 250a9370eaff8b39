/**
 * A device of this machine in the shape of WebUSB.
 *
 * @module
 */

import { abortable } from "../../block/abortable.ts";
import { UsbError } from "../../usb/errors.ts";
import type {
  UsbConfiguration,
  UsbControlSetup,
  UsbDevice,
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
} from "../../usb/shape.ts";
import { udevRule } from "../../usb/udev.ts";
import { judgeNative, type NativeDevice } from "./usb_native.ts";

/** A transfer that waits for the device is begun again after so long: closing waits for its end. */
const IDLE_MS = 500;
/** A device that takes nothing for so long never will; the host's side of fastboot waits as long. */
const OUT_MS = 30_000;
/** `USB_CTRL_GET_TIMEOUT` of Linux. */
const CONTROL_MS = 5000;
/** Closing waits so long for transfers to end. */
const DRAIN_MS = 1500;

/**
 * Wraps a device of the package `usb`, which differs from WebUSB: its transfers have time limits, only
 * one at a time may be under way on an endpoint, what is asked for must be whole packets, and `close`
 * does not end what is under way.
 */
export class NativeUsbDevice implements UsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | null;
  readonly productName: string | null;
  readonly manufacturerName: string | null;
  /** Bus and ports, `1-2.3`, as Linux names devices. */
  readonly port: string;
  opened = false;
  readonly #native: NativeDevice;
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #active = new Set<Promise<unknown>>();
  #configurations: readonly UsbConfiguration[] | undefined;
  #life = new AbortController();
  #gone = false;

  /** Asks the device for nothing: the system knows all this. */
  constructor(native: NativeDevice) {
    this.#native = native;
    this.vendorId = native.vendorId;
    this.productId = native.productId;
    this.serialNumber = native.serialNumber;
    this.productName = native.productName;
    this.manufacturerName = native.manufacturerName;
    this.port = portText(native);
    this.#life.abort(new UsbError("usb.closed", "The device is not open"));
  }

  /** The one that is set. */
  get configuration(): UsbConfiguration | undefined {
    try {
      return this.#native.configuration;
    } catch {
      return undefined;
    }
  }

  /** All that there are. */
  get configurations(): readonly UsbConfiguration[] {
    return this.#configurations ??= this.#native.configurations;
  }

  /** It was unplugged: everything under way ends. */
  leave(): void {
    this.#gone = true;
    this.opened = false;
    this.#life.abort(this.#disconnected());
  }

  async open(): Promise<void> {
    if (this.opened) return;
    if (this.#gone) throw this.#disconnected();
    try {
      await this.#native.open();
    } catch (cause) {
      throw this.#error("open", cause);
    }
    this.#life = new AbortController();
    this.opened = true;
  }

  async close(): Promise<void> {
    if (!this.opened && !this.#gone) return;
    this.opened = false;
    this.#life.abort(
      new UsbError("usb.closed", `${this.#name} was closed here`),
    );
    // what is under way holds the interface: the next to open the device would find it busy
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.allSettled(this.#active),
      new Promise((resolve) => timer = setTimeout(resolve, DRAIN_MS)),
    ]);
    clearTimeout(timer);
    try {
      await this.#native.close();
    } catch {
      // Gone, or closed already.
    }
  }

  selectConfiguration(value: number): Promise<void> {
    return this.#do(
      "select the configuration",
      () => this.#native.selectConfiguration(value),
    );
  }

  claimInterface(number: number): Promise<void> {
    return this.#do(
      `claim interface ${number}`,
      () => this.#native.claimInterface(number),
    );
  }

  releaseInterface(number: number): Promise<void> {
    return this.#do(
      `release interface ${number}`,
      () => this.#native.releaseInterface(number),
    );
  }

  selectAlternateInterface(number: number, setting: number): Promise<void> {
    return this.#do(
      `select setting ${setting} of interface ${number}`,
      () => this.#native.selectAlternateInterface(number, setting),
    );
  }

  clearHalt(direction: UsbDirection, endpoint: number): Promise<void> {
    // not while a transfer is under way there
    return this.#inTurn(`${direction} ${endpoint}`, () =>
      this.#do(
        `clear endpoint ${direction} ${endpoint}`,
        () => this.#native.clearHalt(direction, endpoint),
      ));
  }

  async controlTransferIn(
    setup: UsbControlSetup,
    length: number,
  ): Promise<UsbInTransferResult> {
    return await this.#inTurn(
      "control",
      () =>
        this.#transfer(
          "control IN",
          () => this.#native.controlTransferIn(setup, length, CONTROL_MS),
        ),
    ) ?? { status: "stall" };
  }

  async controlTransferOut(
    setup: UsbControlSetup,
    data: Uint8Array<ArrayBuffer> = new Uint8Array(0),
  ): Promise<UsbOutTransferResult> {
    return await this.#inTurn(
      "control",
      () =>
        this.#transfer(
          "control OUT",
          () => this.#native.controlTransferOut(setup, data, CONTROL_MS),
        ),
    ) ?? { status: "stall", bytesWritten: 0 };
  }

  async transferIn(
    endpoint: number,
    length: number,
  ): Promise<UsbInTransferResult> {
    const packetSize = this.#packetSize(endpoint);
    const whole = Math.ceil(length / packetSize) * packetSize;
    const result = await this.#inTurn(
      `in ${endpoint}`,
      () =>
        this.#transfer(
          `endpoint in ${endpoint}`,
          () => this.#native.transferIn(endpoint, whole, IDLE_MS),
          true,
        ),
    ) ?? { status: "stall" };
    const size = result.data?.byteLength ?? 0;
    // more than was asked for, though less than packets could hold
    return size > length ? { status: "babble" } : result;
  }

  async transferOut(
    endpoint: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult> {
    return await this.#inTurn(
      `out ${endpoint}`,
      () =>
        this.#transfer(
          `endpoint out ${endpoint}`,
          () => this.#native.transferOut(endpoint, data, OUT_MS),
        ),
    ) ?? { status: "stall", bytesWritten: 0 };
  }

  get #name(): string {
    return `USB device at ${this.port}`;
  }

  /** Of an IN endpoint, without its bits for more packets in a microframe. */
  #packetSize(endpoint: number): number {
    for (const { interfaces } of this.configurations) {
      for (const { alternates } of interfaces) {
        for (const { endpoints } of alternates) {
          const found = endpoints.find((one) =>
            one.direction === "in" && one.endpointNumber === endpoint
          );
          if (found !== undefined) return found.packetSize & 0x7ff || 1;
        }
      }
    }
    return 1;
  }

  /** Behind what was begun before on the same endpoint. */
  async #inTurn<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    const { signal } = this.#life;
    const before = this.#turns.get(endpoint) ?? Promise.resolve();
    const mine = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    const settled = mine.catch(() => {});
    this.#turns.set(endpoint, settled);
    return await abortable(mine, signal);
  }

  /** Does a transfer; nothing for a stall. */
  async #transfer<T extends { readonly status?: string | undefined }>(
    what: string,
    start: () => Promise<T>,
    mayWait = false,
  ): Promise<T | undefined> {
    const { signal } = this.#life;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.#track(start());
      } catch (cause) {
        const kind = judgeNative(cause);
        if (kind === "stall") return undefined;
        if (mayWait && kind === "timeout") continue;
        throw this.#error(`finish the transfer on ${what} of`, cause);
      }
    }
  }

  async #do(what: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#life;
    signal.throwIfAborted();
    try {
      await abortable(this.#track(work()), signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw this.#error(`${what} of`, cause);
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(() => {}, () => {})
      .finally(() => this.#active.delete(settled));
    this.#active.add(settled);
    return work;
  }

  #disconnected(cause?: unknown): UsbError {
    return new UsbError(
      "usb.disconnected",
      `${this.#name} was unplugged`,
      { facts: { port: this.port }, ...cause === undefined ? {} : { cause } },
    );
  }

  #error(what: string, cause: unknown): UsbError {
    const kind = judgeNative(cause);
    if (kind === "gone" || this.#gone) return this.#disconnected(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    const facts = { step: what, port: this.port };
    if (kind === "denied") {
      const rule = udevRule(this);
      return new UsbError(
        "usb.access-denied",
        `Cannot ${what} ${this.#name}: permission denied (${reason}); on Linux udev has to allow it`,
        { facts: { ...facts, rule }, cause },
      );
    }
    if (kind === "busy") {
      return new UsbError(
        "usb.busy",
        `Cannot ${what} ${this.#name}: it is busy (${reason})`,
        { facts, cause },
      );
    }
    return new UsbError(
      what === "open" ? "usb.open-failed" : "usb.transfer-failed",
      `Cannot ${what} ${this.#name}: ${reason}`,
      { facts, cause },
    );
  }
}

/** As Linux names devices: `1-2.3`; other systems name buses otherwise. */
function portText({ bus, ports }: NativeDevice): string {
  const number = /^0*(\d+)$/.exec(bus)?.[1] ?? bus;
  return ports.length === 0 ? number : `${number}-${ports.join(".")}`;
}
