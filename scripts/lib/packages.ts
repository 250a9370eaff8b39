/**
 * Installs the Debian packages that scripts need.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import process from "node:process";

/**
 * Sees to it that Debian packages are installed; does nothing when they are.
 *
 * As root, or where `sudo -n` works, missing ones are installed by apt; its output goes to stderr.
 *
 * @param names Names of packages, without versions.
 * @throws {Error} when a package is missing and cannot be installed, with the command to type.
 */
export function ensurePackages(names: readonly string[]): void {
  const missing = missingPackages(names);
  if (missing.length === 0) return;

  const list = missing.join(" ");
  const install = `apt-get update && apt-get install --yes ${list}`;
  const command = isRoot() ? `sh -c '${install}'` : `sudo sh -c '${install}'`;
  if (!isRoot() && !succeeds("sudo", ["-n", "true"])) {
    throw new Error(
      `Cannot install packages ${list}: neither root nor allowed to "sudo -n"; type: ${command}`,
    );
  }
  console.error(`Installing packages ${list}`);
  for (
    const args of [
      ["update", "--quiet=2"],
      [
        "install",
        "--quiet=2",
        "--yes",
        "--no-install-recommends",
        "--option=DPkg::Lock::Timeout=300",
        ...missing,
      ],
    ]
  ) {
    const argv = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
    if (!isRoot()) argv.unshift("sudo", "-n");
    const { status, error } = spawnSync(argv[0]!, argv.slice(1), {
      stdio: ["ignore", 2, 2],
    });
    if (status !== 0) {
      throw new Error(
        `Cannot install packages ${list}: "apt-get ${args[0]}" ended with ${
          error?.message ?? `exit code ${status}`
        }; type: ${command}`,
      );
    }
  }
}

/** Those of `names` that dpkg does not know as installed; all of them where there is no dpkg. */
export function missingPackages(names: readonly string[]): string[] {
  const { stdout } = spawnSync(
    "dpkg-query",
    ["--show", "--showformat=${db:Status-Status} ${Package}\n", ...names],
    { encoding: "utf8" },
  );
  const installed = new Set(
    (stdout ?? "").split("\n").filter((line) => line.startsWith("installed "))
      .map((line) => line.slice("installed ".length)),
  );
  return names.filter((name) => !installed.has(name));
}

/** Tells whether this process runs as root. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function succeeds(program: string, args: string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
