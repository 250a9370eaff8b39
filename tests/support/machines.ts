/**
 * Which virtual machines run.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

/** Processes of virtual phones on this machine whose memory is of this size. */
export function machinesOf(mebibytes: number): string[] {
  return readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return /qemu-system/.test(argv[0]!) &&
          argv[argv.indexOf("-m") + 1] === String(mebibytes);
      } catch {
        return false; // it has ended
      }
    });
}

/** Waits until one of them runs, or none does. */
export async function untilMachines(
  mebibytes: number,
  some: boolean,
): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (machinesOf(mebibytes).length > 0 === some) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`a minute later ${some ? "no" : "a"} machine runs`);
}
