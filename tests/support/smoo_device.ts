/**
 * The USB side of a made-up gadget: a device of the shape of WebUSB with the four endpoints of smoo,
 * that does what controllers and host stacks do, and misbehaves on request.
 *
 * @module
 */

import type {
  UsbConfiguration,
  UsbControlSetup,
  UsbDevice,
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
} from "../../src/usb/shape.ts";
import { UsbPipe } from "./usb_pipe.ts";

/** Packet sizes of interrupt and bulk endpoints. */
export const SPEEDS = {
  full: { interrupt: 64, bulk: 64 },
  high: { interrupt: 1024, bulk: 512 },
  super: { interrupt: 1024, bulk: 1024 },
} as const;

export type Speed = keyof typeof SPEEDS;

/** What the next transfer on a pipe does. */
export type Fault = "stall" | "fail" | "hang" | "short";

export type PipeName = "interruptIn" | "interruptOut" | "bulkIn" | "bulkOut";

/** What the device is told by the bus and tells the gadget. */
export interface SmooFunction {
  /** SET_CONFIGURATION or SET_INTERFACE. */
  enable(device: SmooDevice): void;
  /** Unplugged. */
  disable(device: SmooDevice): void;
  /** Nothing: STALL. */
  controlIn(
    setup: UsbControlSetup,
    length: number,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Tells whether it is no STALL. */
  controlOut(setup: UsbControlSetup, bytes: Uint8Array): boolean;
}

export interface SmooDeviceOptions {
  readonly speed?: Speed;
  readonly triple?: readonly [number, number, number];
  readonly serialNumber?: string;
  /** In the order of {@linkcode PipeName}; their numbers need not be different. */
  readonly endpointNumbers?: readonly [number, number, number, number];
  readonly interfaceNumber?: number;
  readonly configurationValue?: number;
  /** STALLs SET_INTERFACE. */
  readonly refuseAlternate?: boolean;
  /** Waited for before the end of each transfer is told. */
  readonly delay?: () => Promise<void>;
}

const PIPES = ["interruptIn", "interruptOut", "bulkIn", "bulkOut"] as const;

/** One stay of the gadget on the bus: plugging it in again makes another one. */
export class SmooDevice implements UsbDevice {
  readonly vendorId = 0x18d1;
  readonly productId = 0xd00d;
  readonly serialNumber: string | undefined;
  readonly configurations: readonly UsbConfiguration[];
  configuration: UsbConfiguration | undefined;
  opened = false;
  readonly pipes: Record<PipeName, UsbPipe>;
  /** Each applies to one transfer, in this order. */
  readonly faults: [PipeName, Fault][] = [];
  /** What the host asked for, in words. */
  readonly calls: string[] = [];
  /** Bytes of each transfer of payloads to the phone. */
  readonly bulkOutLengths: number[] = [];
  readonly #function: SmooFunction;
  readonly #options: SmooDeviceOptions;
  readonly #halted = new Set<PipeName>();
  readonly #lanes = new Map<PipeName, Promise<void>>();
  #claimed = false;
  #gone = false;

  constructor(fn: SmooFunction, options: SmooDeviceOptions = {}) {
    this.#function = fn;
    this.#options = options;
    const {
      speed = "high",
      triple: [interfaceClass, interfaceSubclass, interfaceProtocol] = [
        0xff,
        0x53,
        0x4d,
      ],
      endpointNumbers = [1, 2, 6, 7],
      interfaceNumber = 0,
      configurationValue = 1,
    } = options;
    this.serialNumber = options.serialNumber;
    const sizes = SPEEDS[speed];
    const endpoints = PIPES.map((name, i) => ({
      endpointNumber: endpointNumbers[i]!,
      direction: name.endsWith("In") ? "in" as const : "out" as const,
      type: name.startsWith("bulk") ? "bulk" as const : "interrupt" as const,
      packetSize: name.startsWith("bulk") ? sizes.bulk : sizes.interrupt,
    }));
    const alternate = {
      alternateSetting: 0,
      interfaceClass,
      interfaceSubclass,
      interfaceProtocol,
      endpoints,
    };
    this.configurations = [{
      configurationValue,
      interfaces: [{
        interfaceNumber,
        alternates: [alternate],
        claimed: false,
      }],
    }];
    const pipe = (i: number) => new UsbPipe(endpoints[i]!.packetSize);
    this.pipes = {
      interruptIn: pipe(0),
      interruptOut: pipe(1),
      bulkIn: pipe(2),
      bulkOut: pipe(3),
    };
  }

  /** Pulls the plug: everything that is under way fails. */
  unplug(): void {
    this.#gone = true;
    this.opened = false;
    this.#endHost(new Error("NetworkError: the device was disconnected"));
    this.#function.disable(this);
  }

  /** What the gadget does to itself when it begins anew: nothing it read or wrote is left. */
  endGadget(): void {
    const error = new Error("ESHUTDOWN");
    this.pipes.interruptIn.endWrites(error);
    this.pipes.bulkIn.endWrites(error);
    this.pipes.interruptOut.endReads(error);
    this.pipes.bulkOut.endReads(error);
  }

