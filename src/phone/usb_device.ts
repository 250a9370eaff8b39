/**
 * A USB device as a model: descriptors, standard requests, endpoints. What it is reached by (directly,
 * over USB/IP) is not its business.
 *
 * @module
 */

import {
  descriptorsOf,
  type DeviceSpec,
  type EndpointSpec,
} from "./usb_descriptors.ts";
import {
  EPIPE,
  type TransferResult,
  UsbEndpointModel,
} from "./usb_endpoint.ts";

/** A setup packet. */
export interface Setup {
  /** bmRequestType; bit 7: IN. */
  readonly requestType: number;
  /** bRequest. */
  readonly request: number;
  /** wValue. */
  readonly value: number;
  /** wIndex. */
  readonly index: number;
  /** wLength. */
  readonly length: number;
}

/** Answers a request that is not standard: IN bytes, or "stall". */
export type ControlHandler = (
  setup: Setup,
  data: Uint8Array,
) => Uint8Array | "stall" | Promise<Uint8Array | "stall">;

/** Standard requests (USB 2.0, table 9-4). */
const CLEAR_FEATURE = 1;
const GET_STATUS = 0;
const SET_FEATURE = 3;
const GET_DESCRIPTOR = 6;
const GET_CONFIGURATION = 8;
const SET_CONFIGURATION = 9;
const GET_INTERFACE = 10;
const SET_INTERFACE = 11;
/** The feature of an endpoint. */
const ENDPOINT_HALT = 0;
const TO_ENDPOINT = 2;
const NONE = new Uint8Array(0);

/** A device with nobody at its cable. */
export class UsbModel {
  readonly spec: DeviceSpec;
  /** What the device says, by wValue; may be changed before it is plugged in. */
  readonly descriptors: Map<number, Uint8Array>;
  /** By address. */
  readonly pipes: Map<number, UsbEndpointModel> = new Map();
  /** What was asked, in order: `9:1` is SET_CONFIGURATION(1), with its index when not 0. */
  readonly requests: string[] = [];
  /** Value of the one that is set; 0 for none. */
  configuration = 0;
  /** The setting of each interface that is not in its first one. */
  readonly alternates: Map<number, number> = new Map();
  onControl: ControlHandler = () => "stall";

  /** Not configured yet. */
  constructor(spec: DeviceSpec) {
    this.spec = spec;
    this.descriptors = descriptorsOf(spec);
    for (const interfaces of Object.values(spec.configurations)) {
      for (const { endpoints } of interfaces.flat()) {
        for (const { address, packetSize } of endpoints) {
          this.pipes.set(address, new UsbEndpointModel(packetSize));
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

  /** The bus is reset: as when it was plugged in. */
  reset(): void {
    this.configuration = 0;
    this.alternates.clear();
    for (const pipe of this.pipes.values()) pipe.reset();
  }

  /** A transfer on endpoint 0. */
  async control(setup: Setup, data: Uint8Array): Promise<TransferResult> {
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

  #standard(setup: Setup): Uint8Array | "stall" {
    const { request, value, index } = setup;
    this.requests.push(`${request}:${value}${index ? `:${index}` : ""}`);
    const interfaces = this.spec.configurations[this.configuration];
    switch (request) {
      case GET_STATUS:
        return this.#status(setup);
      case CLEAR_FEATURE:
      case SET_FEATURE: {
        const pipe = this.pipes.get(index);
        if (value !== ENDPOINT_HALT || pipe === undefined) return "stall";
        pipe.halted = request === SET_FEATURE;
        return NONE;
      }
      case GET_DESCRIPTOR:
        return this.descriptors.get(value) ?? "stall";
      case GET_CONFIGURATION:
        return Uint8Array.of(this.configuration);
      case SET_CONFIGURATION:
        if (value !== 0 && !(value in this.spec.configurations)) return "stall";
        this.reset();
        this.configuration = value;
        return NONE;
      case GET_INTERFACE:
        if (interfaces?.[index] === undefined) return "stall";
        return Uint8Array.of(this.alternates.get(index) ?? 0);
      case SET_INTERFACE: {
        const one = interfaces?.[index];
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

  #status({ requestType, index }: Setup): Uint8Array | "stall" {
    if ((requestType & 0x1f) !== TO_ENDPOINT) return Uint8Array.of(0, 0);
    const pipe = this.pipes.get(index);
    return pipe === undefined ? "stall" : Uint8Array.of(Number(pipe.halted), 0);
  }
}
