import { homedir } from "node:os";
import path from "node:path";
import process from "node:process";

/** What decides where the cache is. */
export interface CacheFolderWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As `process.platform`. */
  readonly platform: string;
  readonly home: string;
}

/**
 * The folder in which downloads are kept, whether it is there or not.
 *
 * That of the environment's `FASTBOOP_CACHE`; else `fastboop` in the platform's folder for caches:
 * `%LOCALAPPDATA%` on Windows, `~/Library/Caches` on macOS, elsewhere `$XDG_CACHE_HOME` when it is an
 * absolute path, and `~/.cache`.
 *
 * @see XDG Base Directory Specification, version 0.8
 */
export function cacheFolder(
  { env, platform, home }: CacheFolderWorld = {
    env: process.env,
    platform: process.platform,
    home: homedir(),
  },
): string {
  const { join, isAbsolute, resolve } = platform === "win32"
    ? path.win32
    : path.posix;
  const own = env["FASTBOOP_CACHE"];
  if (own) return resolve(own);
  if (platform === "win32") {
    const local = env["LOCALAPPDATA"];
    return join(local || join(home, "AppData", "Local"), "fastboop", "cache");
  }
  if (platform === "darwin") return join(home, "Library", "Caches", "fastboop");
  const xdg = env["XDG_CACHE_HOME"];
  // the specification wants relative ones ignored
  const base = xdg && isAbsolute(xdg) ? xdg : join(home, ".cache");
  return join(base, "fastboop");
}
