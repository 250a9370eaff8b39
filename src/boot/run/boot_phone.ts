/**
 * One phone, from its bootloader to the end of its serving.
 *
 * @module
 */

import { abortable, onAbort } from "../../block/abortable.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { UsbError } from "../../usb/errors.ts";
import type { BootPlan, PreparedPlan } from "../plan.ts";
import type { BusWatch } from "./bus_watch.ts";
import { phoneText, type RunContext } from "./context.ts";
import { BootError } from "./errors.ts";
import { errorData } from "./error_data.ts";
import type { BootablePhone, RunningPhone } from "./examine.ts";
import type { UsablePhone } from "./find.ts";
import type { ExpectedGadget, ExpectedGadgets } from "./gadget_source.ts";
import { sendAndBoot, waitUntilLeft } from "./send.ts";
import { servePhone } from "./serve_phone.ts";
import { summarize, warningsOf } from "./summary.ts";

/** What all phones of a run share. */
export interface Shared {
  readonly context: RunContext;
  readonly bus: BusWatch;
  readonly gadgets: ExpectedGadgets;
  /** Makes, or goes on making, the boot image for phones of a profile. */
  readonly prepare: (profile: DeviceProfile) => Promise<PreparedPlan>;
  /** A phone needs none any more. */
  readonly release: () => void;
}

/**
 * Boots a phone, or takes one over that runs already, and serves it until it is done with; tells all
 * of it, how it ended, too.
 *
 * @returns Whether it went well.
 * @throws `signal.reason`, once everything of the phone is closed; nothing else.
 */
export async function bootPhone(
  found: UsablePhone,
  shared: Shared,
): Promise<boolean> {
  const { signal, emit } = shared.context;
  const flow = found.running
    ? { booted: true, run: () => resumePhone(found, shared) }
    : new Flow(found, shared);
  const { phone } = found;
  try {
    const reason = await flow.run();
    const phoneNeedsHost = reason === "gone";
    emit({ type: "finished", phone, reason, phoneNeedsHost });
    return true;
  } catch (error) {
    const { booted } = flow;
    if (!signal.aborted) {
      emit({ type: "failed", phone, booted, ...errorData(error) });
      return false;
    }
    if (booted) {
      emit({
        type: "finished",
        phone,
        reason: "stopped",
        phoneNeedsHost: true,
      });
    }
    throw signal.reason;
  }
}

/** Serves a phone again whose host has left. */
async function resumePhone(
  { phone, device, usbDevice }: RunningPhone,
  { context, bus, gadgets, release }: Shared,
) {
  release();
  const before = new Set(await bus.devices(context.signal));
  before.delete(usbDevice);
  const previous = usbDevice;
  const gadget: ExpectedGadget = { device, before, previous, running: true };
  gadgets.add(gadget);
  try {
    return await servePhone(phone, gadget, gadgets, context, bus);
  } finally {
    gadgets.delete(gadget);
  }
}

class Flow {
  /** The phone was told to boot, and may have done so. */
  booted = false;
  readonly #found: BootablePhone;
  readonly #shared: Shared;
  /** Aborted when the run ends, or the bootloader leaves before it should. */
  readonly #stop = new AbortController();
  #talking = false;
  #gone = false;

  constructor(found: BootablePhone, shared: Shared) {
    this.#found = found;
    this.#shared = shared;
  }

