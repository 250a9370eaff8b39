/**
 * A USB device as a model: descriptors, standard requests, pipes with packets. What it is reached by
 * (directly, over USB/IP) is not its business.
 *
 * @module
 */

import { ModelEndpoint } from "./usb_endpoint.ts";

export interface EndpointSpec {
  /** Bit 7: IN. */
  readonly address: number;
  readonly type: "bulk" | "interrupt" | "isochronous" | "control";
  readonly packetSize: number;
  readonly interval?: number;
}

export interface AlternateSpec {
  readonly triple: readonly [number, number, number];
  readonly name?: number;
  readonly endpoints: readonly EndpointSpec[];
}

export interface DeviceSpec {
  readonly vendorId: number;
  readonly productId: number;
  /** `enum usb_device_speed`: 2 full, 3 high, 5 super. */
  readonly speed: number;
  /** By index; 1 manufacturer, 2 product, 3 serial. */
  readonly strings: Readonly<Record<number, string>>;
  /** By configuration value; interfaces by number; alternates by setting. */
  readonly configurations: Readonly<
    Record<number, readonly (readonly AlternateSpec[])[]>
  >;
}

/** Status of a transfer as an errno of Linux, and what came in. */
export interface ModelResult {
  readonly status: number;
  readonly actualLength: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface Setup {
  readonly requestType: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

/** Answers a request that is not standard: IN bytes, or "stall". */
export type ControlHandler = (
  setup: Setup,
  data: Uint8Array,
) =>
  | Uint8Array
  | "stall"
  | Promise<Uint8Array | "stall">;

export const EPIPE = -32;
const NONE = new Uint8Array(0);
const TYPES = { control: 0, isochronous: 1, bulk: 2, interrupt: 3 };

export class UsbModel {
  readonly spec: DeviceSpec;
  /** What the device says, ready to be damaged by a test. */
  readonly descriptors: Map<number, Uint8Array>;
  /** By address. */
  readonly pipes = new Map<number, ModelEndpoint>();
  /** What was asked, in order: `9:1` is SET_CONFIGURATION(1), with its index when not 0. */
  readonly requests: string[] = [];
  configuration = 0;
  alternates = new Map<number, number>();
  onControl: ControlHandler = () => "stall";

  constructor(spec: DeviceSpec) {
    this.spec = spec;
    this.descriptors = new Map([[0x0100, deviceBytes(spec)]]);
    Object.entries(spec.configurations).forEach(([value, interfaces], index) =>
      this.descriptors.set(
        0x0200 | index,
        configurationBytes(Number(value), interfaces, spec.speed),
      )
    );
    this.descriptors.set(0x0300, Uint8Array.of(4, 3, 0x09, 0x04));
    for (const [index, text] of Object.entries(spec.strings)) {
      this.descriptors.set(0x0300 | Number(index), stringBytes(text));
    }
    for (const interfaces of Object.values(spec.configurations)) {
      for (const { endpoints } of interfaces.flat()) {
        for (const { address, packetSize } of endpoints) {
          this.pipes.set(address, new ModelEndpoint(packetSize));
        }
      }
    }
  }

  /** The endpoints that are live in the configuration and the settings of now. */
  live(): EndpointSpec[] {
    const interfaces = this.spec.configurations[this.configuration] ?? [];
    return interfaces.flatMap((alternates, number) =>
      alternates[this.alternates.get(number) ?? 0]?.endpoints ?? []
    );
  }

  async control(setup: Setup, data: Uint8Array): Promise<ModelResult> {
    const isIn = (setup.requestType & 0x80) !== 0;
    const answer = (setup.requestType & 0x60) === 0
      ? this.#standard(setup)
      : await this.onControl(setup, data);
    if (answer === "stall") {
      return { status: EPIPE, actualLength: 0, data: NONE };
    }
    if (!isIn) return { status: 0, actualLength: data.length, data: NONE };
    const sent = answer.slice(0, setup.length);
    return { status: 0, actualLength: sent.length, data: sent };
  }

  #standard({ request, value, index }: Setup): Uint8Array | "stall" {
    this.requests.push(`${request}:${value}${index ? `:${index}` : ""}`);
    switch (request) {
      case 1: { // CLEAR_FEATURE
        const pipe = this.pipes.get(index);
        if (value !== 0 || pipe === undefined) return "stall";
        pipe.halted = false;
        return NONE;
      }
      case 6:
        return this.descriptors.get(value) ?? "stall";
      case 8:
        return Uint8Array.of(this.configuration);
      case 9:
        if (value !== 0 && !(value in this.spec.configurations)) return "stall";
        this.configuration = value;
        this.alternates.clear();
        for (const pipe of this.pipes.values()) pipe.reset();
        return NONE;
      case 11: {
        const one = this.spec.configurations[this.configuration]?.[index];
        if (one?.[value] === undefined) return "stall";
        this.alternates.set(index, value);
        for (const { address } of one.flatMap((each) => each.endpoints)) {
          this.pipes.get(address)?.reset();
        }
        return NONE;
      }
      default:
        return "stall";
    }
  }
}

function deviceBytes(spec: DeviceSpec): Uint8Array {
  const bytes = new Uint8Array(18);
  const view = new DataView(bytes.buffer);
  bytes.set([18, 1]);
  view.setUint16(2, spec.speed >= 5 ? 0x0300 : 0x0200, true);
  bytes[7] = spec.speed >= 5 ? 9 : 64;
  view.setUint16(8, spec.vendorId, true);
  view.setUint16(10, spec.productId, true);
  for (const index of [1, 2, 3]) {
    if (spec.strings[index] !== undefined) bytes[13 + index] = index;
  }
  bytes[17] = Object.keys(spec.configurations).length;
  return bytes;
}

function configurationBytes(
  value: number,
  interfaces: readonly (readonly AlternateSpec[])[],
  speed: number,
): Uint8Array {
  const bytes = [9, 2, 0, 0, interfaces.length, value, 0, 0x80, 250];
  interfaces.forEach((alternates, number) =>
    alternates.forEach(({ triple, name = 0, endpoints }, setting) => {
      bytes.push(9, 4, number, setting, endpoints.length, ...triple, name);
      // A class-specific descriptor, as real devices have them.
      bytes.push(5, 0x24, 0, 0x10, 0x01);
      for (const { address, type, packetSize, interval = 0 } of endpoints) {
        const size = [packetSize & 0xff, packetSize >> 8];
        bytes.push(7, 5, address, TYPES[type], ...size, interval);
        if (speed >= 5) bytes.push(6, 0x30, 0, 0, 0, 0);
      }
    })
  );
  bytes[2] = bytes.length & 0xff;
  bytes[3] = bytes.length >> 8;
  return Uint8Array.from(bytes);
}

function stringBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  bytes.set([bytes.length, 3]);
  for (let i = 0; i < text.length; i++) {
    view.setUint16(2 + 2 * i, text.charCodeAt(i), true);
  }
  return bytes;
}
