/**
 * What comes and goes on a bus, for loops that look at it again and again.
 *
 * @module
 */

import { abortable, onAbort } from "../../block/abortable.ts";
import type { Usb, UsbDevice } from "../../usb/shape.ts";
import type { RunContext } from "./context.ts";

/** A look at the bus at least so often: not every bus tells of all that comes and goes. */
const POLL_MS = 1000;

/** Watches a bus for as long as a run lasts. Devices are known by themselves, never by their ids. */
export class BusWatch {
  readonly #usb: Usb;
  readonly #context: Pick<RunContext, "sleep">;
  readonly #waiting = new Set<() => void>();
  /** Goes up with everything that comes or goes. */
  #changes = 0;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #wake = () => {
    this.#changes++;
    for (const wake of [...this.#waiting]) wake();
  };

  /** Begins to watch; {@linkcode BusWatch.stop} ends it. */
  constructor({ usb, sleep }: Pick<RunContext, "usb" | "sleep">) {
    this.#usb = usb;
    this.#context = { sleep };
    usb.addEventListener("connect", this.#wake);
    usb.addEventListener("disconnect", this.#wake);
  }

  /** Ends it, once nobody is {@linkcode BusWatch.alone} any more. Waits for 2 s at most. */
  async stop(): Promise<void> {
    this.#usb.removeEventListener("connect", this.#wake);
    this.#usb.removeEventListener("disconnect", this.#wake);
    const late = new AbortController();
    const { sleep } = this.#context;
    await Promise.race([
      this.#turn,
      sleep(2000, late.signal).catch(() => {}),
    ]);
    late.abort();
  }

  /** Calls `wake` whenever something comes or goes; gives what ends that. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** A number that is another one when something came or went. */
  get changes(): number {
    return this.#changes;
  }

  /** Those that are plugged in. */
  devices(signal: AbortSignal): Promise<UsbDevice[]> {
    return abortable(this.#usb.getDevices(), signal);
  }

  /** Waits until something comes or goes after `since`, a while at most. */
  async change(
    since: number,
    signal: AbortSignal,
    ms = POLL_MS,
  ): Promise<void> {
    signal.throwIfAborted();
    if (this.#changes !== since) return;
    const early = new AbortController();
    const forget = onAbort(signal, () => early.abort());
    const unwatch = this.onChange(() => early.abort());
    try {
      await this.#context.sleep(Math.min(ms, POLL_MS), early.signal);
    } catch {
      signal.throwIfAborted();
    } finally {
      unwatch();
      forget();
    }
  }

  /** One at a time: to open a device just to look at it is in the way of others who do so. */
  async alone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#turn;
    const mine = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.#turn = mine.catch(() => {});
    return await mine;
  }

  /**
   * Calls `gone` once `device` has left the bus; gives what ends that.
   */
  onLeave(device: UsbDevice, gone: () => void): () => void {
    const listener = (event: { readonly device: UsbDevice }) => {
      if (event.device === device) gone();
    };
    this.#usb.addEventListener("disconnect", listener);
    return () => this.#usb.removeEventListener("disconnect", listener);
  }
}
