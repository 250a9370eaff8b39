/**
 * From a bus to the phones that are to be booted.
 *
 * @module
 */

import { abortable } from "../../block/abortable.ts";
import { findSmooInterface } from "../../serve/smoo_interface.ts";
import type { UsbDevice } from "../../usb/shape.ts";
import type { BusWatch } from "./bus_watch.ts";
import {
  describePhone,
  phoneText,
  type RunContext,
  serialOf,
} from "./context.ts";
import { BootError } from "./errors.ts";
import type { ErrorData } from "./error_data.ts";
import { errorData } from "./error_data.ts";
import {
  type BootablePhone,
  examine,
  profilesOf,
  type RunningPhone,
} from "./examine.ts";
import { PhoneNames } from "./names.ts";
import type { FindOptions } from "./options.ts";

/** A phone that is meant, and can be used. */
export type UsablePhone = BootablePhone | RunningPhone;

/** A phone that is meant and cannot be asked. */
export interface UnusablePhone {
  readonly phone: string;
  readonly error: ErrorData;
}

/** The phones that are to be booted, or served again. */
export interface FoundPhones {
  readonly phones: readonly UsablePhone[];
  readonly unusable: readonly UnusablePhone[];
}

/**
 * Waits for the phones that `options.phones` means, and connects to their bootloaders.
 *
 * @throws {BootError} `boot.no-phone`, `boot.several-phones`
 * @throws {UsbError | FastbootError} as `examine()`, when the only phone cannot be used
 */
export async function findPhones(
  context: RunContext<FindOptions>,
  bus: BusWatch,
): Promise<FoundPhones> {
  const search = new Search(context, bus);
  try {
    return await search.run();
  } catch (error) {
    await search.close();
    throw error;
  }
}

class Search {
  readonly #context: RunContext<FindOptions>;
  readonly #bus: BusWatch;
  readonly #names: PhoneNames;
  readonly #ready = new Map<UsbDevice, UsablePhone>();
  readonly #unusable = new Map<UsbDevice, unknown>();
  readonly #others = new Set<UsbDevice>();

  constructor(context: RunContext<FindOptions>, bus: BusWatch) {
    this.#context = context;
    this.#bus = bus;
    this.#names = new PhoneNames(context);
  }

  async run(): Promise<FoundPhones> {
    const { options, now, signal, emit } = this.#context;
    const { waitMs = Infinity } = options;
    const end = now() + waitMs;
    let waiting = false;
    for (let first = true;; first = false) {
      const since = this.#bus.changes;
      await this.#look(first);
      const chosen = await this.#choose();
      if (chosen !== undefined) return chosen;
      const left = end - now();
      if (left <= 0) throw this.#nothing(waitMs);
      if (!waiting) {
        waiting = true;
        emit({
          type: "waiting",
          profiles: options.profiles.map(({ id }) => id),
          ...this.#missing(),
        });
      }
      await this.#bus.change(since, signal, left);
    }
  }

