/**
 * The host of a virtual phone, with a hand on the cable.
 *
 * @module
 */

import type { Machine } from "../../src/adapters/node/qemu.ts";
import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import type { ServedExport } from "../../src/serve/events.ts";
import {
  serveForever,
  type ServeForeverEvent,
  type ServeForeverOptions,
} from "../../src/serve/serve_forever.ts";
import type { UsbDevice } from "../../src/usb/shape.ts";
import { openUsbIpDevice } from "../../src/usb/usbip/device.ts";
import { cutBetweenUrbs } from "./whole_urbs.ts";

/** Serves exports to a machine, and unplugs it on request. */
export class PhoneHost {
  /** All that happened, but for requests that went well. */
  readonly events: ServeForeverEvent[] = [];
  /** Requests that were answered. */
  answered = 0;
  /** What is plugged in now. */
  device: UsbDevice | undefined;
  /** Connections that were made. */
  plugs = 0;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly #machine: Machine;
  #unplug = () => {};
  #gate: Promise<void> = Promise.resolve();
  #wake = () => {};

  /** Starts at once. */
  constructor(
    machine: Machine,
    exports: readonly ServedExport[],
    options: Omit<ServeForeverOptions, "signal"> = {},
  ) {
    this.#machine = machine;
    this.#done = this.#serve(exports, options);
  }

  /** Pulls the cable, and plugs it in again after a while. */
  unplug(forMs = 0): void {
    this.#gate = new Promise((resolve) => setTimeout(resolve, forMs));
    this.#gate.then(() => this.#wake());
    this.#unplug();
  }

  /** Whether a phone said a line; waits for it. */
  async said(pattern: RegExp, timeoutMs = 60_000): Promise<string> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      for (const event of this.events) {
        if (event.type === "device-log" && pattern.test(event.text)) {
          return event.text;
        }
      }
      if (Date.now() > deadline) {
        throw new Error(`The phone did not tell its host ${pattern}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Ends serving and pulls the cable. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("The test is over"));
    await this.#done;
    this.#unplug();
  }

  async #serve(
    exports: readonly ServedExport[],
    options: Omit<ServeForeverOptions, "signal">,
  ): Promise<void> {
    const { signal } = this.#stop;
    const source = {
      find: () => this.#find(signal),
      watch: (wake: () => void) => {
        this.#wake = wake;
        return () => {};
      },
    };
    try {
      for await (
        const event of serveForever(source, exports, {
          everyRequest: true,
          ...options,
          signal,
        })
      ) {
        if (event.type === "answered") this.answered++;
        if (event.type === "answered" && event.status === 0) continue;
        this.events.push(event);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #find(signal: AbortSignal): Promise<UsbDevice> {
    await this.#gate;
    const plugged = await this.#machine.plugIn({ signal });
    const { devid, speed } = plugged, stream = cutBetweenUrbs(plugged.stream);
    this.#unplug = () => stream.close();
    this.plugs++;
    const device = await openUsbIpDevice(stream, { devid, speed, signal });
    this.device = device;
    return device;
  }
}

/** A reader whose reads can be held back, so that they pile up. */
export class HeldReader implements BlockReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  /** Reads that were begun and not ended. */
  outstanding = 0;
  readonly #reader: BlockReader;
  #open: (() => void) | undefined;
  #gate: Promise<void> | undefined;

  /** @param reader Where the bytes come from. */
  constructor(reader: BlockReader) {
    this.#reader = reader;
    this.blockSize = reader.blockSize;
    this.size = reader.size;
    this.name = reader.name;
    this.identity = reader.identity;
  }

  /** From now on reads wait. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => this.#open = resolve);
  }

  /** Lets them go on. */
  release(): void {
    this.#open?.();
    this.#gate = undefined;
  }

  async read(
    offset: number,
    into: Uint8Array,
    options: ReadOptions = {},
  ): Promise<number> {
    this.outstanding++;
    try {
      await this.#gate;
      options.signal?.throwIfAborted();
      return await this.#reader.read(offset, into, options);
    } finally {
      this.outstanding--;
    }
  }
}
