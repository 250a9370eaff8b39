/**
 * Ways to let things go wrong while a phone boots, and how that came out.
 *
 * @module
 */

import type { BootEvent } from "../../src/boot/run/events.ts";
import type { BootOptions, BootWorld } from "../../src/boot/run/options.ts";
import { FastbootClient } from "../../src/fastboot/client.ts";
import { openFastbootUsb } from "../../src/fastboot/usb_transport.ts";
import { isCoded } from "../../src/errors.ts";
import { madeFiles } from "./boot_image.ts";
import {
  BootingPhone,
  type BootingPhoneOptions,
  FakeWorld,
  startBoot,
} from "./boot_world.ts";
import { bootUntilServed, FaultPhone, faultProfile } from "./fault_phone.ts";

/** How a row came out. */
export interface Outcome {
  /** Codes of failures. */
  readonly codes: readonly string[];
  /** Types of events; reasons of `finished` count as types, too. */
  readonly told: ReadonlySet<string>;
  /** Exit code of the program; nothing when it goes on. */
  readonly exit: number | undefined;
  /** A bootloader that can be used; nothing when that was not looked at. */
  readonly usable?: boolean;
}

type Boot = ReturnType<typeof startBoot>;
type Seen = BootEvent["type"];
/** Lets it happen. */
export type Scenario = () => Promise<Outcome>;

const PROFILES = [faultProfile()];
/** What a program said and how it ended, or that it goes on. */
export async function outcome(
  boot: Pick<Boot, "events" | "done">,
  goesOn: boolean,
): Promise<Outcome> {
  const { events } = boot;
  let exit: number | undefined;
  if (!goesOn) {
    const failed = await boot.done.then(() => false, () => true);
    const last = events.at(-1);
    // as the program has it: 130 where the stream rejects, for it was interrupted
    exit = failed ? 130 : last?.type === "done" && last.ok ? 0 : 1;
  }
  return {
    codes: events.flatMap((one) => one.type === "failed" ? [one.code] : []),
    told: new Set(
      events.flatMap((one) =>
        one.type === "finished" ? [one.type, one.reason] : [one.type]
      ),
    ),
    exit,
  };
}

/** Boots what is there to the end of the program. */
export function ends(world: BootWorld, options: Partial<BootOptions> = {}) {
  return outcome(startBoot({ world }, options), false);
}

/** A virtual phone with faults, until it is served or all is over; then the next boots it. */
export function virtual(
  faults: readonly string[],
  { usable = true, ...options }: Partial<BootOptions> & { usable?: boolean } =
    {},
): Scenario {
  return async () => {
    const phone = new FaultPhone(faults);
    try {
      const { events, codes } = await bootUntilServed(phone, options);
      const goesOn = codes.length === 0;
      const done = Promise.resolve();
      const end = await outcome({ events: [...events], done }, goesOn);
      if (goesOn || !usable) return end;
      const again = await bootUntilServed(phone);
      return { ...end, usable: again.codes.length === 0 };
    } finally {
      await phone.stop();
    }
  };
}

/** One phone on a modelled bus until all is over. */
export function modelled(
  phone: BootingPhoneOptions,
  options: Partial<BootOptions> = {},
): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const booting = new BootingPhone(bus, { serialNumber: "0123", ...phone });
    const end = await ends(bus.world, options);
    return { ...end, usable: await answers(booting) };
  };
}

/** Whether its bootloader can be used. */
export async function answers({ bootloader }: BootingPhone): Promise<boolean> {
  try {
    const client = new FastbootClient(await openFastbootUsb(bootloader));
    const version = await client.getvar("version");
    await client.close();
    return version === "0.4";
  } catch {
    return false;
  }
}

/** A phone that is served, what happens to it then, and an event that follows. */
export function serving(
  happens: (phone: BootingPhone, boot: Boot) => Promise<void> | void,
  until: Seen | "end",
  options: Partial<BootOptions> = {},
  exports?: Parameters<typeof startBoot>[2],
): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const phone = new BootingPhone(bus, { serialNumber: "0123" });
    const boot = startBoot(bus, options, exports);
    await boot.seen("connected");
    await happens(phone, boot);
    if (until === "end") {
      const end = await outcome(boot, false);
      return { ...end, usable: await answers(phone) };
    }
    await boot.seen(until);
    const end = await outcome(boot, true);
    await boot.stop();
    return end;
  };
}

/** An image that lacks something. */
export function image(changes: Parameters<typeof madeFiles>[0]): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const phone = new BootingPhone(bus, { serialNumber: "0123" });
    const files = madeFiles(changes);
    const end = await ends(bus.world, { image: { files, exports: [] } });
    if (phone.commands.length > 0) throw new Error("The phone was touched");
    return end;
  };
}

/** A phone that is passed over: the program waits on. */
export function passedOver(
  make: (bus: FakeWorld) => BootingPhone,
  looksAtIt = true,
): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const phone = make(bus);
    const boot = startBoot(bus, { profiles: PROFILES });
    await boot.seen("passed-over");
    await boot.seen("waiting");
    const end = await outcome(boot, true);
    await boot.stop();
    return looksAtIt ? { ...end, usable: await answers(phone) } : end;
  };
}

/** A phone whose bootloader cannot be opened. */
export function unopenable(name: string, message: string): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const phone = new BootingPhone(bus, { serialNumber: "0123" });
    const { open } = phone.bootloader;
    phone.bootloader.open = () =>
      Promise.reject(Object.assign(new Error(message), { name }));
    const end = await ends(bus.world, {
      bootloader: { busyMs: 50, deniedMs: 50 },
    });
    phone.bootloader.open = open;
    return { ...end, usable: await answers(phone) };
  };
}

/** What is thrown before there are events. */
export async function thrown(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work();
  } catch (error) {
    const codes = isCoded(error) ? [error.code] : [];
    return { codes, told: new Set(), exit: 1 };
  }
  throw new Error("It did not fail");
}

/** Interrupted as soon as something is told. */
export function interrupted(at: Seen, usable: boolean): Scenario {
  return async () => {
    const bus = new FakeWorld();
    const faults = [{ at: "data", delayMs: 5 }];
    const phone = new BootingPhone(bus, { serialNumber: "0123", faults });
    const boot = startBoot(bus);
    await boot.seen(at);
    boot.cancel.abort(new Error("Interrupted"));
    const end = await outcome(boot, false);
    return usable ? { ...end, usable: await answers(phone) } : end;
  };
}

/** A phone that runs from an image already. */
export function running(bus: FakeWorld): BootingPhone {
  const phone = new BootingPhone(bus, { serialNumber: "0123" });
  phone.unplug();
  phone.enterGadget();
  return phone;
}

/** Serves it again. */
export async function resumed(bus: FakeWorld): Promise<Outcome> {
  const boot = startBoot(bus, { resume: true });
  await boot.seen("connected");
  const end = await outcome(boot, true);
  await boot.stop();
  return end;
}
