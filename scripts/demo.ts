/**
 * From nothing to a login prompt: `deno task demo`
 *
 * Installs what is missing (on Debian, as root or by sudo), makes a real Debian image or takes the one
 * made before, and boots it on a virtual phone with `fastboop try`, whose console is shown beside
 * what the host does. Words behind it go to `fastboop try`.
 *
 * @module
 */

import { RECIPES } from "./fixtures/all.ts";
import { Maker } from "./fixtures/make.ts";
import { killAll } from "./fixtures/run.ts";
import { ensurePackages } from "./lib/packages.ts";

/** An unmodified Debian 13 for arm64, with kernel, modules, device trees and systemd. */
const IMAGE = "debian-arm64.erofs-lz4hc";
/** The virtual phone is a machine in QEMU. */
const PACKAGES = ["qemu-system-arm"];

async function main(args: readonly string[]): Promise<number> {
  Deno.chdir(new URL("..", import.meta.url));
  const began = performance.now();
  const tell = (text: string) =>
    console.error(
      `demo: ${text} (${((performance.now() - began) / 1000).toFixed(1)} s)`,
    );
  ensurePackages(PACKAGES);
  tell("packages are there");
  const image = await new Maker(RECIPES).make(IMAGE);
  tell(`the image is there: ${image}`);
  tell(`fastboop try ${[image, "--console", ...args].join(" ")}`);
  booting = true;
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check", "cli.ts"],
      ...["try", image, "--console", ...args],
    ],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  tell(code === 0 ? "done" : `fastboop ended with ${code}`);
  return code;
}

/** The program hears Ctrl-C itself, and ends what it started. */
let booting = false;

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.addSignalListener(signal, () => {
    if (booting) return;
    killAll();
    Deno.exit(code);
  });
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  Deno.exit(1);
}
