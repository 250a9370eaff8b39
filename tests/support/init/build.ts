/**
 * Builds `init.c`, a first process for tests: it says what an initramfs holds, loads its modules in
 * the order of the list and powers the machine off. What it prints is said at its top.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("init.c", import.meta.url));
const CLANG = "clang-19";
const LINKER = "ld.lld-19";

/** Debian packages it is built with. */
export const INIT_PACKAGES: readonly string[] = ["clang-19", "lld-19"];

/** Machines it can be built for, as in target triples. */
export type InitMachine = "aarch64" | "x86_64";

/** Programs that are missing to build it: a reason to skip. */
export function missingInitTools(): string[] {
  return [CLANG, LINKER].filter((program) =>
    spawnSync(program, ["--version"], { stdio: "ignore" }).error !== undefined
  );
}

/**
 * Builds it into a folder.
 *
 * @returns Path of the program: static, of a few KiB.
 */
export function buildInit(
  folder: string,
  machine: InitMachine = "aarch64",
): string {
  const path = join(folder, `init-${machine}`);
  execFileSync(CLANG, [
    `--target=${machine}-linux-gnu`,
    "-std=gnu17",
    "-Os",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    ...["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"],
    "-nostdlib",
    "-static",
    `-fuse-ld=${LINKER.replace("ld.", "")}`,
    "-Wl,--build-id=none,-z,noexecstack,--strip-all",
    ...["-o", path, SOURCE],
  ]);
  return path;
}
