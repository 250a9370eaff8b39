/**
 * Things that tests of serving share: a bus with one place on it, an image whose bytes tell where
 * they are, and a host that runs until it is stopped.
 *
 * @module
 */

import type { BlockReader } from "../../src/block/reader.ts";
import type { ServedExport } from "../../src/serve/events.ts";
import type {
  ServeForeverEvent,
  ServeForeverOptions,
} from "../../src/serve/serve_forever.ts";
import { serveForever } from "../../src/serve/serve_forever.ts";
import { smooSource } from "../../src/serve/smoo_source.ts";
import type {
  Usb,
  UsbConnectionEvent,
  UsbDevice,
} from "../../src/usb/shape.ts";

/** A bus on which devices come and go. */
export class FakeBus implements Usb {
  devices: UsbDevice[] = [];
  /** Says nothing when a device comes: it has to be looked for. */
  silent = false;
  looks = 0;
  readonly #listeners = new Set<(event: UsbConnectionEvent) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  plug(device: UsbDevice): void {
    this.devices = [device];
    if (this.silent) return;
    for (const listener of this.#listeners) listener({ device });
  }

  getDevices(): Promise<UsbDevice[]> {
    this.looks++;
    return Promise.resolve(this.devices);
  }

  addEventListener(
    type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void {
    if (type === "connect") this.#listeners.add(listener);
  }

  removeEventListener(
    _type: "connect" | "disconnect",
    listener: (event: UsbConnectionEvent) => void,
  ): void {
    this.#listeners.delete(listener);
  }
}

/** Byte at `offset` of every image here: different for neighbouring blocks and bytes. */
export function byteAt(offset: number): number {
  return (offset * 31 + (offset >> 9) * 7 + (offset >> 17)) & 0xff;
}

/** Tells whether `bytes` are what lies at `offset`. */
export function isRight(bytes: Uint8Array, offset: number): boolean {
  return bytes.every((byte, i) => byte === byteAt(offset + i));
}

/** An image of `size` bytes without memory; its reads wait for `delay`, and end with the signal. */
export function patternReader(
  size: number,
  delay?: () => Promise<void>,
): BlockReader & { reads: number; aborted: number } {
  return {
    name: "pattern",
    identity: `pattern:${size}`,
    blockSize: 512,
    size,
    reads: 0,
    aborted: 0,
    async read(offset, into, { signal } = {}) {
      this.reads++;
      await delay?.();
      if (signal?.aborted) {
        this.aborted++;
        throw signal.reason;
      }
      const count = Math.min(into.length, size - offset);
      for (let i = 0; i < count; i++) into[i] = byteAt(offset + i);
      return count;
    },
  };
}

/** Serves what appears on `bus` until it is stopped, and keeps the events. */
export function serving(
  bus: FakeBus,
  exports: readonly ServedExport[],
  options: ServeForeverOptions = {},
) {
  const cancel = new AbortController();
  const events: ServeForeverEvent[] = [];
  let stir: (() => void)[] = [];
  const done = (async () => {
    const { signal } = cancel;
    const all = serveForever(smooSource(bus), exports, { ...options, signal });
    for await (const event of all) {
      events.push(event);
      for (const wake of stir.splice(0)) wake();
    }
  })();
  done.catch(() => {
    for (const wake of stir.splice(0)) wake();
    stir = [];
  });
  return {
    events,
    done,
    cancel,
    /** Waits for the `count`th event of a type. */
    async seen<T extends ServeForeverEvent["type"]>(
      type: T,
      count = 1,
    ): Promise<ServeForeverEvent & { type: T }> {
      for (;;) {
        const found = events.filter((event) => event.type === type);
        if (found.length >= count) {
          return found[count - 1] as ServeForeverEvent & { type: T };
        }
        await Promise.race([
          new Promise<void>((resolve) => stir.push(resolve)),
          done,
        ]);
      }
    },
    async stop(): Promise<void> {
      cancel.abort("stopped");
      await done.catch((error) => {
        if (error !== "stopped") throw error;
      });
    },
  };
}
