/**
 * One endpoint of a modelled device: packets in order, short ones end a transfer.
 *
 * @module
 */

import { onAbort } from "../../src/block/abortable.ts";
import type { ModelResult } from "./usb_model.ts";

const EPIPE = -32;
const EOVERFLOW = -75;
const ECONNRESET = -104;
const NONE = new Uint8Array(0);

interface Waiting {
  readonly length: number;
  readonly into: Uint8Array<ArrayBuffer>;
  filled: number;
  readonly done: (result: ModelResult) => void;
}

/** IN: a test puts messages, transfers take them. OUT: transfers put messages, a test takes them. */
export class ModelEndpoint {
  readonly packetSize: number;
  /** IN: what the device has to send. */
  #toSend: { bytes: Uint8Array; at: number; ended: boolean }[] = [];
  /** IN: transfers that wait, in order. */
  #waiting: Waiting[] = [];
  #halted = false;
  /** OUT: takes each transfer; "stall" halts the endpoint. Without one, OUT transfers wait. */
  onOut:
    | ((bytes: Uint8Array) => void | "stall" | Promise<void | "stall">)
    | undefined;

  constructor(packetSize: number) {
    this.packetSize = packetSize;
  }

  get halted(): boolean {
    return this.#halted;
  }

  set halted(value: boolean) {
    this.#halted = value;
    if (!value) return;
    for (const one of this.#waiting.splice(0)) this.#finish(one, EPIPE);
  }

  /** How many IN transfers wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A SET_CONFIGURATION or SET_INTERFACE happened. */
  reset(): void {
    this.#halted = false;
    this.#toSend = [];
    for (const one of this.#waiting.splice(0)) this.#finish(one, ECONNRESET);
  }

  /** The device sends `bytes`; no empty packet follows whole packets unless `bytes` is empty. */
  send(bytes: Uint8Array): void {
    this.#toSend.push({ bytes, at: 0, ended: false });
    this.#pump();
  }

  /** The host wants up to `length` bytes. */
  in(length: number, signal?: AbortSignal): Promise<ModelResult> {
    return new Promise((done) => {
      const one = { length, into: new Uint8Array(length), filled: 0, done };
      if (this.#halted) return this.#finish(one, EPIPE);
      this.#waiting.push(one);
      if (signal) {
        onAbort(signal, () => {
          const at = this.#waiting.indexOf(one);
          if (at < 0) return;
          this.#waiting.splice(at, 1);
          this.#finish(one, ECONNRESET);
        });
      }
      this.#pump();
    });
  }

  /** The host sends `bytes`. */
  async out(bytes: Uint8Array, signal?: AbortSignal): Promise<ModelResult> {
    const result = (status: number, actualLength: number) => ({
      status,
      actualLength,
      data: NONE,
    });
    if (this.#halted) return result(EPIPE, 0);
    if (this.onOut === undefined) {
      return await new Promise((done) =>
        signal?.addEventListener("abort", () => done(result(ECONNRESET, 0)))
      );
    }
    if (await this.onOut(bytes) === "stall") {
      this.#halted = true;
      return result(EPIPE, 0);
    }
    return result(0, bytes.length);
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#toSend.length > 0) {
      const one = this.#waiting[0]!;
      const message = this.#toSend[0]!;
      const left = message.bytes.length - message.at;
      const packet = Math.min(this.packetSize, left);
      const room = one.length - one.filled;
      const taken = Math.min(packet, room);
      one.into.set(
        message.bytes.subarray(message.at, message.at + taken),
        one.filled,
      );
      one.filled += taken;
      message.at += packet;
      if (message.at === message.bytes.length) this.#toSend.shift();
      const over = packet > room;
      if (over || packet < this.packetSize || one.filled === one.length) {
        this.#waiting.shift();
        this.#finish(one, over ? EOVERFLOW : 0);
      }
    }
  }

  #finish({ into, filled, done }: Waiting, status: number): void {
    done({ status, actualLength: filled, data: into.slice(0, filled) });
  }
}
