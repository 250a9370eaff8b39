/**
 * A made-up phone: a small model of the gadget of smoo and of the block layer above it, written from
 * the protocol and not with our encoders.
 *
 * It keeps the rules of a gadget (nothing is asked before a STATUS, what is outstanding is parked
 * when the link is lost and asked again with the same id, payloads are read with their exact length)
 * and notes where the host breaks those of a host.
 *
 * @module
 */

import type { UsbControlSetup } from "../../src/usb/shape.ts";
import type { SmooDeviceOptions, SmooFunction } from "./smoo_device.ts";
import { SmooDevice } from "./smoo_device.ts";

export const READ = 0, WRITE = 1, FLUSH = 2, DISCARD = 3;

export interface SmooGadgetOptions {
  /** Requests under way at once. */
  readonly depth?: number;
  /** Without a STATUS or a Response for so long, the host is dead. */
  readonly livenessMs?: number;
  readonly sessionId?: bigint;
  /** Answers LOG from these bytes, of which it keeps the last so many. */
  readonly log?: { bytes: Uint8Array; keep: number };
}

export interface GadgetExport {
  readonly id: number;
  readonly blockSize: number;
  readonly size: bigint;
  readonly flags: bigint;
}

interface Outstanding {
  readonly tag: number;
  readonly message: Uint8Array;
  readonly payload: Uint8Array | undefined;
  readonly length: number;
  sent: boolean;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** An errno that the host answered. */
export class Errno extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

export class SmooGadget implements SmooFunction {
  sessionId: bigint;
  exports: GadgetExport[] = [];
  log: { bytes: Uint8Array; keep: number } | undefined;
  /** Answers given instead of the right ones, by bRequest; nothing in it: STALL. */
  readonly answers = new Map<number, () => Promise<Uint8Array | undefined>>();
  /** Whatever the host did that a host must not do. */
  readonly problems: string[] = [];
  /** Responses that belong to nothing. */
  unknown = 0;
  strays = 0;
  /** Requests sent, and those of them that had been sent before. */
  requests = 0;
  replays = 0;
  /** CONFIG_EXPORTS that changed anything. */
  configs = 0;
  ignoresConfig = false;
  statuses = 0;
  device: SmooDevice | undefined;
  readonly #livenessMs: number;
  readonly #free: number[];
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #waiting: (() => void)[] = [];
  #online = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #enabled = 0;

  constructor(options: SmooGadgetOptions = {}) {
    const { depth = 16, livenessMs = 3000 } = options;
    this.sessionId = options.sessionId ?? 0x1122334455667788n;
    this.log = options.log;
    this.#livenessMs = livenessMs;
    this.#free = Array.from({ length: depth }, (_, i) => depth - 1 - i);
  }

  /** Appears on the bus. */
  plug(options: SmooDeviceOptions = {}): SmooDevice {
    return this.device = new SmooDevice(this, options);
  }

  /** Leaves the bus. What is outstanding stays so. */
  unplug(): void {
    this.device?.unplug();
    this.device = undefined;
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  get online(): boolean {
    return this.#online;
  }

  /** What the block layer does: waits for a tag, asks, and gets what was read. */
  async request(
    opcode: number,
    lba: number | bigint,
    count: number,
    { id = this.exports[0]!.id, payload }: {
      id?: number;
      payload?: Uint8Array;
    } = {},
  ): Promise<Uint8Array> {
    while (this.#free.length === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const tag = this.#free.pop()!;
    const blockSize = this.exports.find((one) => one.id === id)?.blockSize ??
      512;
    const message = new Uint8Array(28);
    const view = new DataView(message.buffer);
    view.setUint8(0, opcode);
    view.setUint32(4, tag, true);
    view.setUint32(8, id, true);
    view.setBigUint64(12, BigInt(lba), true);
    view.setUint32(20, count, true);
    const length = opcode === READ ? count * blockSize : 0;
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        const one = {
          tag,
          message,
          payload,
          length,
          sent: false,
          resolve,
          reject,
        };
        this.#outstanding.set(tag, one);
        if (this.#online) this.#send(one);
      });
    } finally {
      this.#free.push(tag);
      this.#waiting.shift()?.();
    }
  }

  /** Puts any bytes on interrupt IN. */
  sendRaw(bytes: Uint8Array): void {
    this.device?.pipes.interruptIn.write(bytes).catch(() => {});
  }

  enable(device: SmooDevice): void {
    this.#reset(device);
  }

  disable(device: SmooDevice): void {
    if (device !== this.device) return;
    this.#enabled++;
    device.endGadget();
    this.#offline();
  }

