import assert from "node:assert/strict";
import test from "node:test";
import { BUILTIN_PROFILES } from "../../device/builtin.ts";
import type { BootPlan } from "../../boot/plan.ts";
import { formatBoot, formatParts } from "./explain.ts";

const bytes = (size: number) => new Uint8Array(size);

/** What the tables are made of, with all options used. */
const PLAN: BootPlan = {
  profile: BUILTIN_PROFILES.find(({ id }) => id === "oneplus-fajita")!,
  machine: "aarch64",
  stage0: "out/init",
  kernel: {
    path: "/boot/vmlinuz-6.99",
    origin: "boot",
    release: "6.99",
    fileSize: 5000,
    kernel: {
      name: "vmlinuz",
      format: "arm64",
      image: bytes(7000),
      layers: ["gzip"],
    },
  },
  modules: {
    release: "6.99",
    folder: "/lib/modules/6.99",
    load: [],
    builtin: [],
  },
  moduleFiles: [],
  deviceTree: {
    from: "/boot/dtbs/phone.dtb",
    storedSize: 300,
    bytes: bytes(400),
    overlays: [{ name: "panel.dtbo", bytes: bytes(50) }],
    macs: [{ kind: "wifi", compatible: "vendor,radio" }],
  },
  cmdline: { cmdline: "quiet", settings: new Map() },
  initramfs: {
    bytes: bytes(90),
    unpackedSize: 90,
    rows: [
      { path: "init", type: "file", size: 60, source: "stage0" },
      { path: "etc/motd", type: "file", size: 3, source: "extra.cpio" },
    ],
    overrides: [],
  },
  kernelSize: 4000,
  bytes: bytes(8192),
  layout: [{
    name: "total",
    offset: 0,
    size: 8192,
    paddedSize: 8192,
    limit: 16384,
  }],
};

const squeezed = (text: string) =>
  text.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "));

test("formatBoot() says where all comes from that went in", () => {
  const lines = squeezed(formatBoot(PLAN));
  for (
    const line of [
      "kernel 6.99 | /boot/vmlinuz-6.99 | 5000 | 4000",
      "device tree | /boot/dtbs/phone.dtb | 300 | 400",
      "overlay | panel.dtbo | 50",
      "address of wifi | serial number | vendor,radio",
      "/init | out/init | 60 | 60",
      "/etc/motd | extra.cpio | 3 | 3",
      "command line, 5 of at most 1534 bytes: quiet",
      "total | 0 | 8192 | 8192 | 16384 (50.0 % used)",
    ]
  ) assert.ok(lines.includes(line), `${line}\n${lines.join("\n")}`);
});

test("formatParts() counts nothing as sent that is not in the initramfs", () => {
  const { kernelSize: _, layout: __, bytes: ___, ...parts } = PLAN;
  const lines = squeezed(formatParts(parts));
  assert.ok(lines.includes("kernel 6.99 | /boot/vmlinuz-6.99 | 5000"));
  assert.ok(lines.includes("device tree | /boot/dtbs/phone.dtb | 300"));
});