  open(): Promise<void> {
    return this.#step("open", () => {
      this.opened = true;
    });
  }

  close(): Promise<void> {
    return this.#step("close", () => {
      this.opened = false;
      this.#claimed = false;
      this.#endHost(new Error("AbortError: the device was closed"));
    });
  }

  selectConfiguration(value: number): Promise<void> {
    return this.#step(`configuration ${value}`, () => {
      this.configuration = this.configurations.find((one) =>
        one.configurationValue === value
      );
      this.#function.enable(this);
    });
  }

  claimInterface(number: number): Promise<void> {
    return this.#step(`claim ${number}`, () => {
      if (!this.configuration) throw new Error("InvalidStateError");
      this.#claimed = true;
    });
  }

  releaseInterface(number: number): Promise<void> {
    return this.#step(`release ${number}`, () => {
      this.#claimed = false;
    });
  }

  selectAlternateInterface(number: number, setting: number): Promise<void> {
    return this.#step(`alternate ${number} ${setting}`, () => {
      if (!this.#claimed) throw new Error("InvalidStateError");
      if (this.#options.refuseAlternate) throw new Error("NetworkError: stall");
      this.#endHost(new Error("AbortError: the setting was selected"));
      this.#halted.clear();
      this.#function.enable(this);
    });
  }

  clearHalt(direction: UsbDirection, number: number): Promise<void> {
    return this.#step(`clear ${direction} ${number}`, () => {
      this.#halted.delete(this.#name(direction, number));
    });
  }

  async controlTransferIn(
    setup: UsbControlSetup,
    length: number,
  ): Promise<UsbInTransferResult> {
    this.#check();
    const bytes = await this.#function.controlIn(setup, length);
    this.#check();
    await this.#options.delay?.();
    if (bytes === undefined) return { status: "stall" };
    const cut = bytes.slice(0, length);
    return { status: "ok", data: new DataView(cut.buffer) };
  }

  async controlTransferOut(
    setup: UsbControlSetup,
    data = new Uint8Array(),
  ): Promise<UsbOutTransferResult> {
    this.#check();
    await this.#options.delay?.();
    return this.#function.controlOut(setup, data.slice())
      ? { status: "ok", bytesWritten: data.length }
      : { status: "stall", bytesWritten: 0 };
  }

  async transferIn(
    number: number,
    length: number,
  ): Promise<UsbInTransferResult> {
    const name = this.#name("in", number);
    const fault = await this.#begin(name);
    if (fault === "stall") return { status: "stall" };
    const { status, bytes } = await this.pipes[name].read(length);
    await this.#options.delay?.();
    const { buffer, byteOffset } = bytes;
    const size = bytes.length - (fault === "short" ? 1 : 0);
    return { status, data: new DataView(buffer, byteOffset, size) };
  }

  async transferOut(
    number: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<UsbOutTransferResult> {
    const name = this.#name("out", number);
    if (name === "bulkOut") this.bulkOutLengths.push(data.length);
    const fault = await this.#begin(name);
    if (fault === "stall") return { status: "stall", bytesWritten: 0 };
    const bytesWritten = data.length - (fault === "short" ? 1 : 0);
    const { delay } = this.#options;
    // The bus takes the bytes some time after the call, one transfer behind the other: until then
    // they must stay as they are.
    if (delay !== undefined) {
      const before = this.#lanes.get(name);
      const turn = (before ?? Promise.resolve()).then(delay);
      this.#lanes.set(name, turn);
      await turn;
      this.#check();
    }
    await this.pipes[name].write(data.subarray(0, bytesWritten));
    return { status: "ok", bytesWritten };
  }

  /** In the same turn as the call, so that transfers keep their order. */
  #begin(name: PipeName): Promise<Fault | undefined> | Fault | undefined {
    this.#check();
    if (!this.#claimed) throw new Error("InvalidStateError");
    const [next] = this.faults;
    let fault: Fault | undefined;
    if (next?.[0] === name) {
      fault = next[1];
      this.faults.shift();
    }
    if (fault === "stall") this.#halted.add(name);
    if (this.#halted.has(name)) return "stall";
    if (fault === "fail") throw new Error("NetworkError: transfer failed");
    if (fault === "hang") return new Promise(() => {});
    return fault;
  }

  #name(direction: UsbDirection, number: number): PipeName {
    const { endpoints } = this.configurations[0]!.interfaces[0]!.alternates[0]!;
    const at = endpoints.findIndex((one) =>
      one.direction === direction && one.endpointNumber === number
    );
    if (at < 0) throw new Error(`NotFoundError: endpoint ${number}`);
    return PIPES[at]!;
  }

  #check(): void {
    if (this.#gone) throw new Error("NotFoundError: no device");
    if (!this.opened) throw new Error("InvalidStateError: not open");
  }

  async #step(call: string, work: () => void): Promise<void> {
    this.calls.push(call);
    if (this.#gone && call !== "close") {
      throw new Error("NotFoundError: no device");
    }
    await this.#options.delay?.();
    work();
  }

  #endHost(error: unknown): void {
    this.pipes.interruptIn.endReads(error);
    this.pipes.bulkIn.endReads(error);
    this.pipes.interruptOut.endWrites(error);
    this.pipes.bulkOut.endWrites(error);
  }
}
