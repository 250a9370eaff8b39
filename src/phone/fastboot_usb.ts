/**
 * The bootloader at the end of a USB cable.
 *
 * @module
 */

import type { FastbootDevice } from "./fastboot_device.ts";
import type { DeviceSpec } from "./usb_descriptors.ts";
import { UsbModel } from "./usb_device.ts";

/** How a phone calls itself on the bus. */
export interface PhoneIdentity {
  readonly vendorId: number;
  readonly productId: number;
  readonly manufacturer: string;
  readonly product: string;
  readonly serialNumber: string;
}

/** Who watches it. */
export interface FastbootWatch {
  /**
   * It leaves the bus to start what was sent, or, with nothing, what is installed. The host may not
   * have its answer yet, see {@linkcode answersFetched}.
   */
  readonly onLeave: (image: Uint8Array<ArrayBuffer> | undefined) => void;
  /** Its cable was pulled. */
  readonly onUnplug: () => void;
  /** Told of each command. */
  readonly onCommand?: ((command: string) => void) | undefined;
  /** Told of each transfer of data, in bytes. */
  readonly onData?: ((length: number) => void) | undefined;
  /** What a delay waits for, in place of a timer. */
  readonly sleep?: ((ms: number) => Promise<void>) | undefined;
}

const IN = 0x81, OUT = 0x01;
const USB_SPEED_HIGH = 3;
/** Of bulk endpoints at high speed. */
export const FASTBOOT_PACKET_BYTES = 512;
/** Time for a host to fetch the answer to `boot` before the bootloader leaves. */
const FETCH_MS = 2000;

/** A device of fastboot: one interface, ff/42/03, with a bulk endpoint each way. */
export function fastbootSpec(identity: PhoneIdentity): DeviceSpec {
  const { vendorId, productId, manufacturer, product, serialNumber } = identity;
  const bulk = { type: "bulk", packetSize: FASTBOOT_PACKET_BYTES } as const;
  return {
    vendorId,
    productId,
    speed: USB_SPEED_HIGH,
    strings: { 1: manufacturer, 2: product, 3: serialNumber, 4: "fastboot" },
    configurations: {
      1: [[{
        triple: [0xff, 0x42, 0x03],
        name: 4,
        endpoints: [{ address: IN, ...bulk }, { address: OUT, ...bulk }],
      }]],
    },
  };
}

/** Puts a bootloader behind a device, one packet after the other. */
export function connectFastboot(
  spec: DeviceSpec,
  device: FastbootDevice,
  watch: FastbootWatch,
): UsbModel {
  const model = new UsbModel(spec);
  let turn: Promise<unknown> = Promise.resolve();
  model.pipes.get(OUT)!.onOut = (bytes) => {
    const taken = turn.then(() => take(model, device, watch, bytes));
    turn = taken.catch(() => {});
    return taken;
  };
  return model;
}

async function take(
  model: UsbModel,
  device: FastbootDevice,
  watch: FastbootWatch,
  bytes: Uint8Array,
): Promise<void | "stall"> {
  const input = model.pipes.get(IN)!;
  if (device.expected > 0) watch.onData?.(bytes.length);
  else watch.onCommand?.(new TextDecoder().decode(bytes));
  for await (const action of device.receive(bytes)) {
    switch (action.kind) {
      case "reply":
        input.send(action.packet);
        break;
      case "stall":
        if (action.direction === "out") return "stall";
        input.halted = true;
        break;
      case "wait":
        await (watch.sleep ?? sleep)(action.ms);
        break;
      case "unplug":
        return watch.onUnplug();
      case "leave":
        watch.onLeave(action.image);
    }
  }
}

/** Resolves when the host has fetched all answers, or had time to. */
export function answersFetched(model: UsbModel): Promise<void> {
  return Promise.race([model.pipes.get(IN)!.drained(), sleep(FETCH_MS)]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
