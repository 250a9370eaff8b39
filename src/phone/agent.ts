/**
 * What the emulated bootloader adds to the initramfs: the agent, which plugs the guest's USB device
 * controller into a connection. The payload itself stays as the host made it.
 *
 * @module
 */

import { decodeBase64 } from "../bytes/base64.ts";
import { readCpio } from "../format/cpio/read.ts";
import { type CpioEntry, packCpio } from "../wasm/codecs.ts";

/** Processors that are emulated, as `uname -m` names them. */
export type PhoneMachine = "aarch64" | "x86_64";

/**
 * The guest's USB device controller: `vudc` is usbip-vudc, high speed, unplugged as a cable is;
 * `dummy` is dummy_hcd at SuperSpeed behind usbip-host, with any endpoint numbers; `dummy-full` is
 * that at full speed.
 */
export type PhoneController = "vudc" | "dummy" | "dummy-full";

/** What the agent is told. */
export interface AgentOptions {
  readonly machine: PhoneMachine;
  /** The initramfs of the boot image. */
  readonly ramdisk: Uint8Array;
  /** Where the emulator listens, on the host of a QEMU user network. */
  readonly port: number;
  /** Default `vudc`. */
  readonly controller?: PhoneController;
}

/** For the kernel's command line: starts the agent, which becomes `/init`. */
export const AGENT_RDINIT = "rdinit=/fastboop-agent/agent";

/** Bytes of it, unpacked. */
const MAX_RAMDISK = 512 << 20;
const FOLDER = "fastboop-agent";
const MODULE_LIST = /^etc\/modules-load\.d\/[^/]+\.conf$/;
const DUMMY_HCD = "dummy_hcd";
/** Parameters that only who loads the module can give. */
const DUMMY_SPEEDS = {
  "dummy": "is_super_speed=1",
  "dummy-full": "is_high_speed=0",
} as const;

/**
 * The initramfs with the agent behind it.
 *
 * @throws {FormatError} `cpio.*` when the initramfs is damaged
 * @throws {RangeError} when it has no module for the controller
 */
export async function addAgent(
  options: AgentOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { machine, ramdisk, port, controller = "vudc" } = options;
  const lines = [`port ${port}`];
  if (controller === "vudc") {
    lines.push("controller vudc");
  } else {
    lines.push("controller dummy");
    lines.push(...await dummyModules(ramdisk, DUMMY_SPEEDS[controller]));
  }
  const entries: CpioEntry[] = [
    { path: FOLDER, type: "dir", mode: 0o700 },
    {
      path: `${FOLDER}/agent`,
      type: "file",
      mode: 0o700,
      data: await agentProgram(machine),
    },
    {
      path: `${FOLDER}/config`,
      type: "file",
      data: new TextEncoder().encode(lines.join("\n") + "\n"),
    },
  ];
  const segment = await packCpio(entries, { padTo: 4 });
  // the kernel looks for the next archive at multiples of 4 only
  const start = Math.ceil(ramdisk.length / 4) * 4;
  const bytes = new Uint8Array(start + segment.length);
  bytes.set(ramdisk);
  bytes.set(segment, start);
  return bytes;
}

async function agentProgram(
  machine: PhoneMachine,
): Promise<Uint8Array<ArrayBuffer>> {
  const { PROGRAM_BASE64 } = machine === "aarch64"
    ? await import("./agent_aarch64_bytes.ts")
    : await import("./agent_x86_64_bytes.ts");
  return decodeBase64(PROGRAM_BASE64);
}

/** All that stage0 would load up to the controller: it finds them loaded. */
async function dummyModules(
  ramdisk: Uint8Array,
  parameters: string,
): Promise<string[]> {
  const members = await readCpio(ramdisk, {
    name: "ramdisk",
    maxSize: MAX_RAMDISK,
  });
  const files = new Map<string, string>();
  const names: string[] = [];
  for (const member of members) {
    if (member.type !== "file") continue;
    const { path } = member;
    const module = /([^/]+)\.ko(?:\.[a-z0-9]+)?$/.exec(path)?.[1];
    if (module !== undefined) files.set(module.replaceAll("-", "_"), path);
    if (MODULE_LIST.test(path)) {
      names.push(...new TextDecoder().decode(member.data).split("\n"));
    }
  }
  const order = names.map((name) => name.trim().replaceAll("-", "_"));
  const end = order.indexOf(DUMMY_HCD);
  if (end < 0) {
    throw new RangeError(
      `Cannot emulate a phone with ${DUMMY_HCD}: the initramfs loads no such module, expected it in the profile's stage0.kernel_modules`,
    );
  }
  return order.slice(0, end + 1).flatMap((name) => {
    const path = files.get(name);
    if (path === undefined) return [];
    return `module /${path}${name === DUMMY_HCD ? ` ${parameters}` : ""}`;
  });
}
