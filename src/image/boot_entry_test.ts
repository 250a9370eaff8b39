import assert from "node:assert/strict";
import test from "node:test";
import { compareBootEntries, parseBootEntry } from "./boot_entry.ts";

test("parseBootEntry() reads every key, joins options and keeps the order of initrds", () => {
  const text = `
# comment
title        Debian 13 (trixie)
sort-key     debian
machine-id   0123456789abcdef0123456789abcdef
version\t6.12.1
options      root=UUID=1 quiet
  options    splash "a b"
architecture aa64
linux        /debian/6.12.1/linux
initrd       /microcode
initrd       /debian/6.12.1/initrd  /more
devicetree   /debian/6.12.1/x.dtb
devicetree-overlay /a.dtbo /b.dtbo
grub_users   $grub_users
linux
`;
  assert.deepEqual(parseBootEntry("debian-6.12.1", text), {
    id: "debian-6.12.1",
    title: "Debian 13 (trixie)",
    sortKey: "debian",
    machineId: "0123456789abcdef0123456789abcdef",
    version: "6.12.1",
    options: 'root=UUID=1 quiet splash "a b"',
    architecture: "aa64",
    linux: "/debian/6.12.1/linux",
    initrd: ["/microcode", "/debian/6.12.1/initrd", "/more"],
    devicetree: "/debian/6.12.1/x.dtb",
    devicetreeOverlays: ["/a.dtbo", "/b.dtbo"],
  });
});

test("compareBootEntries() follows the rules of the specification", () => {
  const entry = (id: string, text = "") => parseBootEntry(id, text);
  const sorted = [
    entry("b", "sort-key a\nmachine-id 1\nversion 6.10"),
    entry("a", "sort-key a\nmachine-id 1\nversion 6.9"),
    entry("c", "sort-key a\nmachine-id 2\nversion 9"),
    entry("d", "sort-key b\nversion 6.10"),
    entry("x-6.10"),
    entry("x-6.9+3"),
    entry("x-6.9"),
    entry("z+0-3"),
  ];
  for (let i = 0; i < sorted.length; i++) {
    const turned = [...sorted.slice(i), ...sorted.slice(0, i)];
    assert.deepEqual(turned.sort(compareBootEntries), sorted);
  }
});
