/**
 * Pulls the cables of virtual phones: `deno task soak [PULLS]`, 100 when absent.
 *
 * So many with 16 reads under way in a small guest, and so many while Debian boots to its login.
 * Prints what was under way at each pull; ends with 1 when a read was lost, wrong, or a login never
 * came.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { AUTOLOGIN, QUICK, Shell } from "../tests/support/phone_console.ts";
import { bootPhone } from "../tests/support/rig.ts";
import {
  BURSTS,
  describeSoak,
  ShakenHost,
  soakGuest,
} from "../tests/support/unplug_soak.ts";
import { findFixture } from "./fixtures/all.ts";

const GUEST = "guest-arm64.erofs", DEBIAN = "debian-arm64.erofs-lz4hc";
const ROOT = "debian-arm64.root";
const HASH =
  "find bin lib/systemd -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum";

function fixture(name: string): string {
  const path = findFixture(name);
  if (path !== undefined) return path;
  console.error(
    `Cannot soak: "${name}" is missing; run: deno task fixtures ${name}`,
  );
  Deno.exit(1);
}

/** Boots until as many pulls were made, at random moments of each boot. */
async function soakDebian(pulls: number): Promise<void> {
  const cwd = `${fixture(ROOT)}/usr`;
  const expected = execFileSync("sh", ["-c", HASH], { cwd, encoding: "utf8" })
    .trim();
  for (let left = pulls; left > 0;) {
    const phone = await bootPhone({
      image: fixture(DEBIAN),
      cmdline: `${AUTOLOGIN} ${QUICK} ${BURSTS}`,
      timeoutMs: 20 * 60_000,
    });
    const shaken = new ShakenHost(phone, left, 1000);
    try {
      const shell = new Shell(phone.machine);
      await shell.ready(15 * 60_000);
      const figures = await shaken.calm();
      console.log(`Debian: login; ${describeSoak(figures)}`);
      const { output } = await shell.run(`cd /usr && ${HASH}`, 600_000);
      if (output !== expected) {
        throw new Error(`Found hash ${output}, expected ${expected}`);
      }
      left -= figures.outstanding.length;
    } finally {
      await shaken.host.stop();
      await phone.stop();
    }
  }
}

const [count = "100"] = Deno.args;
if (!/^[1-9]\d*$/.test(count)) {
  console.error("usage: deno task soak [PULLS]");
  Deno.exit(2);
}
const pulls = Number(count);
console.log(`Guest: ${describeSoak(await soakGuest(fixture(GUEST), pulls))}`);
await soakDebian(pulls);
