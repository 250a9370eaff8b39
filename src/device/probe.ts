/**
 * Asking a bootloader which phone it is of.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import { isCoded } from "../errors.ts";
import { matchProbe } from "./match.ts";
import type { DeviceProfile, ProbeStep } from "./profile.ts";

/** What a probe needs of a bootloader; `FastbootClient` fits. */
export interface Askable {
  /** The value of a variable; rejects with the code `fastboot.failed` when it has none. */
  getvar(variable: string, options?: ReadOptions): Promise<string>;
}

/** What a probe needs of a profile. */
export type Probed = Pick<DeviceProfile, "id" | "probe">;

/** A profile that is not of the phone, and why. */
export interface ProbeMiss<Profile> {
  /** That profile. */
  readonly profile: Profile;
  /** The first step that does not hold. */
  readonly step: ProbeStep;
  /** What was answered; absent when the bootloader does not know the variable. */
  readonly answer?: string;
}

/** What a probe found. */
export interface ProbeResult<Profile> {
  /**
   * The profiles that fit, in their order. Several where the phones cannot be told apart: let the
   * user choose, never guess.
   */
  readonly matches: readonly Profile[];
  /** The others. */
  readonly misses: readonly ProbeMiss<Profile>[];
  /** All that was asked so far, in order; `undefined` where the bootloader answered FAIL. */
  readonly asked: ReadonlyMap<string, string | undefined>;
}

/**
 * Probes one connection. Each variable is asked once, however many profiles and calls want it, and
 * only when all steps before it hold.
 *
 * @example
 * ```ts
 * import { Prober } from "./probe.ts";
 *
 * const bootloader = { getvar: () => Promise.resolve("sargo") };
 * const profile = {
 *   id: "google-sargo",
 *   probe: [{ "fastboot.getvar": "product", equals: "sargo" }],
 * };
 * const { matches } = await new Prober(bootloader).probe([profile]);
 * console.assert(matches[0] === profile);
 * ```
 */
export class Prober {
  readonly #bootloader: Askable;
  readonly #asked = new Map<string, string | undefined>();

  /** Asks nothing yet. */
  constructor(bootloader: Askable) {
    this.#bootloader = bootloader;
  }

  /**
   * Tells which of the profiles are of the phone. Give it those that match its USB ids.
   *
   * @throws Whatever `getvar` rejects with, but for `fastboot.failed`, which means that the variable
   *   does not exist.
   */
  async probe<Profile extends Probed>(
    profiles: Iterable<Profile>,
    options: ReadOptions = {},
  ): Promise<ProbeResult<Profile>> {
    const matches: Profile[] = [];
    const misses: ProbeMiss<Profile>[] = [];
    for (const profile of profiles) {
      const miss = await this.#findMiss(profile, options);
      if (miss === undefined) matches.push(profile);
      else misses.push({ profile, ...miss });
    }
    return { matches, misses, asked: new Map(this.#asked) };
  }

  async #findMiss(
    { probe }: Probed,
    options: ReadOptions,
  ): Promise<Omit<ProbeMiss<never>, "profile"> | undefined> {
    for (const step of probe) {
      const variable = step["fastboot.getvar"];
      const answer = await this.#ask(variable, options);
      const answers = new Map(answer === undefined ? [] : [[variable, answer]]);
      const match = matchProbe({ probe: [step] }, answers);
      if (match.fits) continue;
      return { step, ...answer === undefined ? {} : { answer } };
    }
    return undefined;
  }

  async #ask(
    variable: string,
    options: ReadOptions,
  ): Promise<string | undefined> {
    if (this.#asked.has(variable)) return this.#asked.get(variable);
    let answer: string | undefined;
    try {
      answer = await this.#bootloader.getvar(variable, options);
    } catch (error) {
      if (!isCoded(error, "fastboot.failed")) throw error;
    }
    this.#asked.set(variable, answer);
    return answer;
  }
}

/**
 * Why a profile is not of the phone, for messages: `"product" is "sargo", expected "sdm845"`.
 */
export function describeMiss(
  { step, answer }: Pick<ProbeMiss<unknown>, "step" | "answer">,
): string {
  const variable = JSON.stringify(step["fastboot.getvar"]);
  const found = answer === undefined
    ? "is not known to the bootloader"
    : `is ${JSON.stringify(answer)}`;
  return `${variable} ${found}, expected ${wanted(step)}`;
}

function wanted(step: ProbeStep): string {
  if ("equals" in step) return JSON.stringify(step.equals);
  if ("starts_with" in step) {
    return `${JSON.stringify(step.starts_with)} at its start`;
  }
  if ("not_equals" in step) {
    return `anything but ${JSON.stringify(step.not_equals)}`;
  }
  if ("exists" in step) return "any value";
  return "none";
}
