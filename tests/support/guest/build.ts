/**
 * Builds the test guest: a first process that takes commands over the console. What they are is said
 * at the top of `main.c`.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const FLAGS = [
  ...["-std=gnu11", "-O2", "-static", "-fuse-ld=lld-19"],
  ...["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"],
  "-Wl,--build-id=none,--strip-all",
];

/** Machines it can be built for, as in target triples. */
export type GuestMachine = "aarch64" | "x86_64";

/** Debian packages it is built with. */
export const GUEST_PACKAGES: Readonly<Record<GuestMachine, readonly string[]>> =
  {
    aarch64: [
      "clang-19",
      "lld-19",
      "libc6-dev-arm64-cross",
      "libgcc-12-dev-arm64-cross",
    ],
    x86_64: ["clang-19", "lld-19", "libc6-dev", "libgcc-12-dev"],
  };

function files(ending: RegExp): string[] {
  return readdirSync(FOLDER).filter((name) => ending.test(name)).sort()
    .map((name) => `${FOLDER}${name}`);
}

/** All that decides what comes out. */
export function guestText(): string {
  const sources = files(/\.[ch]$/).map((path) => readFileSync(path, "utf8"));
  return JSON.stringify([FLAGS, sources]);
}

/** Builds it: a static program. */
export function buildGuest(path: string, machine: GuestMachine): void {
  execFileSync("clang-19", [
    `--target=${machine}-linux-gnu`,
    ...FLAGS,
    ...["-o", path],
    ...files(/\.c$/),
    "-lpthread",
  ]);
}
