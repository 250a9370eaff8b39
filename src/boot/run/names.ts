/**
 * Names of phones for one run.
 *
 * @module
 */

import type { UsbDevice } from "../../usb/shape.ts";
import { describePhone, idsText, type RunContext } from "./context.ts";
import type { PhoneData } from "./events.ts";

/** Gives each phone a name that no other one has for as long as it is known. */
export class PhoneNames {
  readonly #portOf: RunContext["portOf"];
  readonly #names = new Map<UsbDevice, string>();

  /** Knows nobody. */
  constructor({ portOf }: Pick<RunContext, "portOf">) {
    this.#portOf = portOf;
  }

  /** The name of a phone: the first time, the most telling that is free. */
  of(device: UsbDevice): string {
    let name = this.#names.get(device);
    if (name === undefined) {
      name = this.#free(describePhone(device, this.#portOf));
      this.#names.set(device, name);
    }
    return name;
  }

  /** The phone has gone; when it comes again it may have the same name. */
  forget(device: UsbDevice): void {
    this.#names.delete(device);
  }

  #free(phone: PhoneData): string {
    const { serialNumber, port } = phone;
    const taken = new Set(this.#names.values());
    const ids = idsText(phone);
    const wishes = [
      ...serialNumber === undefined ? [] : [serialNumber],
      ...port === undefined ? [] : [`${ids}@${port}`],
      ids,
    ];
    const free = wishes.find((wish) => !taken.has(wish));
    if (free !== undefined) return free;
    for (let i = 2;; i++) {
      const name = `${wishes[0]}#${i}`;
      if (!taken.has(name)) return name;
    }
  }
}
