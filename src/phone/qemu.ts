/**
 * The command line of QEMU for a virtual phone.
 *
 * @module
 */

import { AGENT_RDINIT, type PhoneMachine } from "./agent.ts";

/** What the machine is made of. */
export interface QemuOptions {
  readonly machine: PhoneMachine;
  /** Path of a kernel as the bootloader starts it. */
  readonly kernel: string;
  /** Path of the initramfs. */
  readonly initrd: string;
  readonly cmdline: string;
  /** Memory; default 512. */
  readonly memoryMiB?: number;
}

const MACHINES: Readonly<Record<PhoneMachine, readonly string[]>> = {
  aarch64: ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"],
  x86_64: ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max"],
};

const PACKAGES: Readonly<Record<PhoneMachine, string>> = {
  aarch64: "qemu-system-arm",
  x86_64: "qemu-system-x86",
};

/**
 * What the emulated bootloader puts before the command line of the boot image.
 *
 * A kernel at random addresses keeps its page tables from programs, and switches them at each call.
 * Every switch empties the emulator's TLB: Debian took 68 s of processor time to the login prompt
 * with it, 43 s without. A kernel that panics ends the machine.
 */
export const BOOTLOADER_WORDS =
  `${AGENT_RDINIT} nokaslr mitigations=off panic=-1`;

/** Programs that a machine needs, and the packages of Debian that they are in. */
export function machinePrograms(
  machine: PhoneMachine,
): readonly (readonly [program: string, debianPackage: string])[] {
  return [
    [MACHINES[machine][0]!, PACKAGES[machine]],
    ["timeout", "coreutils"],
    ["setpriv", "util-linux"],
  ];
}

/** Program and arguments. Its standard input and output are the guest's serial console. */
export function qemuCommand(options: QemuOptions): string[] {
  const { machine, kernel, initrd, cmdline, memoryMiB = 512 } = options;
  return [
    ...MACHINES[machine],
    "-accel",
    "tcg",
    // two take 20 times as long for a small read from ublk, and are slower on a busy host
    ...["-smp", "1", "-m", String(memoryMiB)],
    ...["-nodefaults", "-display", "none", "-monitor", "none"],
    ...["-serial", "stdio", "-no-reboot"],
    ...["-netdev", "user,id=n0,ipv6=off"],
    ...["-device", "virtio-net-pci,netdev=n0,romfile="],
    ...["-kernel", kernel, "-initrd", initrd, "-append", cmdline],
  ];
}
