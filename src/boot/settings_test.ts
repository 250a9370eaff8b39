import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { type CmdlineParts, composeCmdline, splitCmdline } from "./settings.ts";

const LIMITS = { machine: "aarch64", headerVersion: 2 } as const;

test("splitCmdline() takes settings out and leaves all else in its order", () => {
  const { settings, words } = splitCmdline(
    'console=ttyMSM0 smoo.acm stage0.fb=0 x="smoo.acm=1 y" smoo.queue_depth=8 ' +
      'smoo.log="debug" systemd.set_credential=firstboot.keymap:de ' +
      "systemd.set_credential=passwd:x systemd.set_credential=firstboot.bad:1 " +
      "firstboot.locale= smoo.break=0 smoo.queue_depth=9 stage0.unknown=1 -- smoo.acm=0",
  );
  assert.deepEqual([...settings], [
    ["smoo.acm", "1"],
    ["stage0.fb", "0"],
    ["smoo.queue_depth", "9"],
    ["smoo.log", "debug"],
    ["firstboot.keymap", "de"],
    ["smoo.break", "0"],
  ]);
  assert.deepEqual(words, [
    "console=ttyMSM0",
    'x="smoo.acm=1 y"',
    "systemd.set_credential=passwd:x",
    "systemd.set_credential=firstboot.bad:1",
    "stage0.unknown=1",
    "--",
    "smoo.acm=0",
  ]);
});

test("splitCmdline() refuses values that stage0 would not take", () => {
  const cases: [string, RegExp][] = [
    ["smoo.acm=maybe", /Cannot set smoo\.acm: found "maybe", expected 1, true/],
    ["smoo.queue_count=0", /expected a whole number from 1 to 16/],
    ["smoo.queue_count=17", /expected a whole number from 1 to 16/],
    ["smoo.queue_depth=8k", /found "8k"/],
    ["smoo.queue_size=1025", /expected a whole number from 1 to 1024/],
    ["smoo.max_io_bytes=5000", /a multiple of 4096 from 4096 to 33554432/],
    ["smoo.max_io=33558528", /a multiple of 4096 from 4096 to 33554432/],
    ["smoo.log=debug,usb=trace", /expected error, warn, info, debug or trace/],
    ["stage0.failure=shell", /panic, reboot, bootloader, poweroff or wait/],
    ["stage0.failure_delay=3601", /expected a whole number from 0 to 3600/],
    [`stage0.serial=${"ä".repeat(512)}`, /text of at most 1023 bytes/],
    ["smoo.vendor=0x10000", /expected 0x0000 to 0xffff/],
    ["smoo.product_id=65536", /expected 0x0000 to 0xffff/],
    ["stage0.rootfs=../x", /expected erofs, ext4 or squashfs/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => splitCmdline(text),
      (error) =>
        isCoded(error, "settings.bad-value") && message.test(error.message),
    );
  }
  splitCmdline(
    "smoo.vendor=65535 smoo.product=0xFFFF stage0.rootfs=squashfs " +
      "smoo.max_io=33554432 stage0.failure=wait stage0.failure_delay=0",
  );
});

test("splitCmdline() refuses to ask for a shell, which stage0 does not have", () => {
  for (const text of ["smoo.break=1", "smoo.break", "smoo.break=on"]) {
    assert.throws(
      () => splitCmdline(text),
      (error) => isCoded(error, "settings.no-shell"),
      text,
    );
  }
  const { settings } = splitCmdline("smoo.break=off");
  assert.equal(settings.get("smoo.break"), "off");
});