  async controlIn(
    { requestType, recipient, request, value, index }: UsbControlSetup,
    length: number,
  ): Promise<Uint8Array | undefined> {
    if (recipient !== "interface" || index !== this.#interfaceNumber) {
      this.problems.push(`control to ${recipient} ${index}`);
    }
    const answer = this.answers.get(request);
    if (answer !== undefined) return await answer();
    const type = `${requestType} ${request}`;
    if (type === "vendor 1" && length >= 8) {
      // A new host: whatever the one before left is void.
      if (this.device) this.#reset(this.device);
      return Uint8Array.of(0x53, 0x4d, 0x4f, 0x4f, 0, 0, 1, 0);
    }
    if (type === "class 3") {
      this.statuses++;
      this.#alive();
      const status = new Uint8Array(16);
      const view = new DataView(status.buffer);
      view.setUint16(2, this.exports.length > 0 ? 1 : 0, true);
      view.setUint32(4, this.exports.length, true);
      view.setBigUint64(8, this.sessionId, true);
      return status;
    }
    if (type === "vendor 4" && this.log && length >= 32) {
      return this.#readLog(value, length);
    }
    return undefined;
  }

  controlOut(
    { requestType, request }: UsbControlSetup,
    bytes: Uint8Array,
  ): boolean {
    if (requestType !== "vendor" || request !== 2) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = bytes.length < 8 ? 99 : view.getUint16(2, true);
    if (count > 32 || bytes.length !== 8 + 24 * count) return false;
    if (this.ignoresConfig) return true;
    const list = Array.from({ length: count }, (_, i) => ({
      id: view.getUint32(8 + 24 * i, true),
      blockSize: view.getUint32(12 + 24 * i, true),
      size: view.getBigUint64(16 + 24 * i, true),
      flags: view.getBigUint64(24 + 24 * i, true),
    }));
    const same = list.length === this.exports.length &&
      list.every((one, i) => {
        const before = this.exports[i]!;
        return one.id === before.id && one.blockSize === before.blockSize &&
          one.size === before.size;
      });
    if (!same) this.configs++;
    this.exports = list;
    return true;
  }

  get #interfaceNumber(): number | undefined {
    return this.device?.configurations[0]?.interfaces[0]?.interfaceNumber;
  }

  #readLog(wanted: number, length: number): Uint8Array {
    const { bytes, keep } = this.log!;
    const newest = bytes.length;
    const oldest = Math.max(0, newest - keep);
    let start = Math.floor(newest / 65536) * 65536 + wanted;
    if (start > newest) start -= 65536;
    start = Math.max(start, oldest);
    const part = bytes.subarray(start, start + length - 32);
    const reply = new Uint8Array(32 + part.length);
    const view = new DataView(reply.buffer);
    view.setUint16(2, 32, true);
    view.setBigUint64(8, BigInt(oldest), true);
    view.setBigUint64(16, BigInt(start), true);
    view.setBigUint64(24, BigInt(newest), true);
    reply.set(part, 32);
    return reply;
  }

  /** Begins the data plane anew; everything outstanding is parked. */
  #reset(device: SmooDevice): void {
    device.endGadget();
    this.#offline();
    const generation = ++this.#enabled;
    this.#takeResponses(device, generation).catch(() => {});
  }

  #offline(): void {
    clearTimeout(this.#timer);
    this.#online = false;
    for (const one of this.#outstanding.values()) {
      if (one.sent) this.replays++;
      one.sent = false;
    }
  }

  #alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { device } = this;
      if (device) this.#reset(device);
    }, this.#livenessMs);
    if (this.#online) return;
    this.#online = true;
    for (const one of this.#outstanding.values()) this.#send(one);
  }

  #send(one: Outstanding): void {
    one.sent = true;
    this.requests++;
    const { interruptIn, bulkIn } = this.device!.pipes;
    interruptIn.write(one.message).catch(() => {});
    if (one.payload !== undefined) bulkIn.write(one.payload).catch(() => {});
  }

  async #takeResponses(device: SmooDevice, generation: number): Promise<void> {
    const { interruptOut, bulkOut } = device.pipes;
    while (generation === this.#enabled) {
      const { bytes } = await interruptOut.read(1024);
      if (bytes.length !== 28) {
        this.strays++;
        continue;
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, 28);
      const one = this.#outstanding.get(view.getUint32(4, true));
      if (one === undefined || !one.sent || !echoes(bytes, one.message)) {
        this.unknown++;
        continue;
      }
      this.#alive();
      const errno = view.getUint8(1);
      let payload: Uint8Array = new Uint8Array();
      if (errno === 0 && one.length > 0) {
        const read = await bulkOut.read(one.length);
        if (read.status !== "ok" || read.bytes.length !== one.length) {
          this.problems.push(
            `payload of ${one.length}: ${read.status} ${read.bytes.length}`,
          );
        }
        payload = read.bytes;
      }
      this.#outstanding.delete(one.tag);
      if (errno === 0) one.resolve(payload);
      else one.reject(new Errno(errno));
    }
  }
}

/** Everything but the status has to come back. */
function echoes(response: Uint8Array, request: Uint8Array): boolean {
  return response.every((byte, i) => i === 1 || byte === request[i]);
}