  /** Closes what was connected, but `kept`. */
  async close(kept: readonly UsablePhone[] = []): Promise<void> {
    const all = [...this.#ready.values()].filter((one) => !kept.includes(one));
    await Promise.all(all.map((one) => this.#closeOne(one)));
  }

  async #closeOne(phone: UsablePhone): Promise<void> {
    if (phone.running) return;
    await phone.client.close(this.#context.options.bootloader);
  }

  /** Examines what has come, and forgets what has gone. */
  async #look(first: boolean): Promise<void> {
    const { signal } = this.#context;
    let devices: UsbDevice[];
    try {
      devices = await this.#bus.devices(signal);
    } catch (error) {
      signal.throwIfAborted();
      // a server that was there may come back; one that never was is a mistake
      if (first) throw error;
      devices = [];
    }
    for (const known of [this.#ready, this.#unusable, this.#others]) {
      for (const device of known.keys()) {
        if (devices.includes(device)) continue;
        const ready = this.#ready.get(device);
        if (ready !== undefined) await this.#closeOne(ready);
        known.delete(device);
        this.#names.forget(device);
      }
    }
    const fresh = devices.filter((device) =>
      !this.#ready.has(device) && !this.#unusable.has(device) &&
      !this.#others.has(device) && this.#isCandidate(device)
    );
    const looks = fresh.map((device) => this.#examine(device));
    // all of them end before any failure is told, so that none is left open
    const failed = (await Promise.allSettled(looks))
      .find((look) => look.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #examine(device: UsbDevice): Promise<void> {
    const { signal } = this.#context;
    const isThere = async () =>
      (await this.#bus.devices(signal)).includes(device);
    try {
      const found = await examine(
        device,
        this.#context,
        this.#names,
        isThere,
        (device) => this.#isMeant(device),
      );
      if (found === "gone") this.#names.forget(device);
      else if (found === "other") this.#others.add(device);
      else this.#ready.set(device, found);
    } catch (error) {
      signal.throwIfAborted();
      this.#unusable.set(device, error);
    }
  }

  /** May be meant, as far as can be seen without opening it. */
  #isCandidate(device: UsbDevice): boolean {
    const { profiles, resume = false } = this.#context.options;
    // a phone that runs may have been told to call itself something else
    const runs = resume && findSmooInterface(device) !== undefined;
    if (!runs && profilesOf(device, profiles).length === 0) return false;
    return this.#isMeant(device, device.configurations.length === 0);
  }

  #isMeant(device: UsbDevice, unopened = false): boolean {
    const { serialNumbers = [], ports = [] } = this.#context.options.phones ??
      {};
    if (serialNumbers.length + ports.length === 0) return true;
    const serial = serialOf(device);
    const port = this.#context.portOf(device);
    return serial !== undefined && serialNumbers.includes(serial) ||
      port !== undefined && ports.includes(port) ||
      unopened && serial === undefined && serialNumbers.length > 0;
  }

  /** Those to boot, as soon as all that are meant are there. */
  async #choose(): Promise<FoundPhones | undefined> {
    const ready = [...this.#ready.values()];
    const { phones: { serialNumbers = [], ports = [], all = false } = {} } =
      this.#context.options;
    if (serialNumbers.length + ports.length > 0) {
      const { serialNumbers, ports } = this.#missing();
      if (serialNumbers.length + ports.length > 0) return undefined;
      return this.#found(ready);
    }
    if (all) {
      const any = ready.length + this.#unusable.size > 0;
      return any ? this.#found(ready) : undefined;
    }
    if (ready.length === 0) {
      const [error] = this.#unusable.values();
      if (this.#unusable.size > 0) throw error;
      return undefined;
    }
    return this.#found(ready.length === 1 ? ready : await this.#ask(ready));
  }

  #found(phones: readonly UsablePhone[]): FoundPhones {
    const unusable = [...this.#unusable].map(([device, error]) => ({
      phone: this.#names.of(device),
      error: errorData(error),
    }));
    return { phones, unusable };
  }

  /** Several are there and one was meant. */
  async #ask(ready: readonly UsablePhone[]): Promise<UsablePhone[]> {
    const { options, emit, signal } = this.#context;
    const asked = ready.map(({ phone, device, profiles, running }) => ({
      phone,
      device,
      profiles,
      running,
    }));
    const asking = options.choosePhones?.(asked) ?? Promise.resolve([]);
    const names = await abortable(asking, signal);
    const chosen = ready.filter(({ phone }) => names.includes(phone));
    if (chosen.length === 0) {
      const list = ready.map(({ device, profiles, running }) => {
        const what = running ? ["running"] : profiles.map(({ id }) => id);
        return `${phoneText(device)} (${what.join(" or ")})`;
      });
      throw new BootError(
        "boot.several-phones",
        `Cannot choose a phone: found ${list.length}: ${
          list.join(", ")
        }, expected one; say which by its serial number or port`,
        { facts: { phones: ready.map(({ phone }) => phone).join() } },
      );
    }
    await this.close(chosen);
    for (const { phone } of ready) {
      if (names.includes(phone)) continue;
      emit({ type: "passed-over", phone, reason: "not-chosen", details: [] });
    }
    return chosen;
  }

  /** Serial numbers and ports that were named and have not come. */
  #missing(): { serialNumbers: string[]; ports: string[] } {
    const { serialNumbers = [], ports = [] } = this.#context.options.phones ??
      {};
    const there = [...this.#ready.keys(), ...this.#unusable.keys()];
    const { portOf } = this.#context;
    return {
      serialNumbers: serialNumbers.filter((one) =>
        !there.some((device) => serialOf(device) === one)
      ),
      ports: ports.filter((one) =>
        !there.some((device) => portOf(device) === one)
      ),
    };
  }

  #nothing(waitMs: number): BootError {
    const { profiles } = this.#context.options;
    const { serialNumbers, ports } = this.#missing();
    const missing = [...serialNumbers, ...ports];
    const seen = [...this.#others].map((device) =>
      phoneText(describePhone(device, this.#context.portOf))
    );
    const what = missing.length > 0
      ? `phone ${missing.map((one) => `"${one}"`).join(", ")}`
      : profiles.length === 1
      ? `phone of profile "${profiles[0]!.id}"`
      : "phone";
    const when = waitMs > 0 ? ` in ${waitMs} ms` : "";
    return new BootError(
      "boot.no-phone",
      `Cannot find ${what} in its bootloader: found ${
        seen.length === 0
          ? "none"
          : `${seen.join(", ")}, which is not to be booted`
      }${when}, expected one; plug it in, and start it in fastboot mode`,
      { facts: { missing: missing.join(), seen: seen.join() } },
    );
  }
}