  async run() {
    const { context, bus, gadgets } = this.#shared;
    const { signal } = context;
    const { usbDevice, phone, client } = this.#found;
    const forget = onAbort(signal, () => this.#stop.abort(signal.reason));
    const unwatch = bus.onLeave(usbDevice, () => this.#left());
    let gadget: ExpectedGadget | undefined;
    try {
      try {
        signal.throwIfAborted();
        gadget = await this.#send();
      } finally {
        this.#shared.release();
        await client.close({
          settleMs: context.options.bootloader?.settleMs,
        });
      }
      gadgets.add(gadget);
      await waitUntilLeft(this.#found, () => this.#gone, context, bus, signal);
      unwatch();
      context.emit({ type: "left", phone });
      return await servePhone(phone, gadget, gadgets, context, bus);
    } finally {
      forget();
      unwatch();
      if (gadget !== undefined) gadgets.delete(gadget);
    }
  }

  /** Makes the boot image, sends it and starts it. What it takes of memory is free then. */
  async #send(): Promise<ExpectedGadget> {
    const { context, bus } = this.#shared;
    const { signal } = context;
    const profile = await this.#profile();
    const plan = await this.#plan(profile);
    // from here on its transfers tell that it left
    this.#talking = true;
    const there = await bus.devices(signal);
    const before = new Set(there);
    before.delete(this.#found.usbDevice);
    await sendAndBoot(this.#found, plan.bytes, {
      now: context.now,
      emit: (event) => {
        if (event.type === "booting") this.booted = true;
        context.emit(event);
      },
    }, signal).catch((error) => {
      // it said no, so it is in its bootloader still
      if (errorData(error).code === "fastboot.failed") this.booted = false;
      throw error;
    });
    return {
      device: gadgetOf(plan, this.#found),
      previous: this.#found.usbDevice,
      running: false,
      before,
    };
  }

  async #profile(): Promise<DeviceProfile> {
    const { options, emit } = this.#shared.context;
    const { phone, device, profiles } = this.#found;
    let profile: DeviceProfile | undefined = profiles[0]!;
    if (profiles.length > 1) {
      const id = await this.#unlessStopped(
        options.chooseProfile?.({ phone, device, profiles, running: false }) ??
          Promise.resolve(undefined),
      );
      profile = profiles.find((one) => one.id === id);
      if (profile === undefined) throw ambiguous(this.#found);
    }
    const by = profiles.length > 1
      ? "chosen"
      : options.profiles.length === 1
      ? "given"
      : "probe";
    const { id, display_name = id } = profile;
    emit({ type: "identified", phone, profile: id, name: display_name, by });
    return profile;
  }

  async #plan(profile: DeviceProfile): Promise<BootPlan> {
    const { context: { emit }, prepare } = this.#shared;
    const { phone, device } = this.#found;
    const { signal } = this.#stop;
    const prepared = await this.#unlessStopped(prepare(profile));
    const { vendorId, productId, serialNumber } = device;
    const plan = await prepared.forPhone({
      vendorId,
      productId,
      ...serialNumber === undefined ? {} : { deviceSerial: serialNumber },
    }, { signal, onPart: (part) => emit({ type: "building", phone, part }) });
    for (const warning of warningsOf(plan)) {
      emit({ type: "warning", phone, ...warning });
    }
    emit({ type: "built", phone, image: summarize(plan) });
    return plan;
  }

  #left(): void {
    this.#gone = true;
    if (this.#talking) return;
    this.#stop.abort(
      new UsbError(
        "usb.disconnected",
        `Cannot boot ${
          phoneText(this.#found.device)
        }: it left the bus before it was told to boot; plug it in again, and use another cable or port if it happens again`,
        { facts: { phone: this.#found.phone } },
      ),
    );
  }

  async #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    return await abortable(work, signal);
  }
}

/** What the phone will call itself: what stage0 is told. */
function gadgetOf(
  { cmdline: { settings } }: BootPlan,
  { device }: BootablePhone,
): ExpectedGadget["device"] {
  const id = (name: "vendor" | "product", own: number) =>
    Number(
      settings.get(`smoo.${name}`) ?? settings.get(`smoo.${name}_id`) ?? own,
    );
  return {
    vendorId: id("vendor", device.vendorId),
    productId: id("product", device.productId),
    serialNumber: settings.get("stage0.serial"),
    port: device.port,
  };
}

function ambiguous({ device, profiles }: BootablePhone): BootError {
  const ids = profiles.map(({ id }) => id);
  return new BootError(
    "boot.ambiguous-profile",
    `Cannot tell which phone ${phoneText(device)} is: it fits ${
      ids.join(", ")
    }, expected one profile; say which`,
    { facts: { profiles: ids.join() } },
  );
}
