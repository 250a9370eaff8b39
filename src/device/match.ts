/**
 * Which phone answered: pure, from what its bootloader said.
 *
 * @module
 */

import type { DeviceProfile, ProbeStep } from "./profile.ts";

/**
 * What the bootloader answered to `getvar`, by variable. One that it answered with FAIL, or did not
 * know how to answer, is not in the map.
 */
export type ProbeAnswers = ReadonlyMap<string, string>;

/** Whether a profile is of the phone that answered. */
export type ProbeMatch =
  | { readonly fits: true }
  | {
    readonly fits: false;
    /** The first step that does not hold. */
    readonly step: ProbeStep;
    /** What was answered; absent when nothing was. */
    readonly answer?: string;
  };

/**
 * Compares the answers of a bootloader with the probe of a profile.
 *
 * Without an answer a variable does not exist: `not_exists` holds, all else fails, `not_equals`
 * too, for nothing is known of the value then. A value that is blank or `unknown`, which some
 * bootloaders say instead of FAIL, does not exist either, but is compared as it is.
 *
 * @example
 * ```ts
 * import { matchProbe } from "./match.ts";
 *
 * const profile = { probe: [{ "fastboot.getvar": "product", equals: "sargo" }] };
 * console.assert(matchProbe(profile, new Map([["product", "sargo"]])).fits);
 * ```
 */
export function matchProbe(
  profile: Pick<DeviceProfile, "probe">,
  answers: ProbeAnswers,
): ProbeMatch {
  for (const step of profile.probe) {
    const answer = answers.get(step["fastboot.getvar"]);
    if (holds(step, answer)) continue;
    return { fits: false, step, ...answer === undefined ? {} : { answer } };
  }
  return { fits: true };
}

/**
 * The profiles that fit the answers, in their order. More than one when the phones cannot be told
 * apart: let the user choose, never guess.
 */
export function fittingProfiles<Profile extends Pick<DeviceProfile, "probe">>(
  profiles: Iterable<Profile>,
  answers: ProbeAnswers,
): Profile[] {
  return [...profiles].filter((profile) => matchProbe(profile, answers).fits);
}

/** The variables that the probes of the profiles ask for, each once, in the order first asked. */
export function probeVariables(
  profiles: Iterable<Pick<DeviceProfile, "probe">>,
): string[] {
  const variables = [...profiles]
    .flatMap(({ probe }) => probe.map((step) => step["fastboot.getvar"]));
  return [...new Set(variables)];
}

function holds(step: ProbeStep, answer: string | undefined): boolean {
  if ("not_exists" in step) return !exists(answer);
  if (answer === undefined) return false;
  if ("equals" in step) return answer === step.equals;
  if ("starts_with" in step) return answer.startsWith(step.starts_with);
  if ("not_equals" in step) return answer !== step.not_equals;
  if ("exists" in step) return exists(answer);
  return step satisfies never;
}

function exists(answer: string | undefined): boolean {
  const value = answer?.trim().toLowerCase() ?? "";
  return value !== "" && value !== "unknown";
}
