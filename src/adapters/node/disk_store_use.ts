/**
 * Which entries of a cache are in use by programs that run.
 *
 * A file `use-PID-RANDOM` in the folder of an entry says so, with the name of the machine in it. No
 * lock: Node has none. A file counts while its process lives; one of another machine, as on a shared
 * home folder, for a day.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname, uptime } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { systemCode } from "./system_error.ts";

const NAME = /^use-(\d+)-[0-9a-f]+$/;

/** How long another machine is believed. */
const FOREIGN_MS = 24 * 3600 * 1000;

/**
 * States that this program uses the entry.
 *
 * @returns The path to remove when it does not any more.
 */
export async function markUse(entry: string): Promise<string> {
  const random = randomBytes(6).toString("hex");
  const path = join(entry, `use-${process.pid}-${random}`);
  await writeFile(path, hostname(), { flag: "wx", mode: 0o600 });
  return path;
}

/** Whether a program that runs uses the entry. Removes what dead ones left. */
export async function isUsed(entry: string): Promise<boolean> {
  let used = false;
  for (const name of await readdir(entry).catch(() => [])) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(entry, name);
    if (await isAlive(path, Number(pid))) used = true;
    else await rm(path, { force: true }).catch(() => {});
  }
  return used;
}

async function isAlive(path: string, pid: number): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    const host = await readFile(path, "utf8");
    // an empty one is being written
    if (host !== "" && host !== hostname()) {
      return Date.now() - mtimeMs < FOREIGN_MS;
    }
    // the machine was started since: the number belongs to another program. Clocks are set at start.
    const started = Date.now() - uptime() * 1000;
    if (mtimeMs < started - 3600_000) return false;
    return isRunning(pid);
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}
