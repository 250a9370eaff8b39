/**
 * What a virtual phone needs of the machine that it runs on.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { findFixture } from "../../scripts/fixtures/all.ts";

/** Programs that are missing to start a phone: a reason to skip. */
export function missingPhone(machine = "aarch64"): string[] {
  const program = `qemu-system-${machine}`;
  const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  return error === undefined ? [] : [program];
}

/** An image, and the options of a test that boots it, which is skipped where something is missing. */
export function phoneImage(
  name: string,
  machine?: "aarch64" | "x86_64",
): { readonly path: string; readonly options: { readonly skip?: string } } {
  const path = findFixture(name);
  const missing = [
    ...missingPhone(machine),
    ...(path === undefined ? [`run deno task fixtures ${name}`] : []),
  ];
  return {
    path: path!,
    options: missing.length === 0
      ? {}
      : { skip: `missing: ${missing.join(", ")}` },
  };
}