test("composeCmdline() puts parts and settings in the documented order", () => {
  const { cmdline, settings } = composeCmdline({
    device: "console=ttyMSM0,115200n8 smoo.log=info",
    ostree: "ostree/boot.1/debian/abc/0",
    bootProfile: ["global smoo.queue_depth=4", "device"],
    user: ['user="a b" smoo.log=debug stage0.serial=typed'],
    clockMicroseconds: 1767225600000000,
    queueCount: 2,
    queueDepth: 32,
    maxIoBytes: 65536,
    rootFileSystem: "erofs",
    serialConsole: true,
    mimicFastboot: true,
    vendorId: 0x18d1,
    productId: 0xd,
    deviceSerial: "deadbeef",
    personalization: {
      locale: "de_DE.UTF-8",
      localeMessages: "en_US.UTF-8",
      keymap: "",
      timezone: "Europe/Berlin",
    },
  }, LIMITS);
  assert.equal(
    cmdline,
    "console=ttyMSM0,115200n8 plymouth.ignore-serial-consoles global device " +
      'user="a b" systemd.clock_usec=1767225600000000',
  );
  assert.deepEqual(Object.fromEntries(settings), {
    "firstboot.locale": "de_DE.UTF-8",
    "firstboot.locale-messages": "en_US.UTF-8",
    "firstboot.timezone": "Europe/Berlin",
    "ostree": "/ostree/boot.1/debian/abc/0",
    "smoo.acm": "1",
    "smoo.log": "debug",
    "smoo.max_io_bytes": "65536",
    "smoo.mimic_fastboot": "1",
    "smoo.product": "0x000d",
    "smoo.queue_count": "2",
    "smoo.queue_depth": "32",
    "smoo.vendor": "0x18d1",
    "stage0.rootfs": "erofs",
    "stage0.serial": "typed",
  });
  assert.deepEqual([...settings.keys()], [...settings.keys()].sort());
});

test("composeCmdline() gives the least where nothing is asked", () => {
  const compose = (parts: Partial<CmdlineParts>) =>
    composeCmdline({ rootFileSystem: "ext4", ...parts }, LIMITS);
  const least = compose({});
  assert.equal(least.cmdline, "");
  assert.deepEqual([...least.settings], [
    ["smoo.max_io_bytes", "1048576"],
    ["stage0.rootfs", "ext4"],
  ]);
  const typed = compose({ user: ["smoo.max_io_bytes=4096"] });
  assert.equal(typed.settings.get("smoo.max_io_bytes"), "4096");
  const alias = compose({ user: ["smoo.max_io=4096"] });
  assert.equal(alias.settings.get("smoo.max_io_bytes"), undefined);
  // What stage0 must mount is known, whatever was typed.
  const root = compose({ user: ["stage0.rootfs=erofs"] });
  assert.equal(root.settings.get("stage0.rootfs"), "ext4");
  const spaces = compose({ ostree: "/ostree/a b" });
  assert.equal(spaces.settings.get("ostree"), "/ostree/a b");
});

test("composeCmdline() keeps words for the kernel before those for init", () => {
  const { cmdline } = composeCmdline({
    rootFileSystem: "erofs",
    device: "console=ttyX0 -- single",
    user: ["quiet", "splash -- -x y", "--"],
    clockMicroseconds: 5,
  }, LIMITS);
  assert.equal(
    cmdline,
    "console=ttyX0 quiet splash systemd.clock_usec=5 -- single -x y",
  );
});

test("composeCmdline() lets the later of two names of a setting win", () => {
  const { settings } = composeCmdline({
    rootFileSystem: "erofs",
    vendorId: 0x18d1,
    productId: 0xd00d,
    user: [
      "smoo.vendor_id=0x1d6b smoo.queue_size=4 smoo.max_io_bytes=4096",
      "smoo.product_id=1 smoo.product=2 smoo.queue_depth=8 smoo.max_io=8192",
    ],
  }, LIMITS);
  assert.deepEqual(Object.fromEntries(settings), {
    "smoo.max_io": "8192",
    "smoo.product": "2",
    "smoo.queue_depth": "8",
    "smoo.vendor_id": "0x1d6b",
    "stage0.rootfs": "erofs",
  });
});

test("composeCmdline() refuses one byte too many, and what is no value", () => {
  const compose = (parts: Partial<CmdlineParts>) =>
    composeCmdline({ rootFileSystem: "erofs", ...parts }, LIMITS);
  compose({ device: "x".repeat(1000), user: ["y".repeat(533)] });
  assert.throws(
    () => compose({ device: "x".repeat(1000), user: ["y".repeat(534)] }),
    (error) =>
      isCoded(error, "cmdline.too-long") &&
      /has 1535 bytes, expected at most 1534/.test(error.message),
  );
  assert.throws(() => compose({ vendorId: 0x10000 }), RangeError);
  assert.throws(
    () => compose({ deviceSerial: "a\nb" }),
    (error) => isCoded(error, "settings.bad-value"),
  );
  assert.throws(
    () => compose({ queueCount: 0 }),
    (error) => isCoded(error, "settings.bad-value"),
  );
});
