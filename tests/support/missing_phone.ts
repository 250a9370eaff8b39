/**
 * What a virtual phone needs of the machine that it runs on.
 *
 * @module
 */

import { spawnSync } from "node:child_process";

/** Programs that are missing to start a phone: a reason to skip. */
export function missingPhone(machine = "aarch64"): string[] {
  const program = `qemu-system-${machine}`;
  const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  return error === undefined ? [] : [program];
}
