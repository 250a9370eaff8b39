/**
 * The whole way: phones are found, booted and served, told as one stream of events.
 *
 * @module
 */

import { onAbort } from "../../block/abortable.ts";
import type { ReadOptions } from "../../block/reader.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { EventQueue } from "../../serve/event_queue.ts";
import { planServing } from "../../serve/host.ts";
import { preparePlan } from "../plan.ts";
import type { PreparedPlan } from "../plan.ts";
import { bootPhone } from "./boot_phone.ts";
import { BusWatch } from "./bus_watch.ts";
import { type RunContext, runContext } from "./context.ts";
import { errorData } from "./error_data.ts";
import type { BootEvent } from "./events.ts";
import { findPhones } from "./find.ts";
import { ExpectedGadgets } from "./gadget_source.ts";
import type { BootOptions, BootWorld } from "./options.ts";

/** Between two looks at how much of the image has been read. */
const READING_MS = 250;
/** Behind the last event. */
const END = Symbol("end");

/**
 * Boots phones from an image and serves them until they are done with.
 *
 * What can be known before a phone is touched is checked first: where only one profile can be meant,
 * the boot image is made while the phone is waited for, and what is wrong with it ends the run. The
 * boot image is what `planBoot()` gives with the ids and the serial number of the phone. Nothing but
 * `getvar`, `download` and `boot` is said to a bootloader.
 *
 * Each phone goes its own way, and one that fails is an event. All share the readers of the image.
 * The stream ends when no phone is left; a phone that is served is never left unless `goneMs` says
 * so. Leave the loop, or abort `signal`, to stop: then everything is closed, a bootloader in the
 * middle of a download is led out of it, which can take 5 s, and the stream rejects with
 * `signal.reason`, behind a `finished` for each phone that was booted.
 *
 * @throws {RangeError | TypeError} when the exports cannot be served, or there is no profile
 *
 * @example
 * ```ts
 * import type { BootOptions, BootWorld } from "./options.ts";
 * import { runBoot } from "./run.ts";
 *
 * async function boot(options: BootOptions, world: BootWorld, signal: AbortSignal) {
 *   for await (const event of runBoot(options, world, { signal })) {
 *     if (event.type === "failed") console.error(event.message);
 *   }
 * }
 * console.assert(boot.length === 3);
 * ```
 */
export async function* runBoot(
  options: BootOptions,
  world: BootWorld,
  { signal }: ReadOptions = {},
): AsyncGenerator<BootEvent, void, void> {
  planServing(options.image.exports, {});
  if (options.profiles.length === 0) {
    throw new RangeError("Cannot boot a phone: no profile is given");
  }
  signal?.throwIfAborted();
  const queue = new EventQueue<BootEvent>();
  const stop = new AbortController();
  const forget = signal && onAbort(signal, () => stop.abort(signal.reason));
  const context = runContext(
    options,
    world,
    stop.signal,
    (event) => queue.push(event),
  );
  const done = new Run(context).run()
    .then(() => queue.fail(END), (error) => queue.fail(error));
  try {
    for (;;) yield await queue.take();
  } catch (error) {
    if (error !== END) throw error;
  } finally {
    forget?.();
    stop.abort(new Error("Booting was stopped"));
    await done;
  }
}

class Run {
  readonly #context: RunContext;
  readonly #plans = new Map<DeviceProfile, Promise<PreparedPlan>>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  async run(): Promise<void> {
    const { signal, emit } = this.#context;
    const bus = new BusWatch(this.#context);
    const finished: string[] = [], failed: string[] = [];
    let ok = true;
    try {
      const { phones, unusable } = await this.#find(bus);
      for (const { phone, error } of unusable) {
        failed.push(phone);
        emit({ type: "failed", phone, booted: false, ...error });
      }
      let waiting = phones.length;
      const gadgets = new ExpectedGadgets();
      const shared = {
        context: this.#context,
        bus,
        gadgets,
        prepare: (profile: DeviceProfile) => this.#prepare(profile),
        release: () => {
          if (--waiting === 0) this.#plans.clear();
        },
      };
      const flows = phones.map(async (found) => {
        const well = await bootPhone(found, shared);
        (well ? finished : failed).push(found.phone);
      });
      // all of them, so that each has closed what it had before the end is told
      await Promise.allSettled(flows);
      signal.throwIfAborted();
    } catch (error) {
      signal.throwIfAborted();
      ok = false;
      emit({ type: "failed", booted: false, ...errorData(error) });
    } finally {
      await bus.stop();
    }
    ok &&= failed.length === 0 && finished.length > 0;
    emit({ type: "done", finished, failed, ok });
  }

  /** Looks for phones, and makes the boot image meanwhile where it is known for which. */
  async #find(bus: BusWatch) {
    const { options, signal } = this.#context;
    const { profiles, resume } = options;
    // a phone that runs needs no boot image
    if (profiles.length > 1 || resume) {
      return await findPhones(this.#context, bus);
    }
    const stop = new AbortController();
    const forget = onAbort(signal, () => stop.abort(signal.reason));
    const early = this.#prepare(profiles[0]!);
    early.catch((error) => stop.abort(error));
    try {
      const context = { ...this.#context, signal: stop.signal };
      return await findPhones(context, bus);
    } finally {
      forget();
    }
  }

  /** Once for each profile; let go of when the phones are through with it. */
  #prepare(profile: DeviceProfile): Promise<PreparedPlan> {
    let plan = this.#plans.get(profile);
    if (plan === undefined) {
      plan = this.#build(profile);
      plan.catch(() => {});
      this.#plans.set(profile, plan);
    }
    return plan;
  }

  async #build(profile: DeviceProfile): Promise<PreparedPlan> {
    const { options, signal, emit } = this.#context;
    const reading = this.#tellReading();
    try {
      return await preparePlan(options.image.files, profile, {
        ...options.plan,
        signal,
        onPart: (part) => emit({ type: "building", part }),
      });
    } finally {
      reading.abort();
      this.#tellBytes();
    }
  }

  #told = 0;
  #tellBytes(): void {
    const fetched = this.#context.options.image.fetched?.();
    if (fetched === undefined || fetched.bytes === this.#told) return;
    this.#told = fetched.bytes;
    this.#context.emit({ type: "reading", ...fetched });
  }

  #tellReading(): AbortController {
    const stop = new AbortController();
    if (this.#context.options.image.fetched === undefined) return stop;
    const loop = async () => {
      for (;;) {
        await this.#context.sleep(READING_MS, stop.signal);
        this.#tellBytes();
      }
    };
    loop().catch(() => {});
    return stop;
  }
}
