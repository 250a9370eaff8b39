/**
 * Builds the first processes that stage0 is measured beside: parts of stage0 with a `main` of their
 * own. What they do is said at the top of each.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Of stage0. */
const SOURCES = [
  ...["block_root", "errno", "failure", "files", "log", "module_index"],
  ...["modules", "settings", "switch_root", "sys_linux", "system", "text"],
  ...["usb_gadget", "gadget/descriptors"],
];

/** Debian packages they are built with. */
export const PEER_PACKAGES: readonly string[] = [
  "clang-19",
  "lld-19",
  "libc6-dev-arm64-cross",
  "libgcc-12-dev-arm64-cross",
];

/**
 * Builds one for arm64 into a folder.
 *
 * @param name `sink` or `disk`: its source.
 * @returns Path of the program, to be used in place of stage0.
 */
export function buildPeer(name: "sink" | "disk", folder: string): string {
  const path = join(folder, name);
  execFileSync("clang-19", [
    "--target=aarch64-linux-gnu",
    ...["-std=c11", "-D_GNU_SOURCE", "-O2", "-static", "-fuse-ld=lld-19"],
    ...["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"],
    ...["-Wl,--build-id=none,--strip-all", "-Istage0/src", "-o", path],
    `tests/support/peers/${name}.c`,
    ...SOURCES.map((name) => `stage0/src/${name}.c`),
  ], { cwd: ROOT });
  return path;
}
