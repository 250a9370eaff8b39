/**
 * One endpoint of a device: packets in order, short ones end a transfer.
 *
 * @module
 */

import { onAbort } from "../block/abortable.ts";

/** Status of a transfer as an errno of Linux, and what came in. */
export interface TransferResult {
  /** 0, or a negative errno of Linux: -32 stall, -75 babble, -104 taken back. */
  readonly status: number;
  /** Bytes that were moved. */
  readonly actualLength: number;
  /** Of an IN. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The endpoint is halted. */
export const EPIPE = -32;
/** The device sent more than was asked for. */
const EOVERFLOW = -75;
/** The transfer was taken back. */
const ECONNRESET = -104;
const NONE = new Uint8Array(0);

interface Message {
  readonly bytes: Uint8Array;
  at: number;
}

interface Waiting {
  readonly into: Uint8Array<ArrayBuffer>;
  filled: number;
  forget: (() => void) | undefined;
  readonly resolve: (result: TransferResult) => void;
}

/**
 * IN: the device puts messages, transfers take them. OUT: transfers put messages, the device takes
 * them.
 */
export class UsbEndpointModel {
  /** wMaxPacketSize in bytes. */
  readonly packetSize: number;
  /** IN: what the device has to send. */
  #toSend: Message[] = [];
  /** Told when that is nothing any more. */
  #drained: (() => void)[] = [];
  /** IN: transfers that wait, in order. */
  #waiting: Waiting[] = [];
  #halted = false;
  /** OUT: takes each transfer; "stall" halts the endpoint. Without one, OUT transfers wait. */
  onOut:
    | ((bytes: Uint8Array) => void | "stall" | Promise<void | "stall">)
    | undefined;

  /** Moves nothing yet. */
  constructor(packetSize: number) {
    this.packetSize = packetSize;
  }

  /** Every transfer stalls until it is set to false. */
  get halted(): boolean {
    return this.#halted;
  }

  set halted(value: boolean) {
    this.#halted = value;
    if (!value) return;
    for (const one of this.#waiting.splice(0)) finish(one, EPIPE);
  }

  /** How many IN transfers wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A SET_CONFIGURATION or SET_INTERFACE happened. */
  reset(): void {
    this.#halted = false;
    this.#toSend = [];
    for (const resolve of this.#drained.splice(0)) resolve();
    for (const one of this.#waiting.splice(0)) finish(one, ECONNRESET);
  }

  /** The device sends `bytes`; no empty packet follows whole packets unless `bytes` is empty. */
  send(bytes: Uint8Array): void {
    this.#toSend.push({ bytes, at: 0 });
    this.#move();
  }

  /** Resolves when the host has all that was sent, or will never have it. */
  drained(): Promise<void> {
    if (this.#toSend.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** The host wants up to `length` bytes. */
  in(length: number, signal?: AbortSignal): Promise<TransferResult> {
    return new Promise((resolve) => {
      const into = new Uint8Array(length);
      const one: Waiting = { into, filled: 0, forget: undefined, resolve };
      if (this.#halted) return finish(one, EPIPE);
      this.#waiting.push(one);
      one.forget = signal && onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(one), 1);
        finish(one, ECONNRESET);
      });
      this.#move();
    });
  }

  /** The host sends `bytes`. */
  async out(bytes: Uint8Array, signal?: AbortSignal): Promise<TransferResult> {
    const result = (status: number, actualLength: number) => ({
      status,
      actualLength,
      data: NONE,
    });
    if (this.#halted) return result(EPIPE, 0);
    if (this.onOut === undefined) {
      return await new Promise((done) => {
        if (signal) onAbort(signal, () => done(result(ECONNRESET, 0)));
      });
    }
    if (await this.onOut(bytes) === "stall") {
      this.#halted = true;
      return result(EPIPE, 0);
    }
    return result(0, bytes.length);
  }

  #move(): void {
    while (this.#waiting.length > 0 && this.#toSend.length > 0) {
      const one = this.#waiting[0]!;
      const message = this.#toSend[0]!;
      const { bytes, at } = message;
      const packet = Math.min(this.packetSize, bytes.length - at);
      const room = one.into.length - one.filled;
      const taken = Math.min(packet, room);
      one.into.set(bytes.subarray(at, at + taken), one.filled);
      one.filled += taken;
      message.at += packet;
      if (message.at === bytes.length) {
        this.#toSend.shift();
      }
      const over = packet > room;
      if (over || packet < this.packetSize || one.filled === one.into.length) {
        this.#waiting.shift();
        finish(one, over ? EOVERFLOW : 0);
      }
    }
    if (this.#toSend.length > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function finish(one: Waiting, status: number): void {
  const { filled, forget, resolve } = one;
  forget?.();
  const data = one.into.subarray(0, filled);
  resolve({ status, actualLength: filled, data });
}
