/**
 * The device profiles that a user keeps in files.
 *
 * @module
 */

import fs from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { readExactly } from "../../block/read_exactly.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { BUILTIN_PROFILES } from "../../device/builtin.ts";
import { createPool, type ProfilePool } from "../../device/pool.ts";
import type { DeviceProfile } from "../../device/profile.ts";
import { isCoded, ProfileError, ReadError } from "../../errors.ts";
import { openFile } from "./file.ts";

const readdir = promisify(fs.readdir);
const realpath = promisify(fs.realpath);
const stat = promisify(fs.stat);

/** Where packages of the system put profiles. */
const SYSTEM_FOLDER = "/usr/share/fastboop/devpro";
/** Of no profile; more than the parser takes, so that it is the one to say so. */
const MAX_BYTES = 1 << 20;
const EXTENSION = /\.(?:ya?ml|json)$/;

/** What tells where profiles are: of the process when absent. */
export interface ProfilePlaces {
  /** `FASTBOOP_SCHEMA_PATH`, `XDG_CONFIG_HOME` and `HOME` are used. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Last folder looked at. */
  readonly systemFolder?: string | undefined;
}

/** What {@linkcode loadProfiles} gives. */
export interface LoadedProfiles {
  /** The local profiles before the built-in ones. */
  readonly pool: ProfilePool;
  /** Of each file that was skipped because it is no valid profile. */
  readonly warnings: readonly ProfileError[];
}

/**
 * The folders that are searched for profiles, whether they exist or not: each part of
 * `FASTBOOP_SCHEMA_PATH`, then `$XDG_CONFIG_HOME/fastboop/devpro` or `~/.config/fastboop/devpro`,
 * then that of the system.
 */
export function profileFolders(places: ProfilePlaces = {}): string[] {
  const env = places.env ?? process.env;
  const { FASTBOOP_SCHEMA_PATH = "", XDG_CONFIG_HOME = "", HOME = "" } = env;
  // the XDG specification has relative paths ignored
  const config = isAbsolute(XDG_CONFIG_HOME)
    ? XDG_CONFIG_HOME
    : join(HOME || homedir(), ".config");
  return [
    ...FASTBOOP_SCHEMA_PATH.split(delimiter).filter((part) => part !== ""),
    join(config, "fastboop", "devpro"),
    places.systemFolder ?? SYSTEM_FOLDER,
  ];
}

/**
 * All profiles: those built in and those in the folders of {@linkcode profileFolders}.
 *
 * Files directly inside whose names end in `.yml`, `.yaml` or `.json` are read, in the order of
 * their names; each folder once, under whatever names it is listed. A file that is no valid profile
 * is skipped and told in `warnings`.
 *
 * @throws {ReadError} when a folder or file that is there cannot be read
 * @throws {ProfileError} `profile.duplicate-id` when two files have the same id
 */
export async function loadProfiles(
  options: ProfilePlaces & ReadOptions = {},
): Promise<LoadedProfiles> {
  const local: { profile: DeviceProfile; source: string }[] = [];
  const warnings: ProfileError[] = [];
  for (const path of await findFiles(profileFolders(options))) {
    try {
      const profile = await readProfile(path, options);
      local.push({ profile, source: path });
    } catch (error) {
      if (!(error instanceof ProfileError)) throw error;
      warnings.push(error);
    }
  }
  return { pool: createPool({ local, builtin: BUILTIN_PROFILES }), warnings };
}

/**
 * Reads one profile from a file.
 *
 * @throws {ReadError} as `openFile`
 * @throws {ProfileError} as `parseProfile`, and `profile.syntax` when it is no UTF-8
 */
export async function readProfile(
  path: string,
  options?: ReadOptions,
): Promise<DeviceProfile> {
  const file = await openFile(path, options);
  try {
    const size = Math.min(file.size, MAX_BYTES);
    const bytes = await readExactly(file, 0, size, options);
    // only here: it takes 60 ms to load, which who has no files of their own need not wait for
    const { parseProfile } = await import("../../device/parse.ts");
    return parseProfile(decode(bytes, path), path);
  } finally {
    await file.close();
  }
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    if (bytes.length === MAX_BYTES) return new TextDecoder().decode(bytes);
    const reason = "found bytes that are no UTF-8, expected text";
    throw new ProfileError(
      "profile.syntax",
      `Cannot use device profile "${path}": ${reason}`,
      {
        facts: { name: path },
        problems: [
          { code: "profile.syntax", line: 1, column: 1, path: "", reason },
        ],
        cause,
      },
    );
  }
}

async function findFiles(folders: readonly string[]): Promise<string[]> {
  const seen = new Set<string>();
  const files: string[] = [];
  for (const folder of folders) {
    const real = await system(folder, () => realpath(folder));
    if (real === undefined || seen.has(real)) continue;
    seen.add(real);
    const names = await system(folder, () => readdir(real)) ?? [];
    for (const name of names.filter((name) => EXTENSION.test(name)).sort()) {
      const path = join(folder, name);
      const stats = await system(path, () => stat(path));
      if (stats === undefined) {
        throw new ReadError(
          "file.not-found",
          `Cannot read device profile "${path}": the link leads nowhere; remove it`,
          { facts: { path } },
        );
      }
      if (stats.isFile()) files.push(path);
    }
  }
  return files;
}

/** What the system answers; `undefined` when there is no such path. */
async function system<T>(
  path: string,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (cause) {
    if (isCoded(cause)) throw cause;
    const { code = String(cause) } = cause as { code?: string };
    if (code === "ENOENT") return undefined;
    throw new ReadError(
      code === "EACCES" || code === "EPERM"
        ? "file.permission-denied"
        : "file.open-failed",
      `Cannot read device profiles in "${path}": ${code}; mend it or take it out of ` +
        "FASTBOOP_SCHEMA_PATH",
      { facts: { path, system: code }, cause },
    );
  }
}
