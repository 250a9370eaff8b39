/**
 * Finds Bun, to run tests on and to build the single executable with.
 *
 * @module
 */

import { existing } from "./run.ts";

/**
 * The program in npm's `bun` packages. The script that puts it in place is not run, and must not
 * be needed: it lies in the package for this machine, the baseline one where AVX2 is missing.
 */
export function bunBinary(): string {
  const os = Deno.build.os;
  const cpu = Deno.build.arch === "aarch64" ? "aarch64" : "x64";
  const musl = existing("/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1")
      .length > 0
    ? "-musl"
    : "";
  const plain = `bun-${os}-${cpu}${musl}`;
  const names = hasAvx2()
    ? [plain, `${plain}-baseline`]
    : [`${plain}-baseline`];
  const places = names.flatMap((name) => [
    `node_modules/@oven/${name}/bin/bun`,
    ...packagesOf("node_modules/.deno", `@oven+${name}@`)
      .map((folder) => `${folder}/node_modules/@oven/${name}/bin/bun`),
  ]);
  return existing(...places)[0] ?? "bun";
}

function packagesOf(folder: string, prefix: string): string[] {
  if (existing(folder).length === 0) return [];
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name }) => `${folder}/${name}`);
}

function hasAvx2(): boolean {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return true;
  return /\bavx2\b/.test(Deno.readTextFileSync("/proc/cpuinfo"));
}
