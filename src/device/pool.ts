/**
 * All profiles there are, each id once.
 *
 * @module
 */

import { ProfileError } from "../errors.ts";
import { findNearest } from "./nearest.ts";
import type { DeviceProfile } from "./profile.ts";

/** Where a profile is from: a file of the user, the image's channel, or this program. */
export type ProfileOrigin = "local" | "channel" | "built-in";

/** A profile and where it is from. */
export interface PooledProfile {
  /** What is known of the phone. */
  readonly profile: DeviceProfile;
  /** Whose it is. */
  readonly origin: ProfileOrigin;
  /** File or address; of a built-in profile its id. */
  readonly source: string;
}

/** All profiles, by id. */
export interface ProfilePool {
  /** In the order of their ids. */
  readonly entries: readonly PooledProfile[];
  /** The profile with this id, or `undefined`. */
  find(id: string): PooledProfile | undefined;
  /**
   * The profile with this id.
   *
   * @throws {ProfileError} `profile.unknown-id`, with the nearest one
   */
  get(id: string): PooledProfile;
}

/** What goes into a pool. */
export interface PoolSources {
  /** Of the user: before all others. */
  readonly local?: Iterable<Omit<PooledProfile, "origin">>;
  /** Of the image's channel: before those built in. */
  readonly channel?: Iterable<Omit<PooledProfile, "origin">>;
  /** Of this program. */
  readonly builtin?: Iterable<DeviceProfile>;
}

/**
 * Puts profiles together: local ones go before those of a channel, these before built-in ones.
 *
 * @throws {ProfileError} `profile.duplicate-id` when one source has an id twice
 *
 * @example
 * ```ts
 * import { BUILTIN_PROFILES } from "./builtin.ts";
 * import { createPool } from "./pool.ts";
 *
 * const pool = createPool({ builtin: BUILTIN_PROFILES });
 * console.assert(pool.get("oneplus-fajita").origin === "built-in");
 * ```
 */
export function createPool(sources: PoolSources): ProfilePool {
  const layers: readonly PooledProfile[][] = [
    [...sources.builtin ?? []].map((profile) => ({
      profile,
      origin: "built-in",
      source: profile.id,
    })),
    [...sources.channel ?? []].map((entry) => ({
      ...entry,
      origin: "channel",
    })),
    [...sources.local ?? []].map((entry) => ({ ...entry, origin: "local" })),
  ];
  const byId = new Map<string, PooledProfile>();
  for (const layer of layers) {
    for (const entry of layer) {
      const { profile: { id }, origin, source } = entry;
      const known = byId.get(id);
      if (known?.origin === origin) {
        throw new ProfileError(
          "profile.duplicate-id",
          `Cannot use device profile "${source}": its id "${id}" is that of ` +
            `"${known.source}", expected another; rename or remove one of them`,
          { facts: { id, source, other: known.source } },
        );
      }
      byId.set(id, entry);
    }
  }
  return new Pool(byId);
}

class Pool implements ProfilePool {
  readonly entries: readonly PooledProfile[];
  readonly #byId: ReadonlyMap<string, PooledProfile>;

  constructor(byId: ReadonlyMap<string, PooledProfile>) {
    this.#byId = byId;
    this.entries = [...byId.values()]
      .sort((a, b) => a.profile.id < b.profile.id ? -1 : 1);
  }

  find(id: string): PooledProfile | undefined {
    return this.#byId.get(id);
  }

  get(id: string): PooledProfile {
    const entry = this.find(id);
    if (entry !== undefined) return entry;
    const ids = [...this.#byId.keys()].sort();
    const nearest = findNearest(id, ids);
    throw new ProfileError(
      "profile.unknown-id",
      `Cannot find device profile ${JSON.stringify(id)}: expected one of ${
        ids.join(", ") || "none, there are no profiles"
      }${nearest === undefined ? "" : `; did you mean "${nearest}"?`}`,
      { facts: { id, nearest } },
    );
  }
}

/** The profiles that a USB device with these ids may be of; probe it to know more. */
export function candidates(
  pool: ProfilePool,
  device: { readonly vid: number; readonly pid: number },
): PooledProfile[] {
  return pool.entries.filter(({ profile }) =>
    profile.match.some(({ fastboot: { vid, pid } }) =>
      vid === device.vid && pid === device.pid
    )
  );
}

/**
 * Groups of profiles that no bootloader can tell apart, because they match the same devices and ask
 * the same: whoever owns such a phone has to choose. Each group has at least two, in order.
 */
export function indistinguishable(pool: ProfilePool): PooledProfile[][] {
  const groups = new Map<string, PooledProfile[]>();
  for (const entry of pool.entries) {
    const { match, probe } = entry.profile;
    // neither depends on the order of its parts
    const key = JSON.stringify([
      match.map(({ fastboot: { vid, pid } }) => `${vid}:${pid}`).sort(),
      [
        ...new Set(
          probe.map((step) => JSON.stringify(Object.entries(step).sort())),
        ),
      ]
        .sort(),
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}
