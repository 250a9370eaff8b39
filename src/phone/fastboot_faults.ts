/**
 * Bootloaders that misbehave, on request.
 *
 * @module
 */

import type { OddDescriptors } from "./odd_descriptors.ts";

/** What goes wrong. Replies are given as they are on the wire, status and all. */
export type FaultKind =
  /** Refuses with these words, and does nothing. */
  | { readonly fail: string }
  /** Says these first: `INFOwait`. */
  | { readonly before: readonly string[] }
  /** Says this instead of its answer. */
  | { readonly instead: string }
  /** Announces and takes so many bytes more, or fewer, than it was asked for. */
  | { readonly announce: number }
  /** Is unplugged: behind so many bytes when it is taking data. */
  | { readonly unplug: number }
  /** Halts an endpoint: `in` before it answers, `out` instead of taking the packet. */
  | { readonly stall: "in" | "out" }
  /** Answers so much later, or takes each packet of data so much later. */
  | { readonly delayMs: number }
  /** Says nothing. */
  | { readonly silent: true }
  /** Cuts its answer in two packets at this byte. */
  | { readonly split: number }
  /** Says all in one packet. */
  | { readonly glue: true }
  /** Fills its packets up with NUL to so many bytes. */
  | { readonly pad: number }
  /** Describes itself wrongly. */
  | { readonly descriptors: OddDescriptors };

/** When and how often something goes wrong. */
export type FastbootFault = FaultKind & {
  /**
   * The beginning of a command, `data` while it is taken, `image` for the answer behind it. Of a
   * phone also `usb` for its bootloader on the bus, and `gadget` for what it is when it has booted.
   */
  readonly at: string;
  /** How often; always when absent. */
  readonly times?: number;
};

/** The faults of a device, used up as they happen. */
export class FaultPlan {
  readonly #left: { readonly fault: FastbootFault; times: number }[];

  /** In order: the first one of a kind that fits is used. */
  constructor(faults: readonly FastbootFault[] = []) {
    this.#left = faults.map((fault) => ({
      fault,
      times: fault.times ?? Infinity,
    }));
  }

  /** The value of a fault of this kind that is due, and uses it; nothing when there is none. */
  take<Key extends FaultKeys>(
    at: string,
    key: Key,
    due: (value: FaultValue<Key>) => boolean = () => true,
  ): FaultValue<Key> | undefined {
    for (const one of this.#left) {
      const { fault } = one;
      if (one.times < 1 || !(key in fault) || !at.startsWith(fault.at)) {
        continue;
      }
      const value = (fault as unknown as Record<Key, FaultValue<Key>>)[key];
      if (!due(value)) continue;
      one.times--;
      return value;
    }
    return undefined;
  }
}

type KeysOf<T> = T extends unknown ? keyof T : never;
/** What can go wrong, by name. */
export type FaultKeys = KeysOf<FaultKind>;
/** The value of a kind of fault. */
export type FaultValue<Key extends FaultKeys> = Extract<
  FaultKind,
  Readonly<Record<Key, unknown>>
>[Key];
