import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { AUTOLOGIN, QUICK, Shell } from "../support/phone_console.ts";
import { missingPhone } from "../support/missing_phone.ts";
import { bootPhone, type PhoneBoot } from "../support/rig.ts";
import { BURSTS, describeSoak, ShakenHost } from "../support/unplug_soak.ts";

/** Their names and hashes must be the same on the phone as in the tree that the images are made of. */
const FOLDERS = "bin sbin lib/systemd lib/udev share/doc/systemd";
/** Of the derivation in docs, for serial number "deadbeef". */
const SERIAL = "deadbeef", MACHINE_ID = "1880dc546dadb9801880dd546dadbb33";

interface DebianCase {
  readonly name: string;
  readonly served: string;
  /** The erofs image it is planned from, when it is not itself one. */
  readonly files?: string;
  readonly boot: Partial<PhoneBoot>;
  /** Times that the cable is pulled while it boots, at most. */
  readonly pulls?: number;
  /** What only this one must show. */
  readonly more?: (shell: Shell) => Promise<void>;
}

const PLAIN = "debian-arm64.erofs-lz4hc", ROOT = "debian-arm64.root";
const CASES: readonly DebianCase[] = [
  {
    name: "erofs",
    served: PLAIN,
    boot: {
      cmdline: "systemd.condition_first_boot=1 systemd.firstboot=off",
      personalization: { locale: "C.UTF-8", timezone: "Etc/UTC" },
    },
    async more(shell) {
      const creds = await shell.run("ls -1 /run/credentials/@system");
      assert.match(creds.output, /^firstboot\.locale$/m);
      assert.match(creds.output, /^system\.machine_id$/m);
      const locale = await shell.run("cat /etc/locale.conf");
      assert.match(locale.output, /^LANG=C\.UTF-8$/m);
    },
  },
  {
    name: "ext4",
    served: "debian-arm64.ext4",
    files: PLAIN,
    boot: { rootFileSystem: "ext4", cmdline: BURSTS },
    pulls: 6,
  },
  {
    name: "squashfs",
    served: "debian-arm64.squashfs",
    files: PLAIN,
    boot: { rootFileSystem: "squashfs" },
  },
  {
    name: "ostree",
    served: "debian-arm64.ostree-erofs",
    boot: { ostree: true },
    async more(shell) {
      const booted = await shell.run("stat -c %a:%s /run/ostree-booted");
      assert.equal(booted.output, "640:0");
      const sysroot = await shell.run("ls /sysroot/ostree/deploy");
      assert.equal(sysroot.output, "debian");
      // /var is that of the state root, not the one of the deployment
      await shell.run("touch /var/here");
      const there = await shell.run("ls -1 /sysroot/ostree/deploy/debian/var");
      assert.match(there.output, /^here$/m);
      const boot = await shell.run("readlink /boot/loader");
      assert.equal(boot.output, "loader.1");
    },
  },
];

const missing = missingPhone();

for (const one of CASES) {
  const needed = [one.served, one.files ?? one.served, ROOT];
  const reasons = [
    ...missing,
    ...needed.filter((name) => findFixture(name) === undefined)
      .map((name) => `run deno task fixtures ${name}`),
  ];
  test(
    `Debian on ${one.name} boots to a login over the cable`,
    reasons.length === 0 ? {} : { skip: `missing: ${reasons.join(", ")}` },
    (context) => bootDebian(one, context),
  );
}

async function bootDebian(one: DebianCase, context: TestContext) {
  const start = performance.now();
  const phone = await bootPhone({
    image: findFixture(one.served)!,
    deviceSerial: SERIAL,
    timeoutMs: 15 * 60_000,
    ...(one.files === undefined ? {} : { files: findFixture(one.files)! }),
    ...one.boot,
    cmdline: [AUTOLOGIN, QUICK, one.boot.cmdline ?? ""].join(" ").trim(),
  });
  const shaken = new ShakenHost(phone, one.pulls ?? 0, 4000);
  const { host } = shaken;
  try {
    const shell = new Shell(phone.machine);
    await shell.ready();
    const login = Math.round(performance.now() - start);
    const figures = await shaken.calm();
    context.diagnostic(`login after ${login} ms, ${describeSoak(figures)}`);
    if (one.pulls !== undefined) await shell.run("systemctl stop bursts");
    await checkSystem(shell, one);
    await one.more?.(shell);
    if (one.pulls === undefined) assert.equal(host.plugs, 1);
    else assert.ok(figures.outstanding.length > 0);
    await checkPowerOff(shell, phone.machine.exited);
  } catch (error) {
    console.error(phone.machine.console.text.slice(-6000));
    console.error(host.events.slice(-40));
    throw error;
  } finally {
    await host.stop();
    await phone.stop();
  }
}

/** What must be so on every root. */
async function checkSystem(shell: Shell, one: DebianCase) {
  const state = await shell.run("systemctl is-system-running --wait");
  const failed = await shell.run("systemctl --failed --plain --no-legend");
  assert.equal(state.output, "running", failed.output);

  const root = await shell.run("findmnt -n -o FSTYPE,OPTIONS /");
  assert.match(root.output, /^overlay /);
  // the gadget still stands where the lower file system has a path
  const gadget = await shell.run(
    "grep -ls ^@init /proc/[0-9]*/cmdline | head -1 | tr -dc 0-9",
  );
  const mounts = await shell.run(`cat /proc/${gadget.output}/mountinfo`);
  const kind = one.boot.rootFileSystem ?? "erofs";
  assert.match(mounts.output, new RegExp(` - ${kind} /dev/ublkb0 ro`));

  const hash = `find ${FOLDERS} -type f -print0 | ` +
    "LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum";
  const inside = await shell.run(`cd /usr && ${hash}`, 300_000);
  const outside = execFileSync("sh", ["-c", hash], {
    cwd: join(findFixture(ROOT)!, "usr"),
    encoding: "utf8",
  });
  assert.equal(inside.output, outside.trim());

  const id = await shell.run("cat /etc/machine-id");
  assert.equal(id.output, MACHINE_ID);
  const fstab = await shell.run("ls /etc/fstab");
  assert.notEqual(fstab.code, 0, "fstab is gone");
  const left = await shell.run(
    `find /proc/${gadget.output}/root/ -xdev -type f | wc -l`,
  );
  assert.equal(left.output, "0", "files of the initramfs");
  const write = await shell.run("dd if=/dev/zero of=/dev/ublkb0 count=1");
  assert.notEqual(write.code, 0, "the device can be written to");
}

/** The distribution can shut down although its root comes from a process. */
async function checkPowerOff(shell: Shell, exited: Promise<number | null>) {
  shell.type("systemctl poweroff");
  assert.equal(await exited, 0);
}
