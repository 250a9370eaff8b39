/**
 * How long a phone takes to boot over its cable, and what the cable carries: on the virtual phone,
 * which a processor emulates, so everything is many times slower than on a phone.
 *
 * Ours and theirs run one behind the other, each alone. `usbip-vudc` looks at its endpoints every
 * 8 ms, so a read over the cable takes three looks, 24 ms, however fast the rest is; `dummy_hcd` does
 * not.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type {
  BenchCase,
  BenchContext,
  PreparedBench,
} from "../scripts/lib/bench_case.ts";
import type { Machine } from "../src/adapters/node/qemu.ts";
import type { BlockReader } from "../src/block/reader.ts";
import { parseBootImage } from "../src/format/bootimg/parse.ts";
import { PhoneConsole } from "../src/phone/console.ts";
import { qemuCommand } from "../src/phone/qemu.ts";
import { openUsbIpDevice } from "../src/usb/usbip/device.ts";
import { PatternReader } from "../tests/support/pattern_reader.ts";
import { buildPeer, PEER_PACKAGES } from "../tests/support/peers/build.ts";
import { Guest } from "../tests/support/phone_console.ts";
import { PhoneHost } from "../tests/support/phone_host.ts";
import { RawSmoo } from "../tests/support/raw_smoo.ts";
import {
  type BootedPhone,
  bootPhone,
  PHONE_PACKAGES,
  type PhoneBoot,
  planPhone,
} from "../tests/support/rig.ts";

const GUEST = "guest-arm64.erofs";
const DEBIAN = "debian-arm64.erofs-lz4hc";
const LOGIN = /login: /;
const TIMEOUT_MS = 280_000;
/** As the host joins payloads. */
const TRANSFER_BYTES = 1 << 20;
/** As many as the host keeps under way. */
const DEPTH = 3;
const READ_MIB = 32;
const PASSES = 3;
const POLL_MS = 20;
const WORDS_OF_QUIET = "quiet systemd.show_status=error";

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function withPhone<T>(
  boot: PhoneBoot,
  use: (phone: BootedPhone) => Promise<T>,
): Promise<T> {
  const phone = await bootPhone({ timeoutMs: TIMEOUT_MS, ...boot });
  try {
    return await use(phone);
  } finally {
    await phone.stop();
  }
}

/** Boots the test guest, with a second export beside its root, and does something with it. */
async function withGuest<T>(
  boot: PhoneBoot,
  more: readonly BlockReader[],
  use: (guest: Guest, machine: Machine) => Promise<T>,
): Promise<T> {
  return await withPhone(boot, async ({ machine, reader }) => {
    const exports = [reader, ...more].map((reader) => ({
      reader,
      blockSize: 4096,
    }));
    const host = new PhoneHost(machine, exports);
    try {
      const guest = new Guest(machine);
      await guest.ready(TIMEOUT_MS);
      return await use(guest, machine);
    } finally {
      await host.stop();
    }
  });
}

/** A case for a number in the log of stage0. */
function logged(
  name: string,
  bar: number,
  boot: Omit<PhoneBoot, "image">,
  pattern: RegExp,
  value: (...found: number[]) => number,
): BenchCase {
  return {
    name,
    unit: "ms",
    better: "less",
    bar,
    packages: PHONE_PACKAGES,
    async prepare(context) {
      const image = await context.fixture(GUEST);
      const ours = () =>
        withGuest({ ...boot, image }, [], async (guest) => {
          const text = (await guest.run("log stage0:")).join("\n");
          const found = pattern.exec(text);
          if (found === null) throw new Error(`No ${pattern} in:\n${text}`);
          return value(...found.slice(1).map(Number));
        });
      return { ours };
    },
  };
}

/** Memory of the process that serves, in MiB. */
async function measureMemory(guest: Guest): Promise<number> {
  const processes = (await guest.run("ps"))
    .filter((line) => line.includes(" argv0=@init "))
    .map((line) => Guest.facts([line], "process"));
  const pids = new Set(processes.map((one) => one.get("pid")));
  const worker = processes.find((one) => pids.has(one.get("ppid")));
  return Number(worker!.get("rss_kib")) / 1024;
}

/** Path of the second export's block device. */
async function findDisk(guest: Guest): Promise<string> {
  const [json] = await guest.run("cat /run/smoo/exports.json");
  const { exports } = JSON.parse(json!) as { exports: { devnode: string }[] };
  return exports[1]!.devnode;
}

/** MB/s of one program that reads a block device from its start, nothing of it cached. */
async function measureStream(guest: Guest): Promise<number> {
  const disk = await findDisk(guest);
  const rates: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    await guest.run("drop");
    const lines = await guest.run(`seq ${disk} 1024 ${READ_MIB}`);
    const rate = Guest.facts(lines, "seq").get("kib_per_s");
    rates.push(Number(rate) * 1024 / 1e6);
  }
  return median(rates);
}

/** MB/s of as many programs as there are transfers, side by side, past the cache. */
async function measureStreams(
  guest: Guest,
  { console }: Machine,
): Promise<number> {
  const disk = await findDisk(guest);
  const rates: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    const from = console.text.length;
    for (let i = 0; i < DEPTH; i++) {
      guest.start(`&seq ${disk} 1024 ${READ_MIB} direct`);
    }
    const ended = /^guest: seq bytes=\d+ ms=(\d+)/gm;
    const deadline = performance.now() + TIMEOUT_MS;
    let times: number[] = [];
    while (times.length < DEPTH && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      times = [...console.text.slice(from).matchAll(ended)]
        .map(([, ms]) => Number(ms));
    }
    if (times.length < DEPTH) throw new Error(console.lastLines);
    const seconds = Math.max(...times) / 1000;
    rates.push(DEPTH * READ_MIB * 2 ** 20 / 1e6 / seconds);
  }
  return median(rates);
}

/** MB/s of transfers that a gadget takes and forgets. */
async function measureTransfers({ machine }: BootedPhone): Promise<number> {
  await machine.console.waitFor(/sink: ready/, { timeoutMs: TIMEOUT_MS });
  const { stream, devid, speed } = await machine.plugIn();
  try {
    const smoo = await RawSmoo.claim(
      await openUsbIpDevice(stream, { devid, speed }),
    );
    const data = new Uint8Array(TRANSFER_BYTES);
    const rates: number[] = [];
    // the first one waits for the gadget to notice the host
    for (let pass = 0; pass <= PASSES; pass++) {
      let left = READ_MIB * 2 ** 20 / TRANSFER_BYTES;
      const start = performance.now();
      await Promise.all(Array.from({ length: DEPTH }, async () => {
        while (left-- > 0) await smoo.send(data);
      }));
      const seconds = (performance.now() - start) / 1000;
      if (pass > 0) rates.push(READ_MIB * 2 ** 20 / 1e6 / seconds);
    }
    return median(rates);
  } finally {
    stream.close();
  }
}

async function prepareReads(
  context: BenchContext,
  measure: (guest: Guest, machine: Machine) => Promise<number>,
): Promise<PreparedBench> {
  const image = await context.fixture(GUEST);
  const stage0 = buildPeer("sink", context.folder);
  const pattern = new PatternReader(256 << 20);
  return {
    ours: () => withGuest({ image }, [pattern], measure),
    theirs: () => withPhone({ image, stage0 }, measureTransfers),
  };
}

/** Seconds until Debian asks who it is, from the start of the machine. */
async function bootOverCable(image: string): Promise<number> {
  const start = performance.now();
  const boot = { image, cmdline: WORDS_OF_QUIET };
  return await withPhone(boot, async ({ machine, reader }) => {
    const host = new PhoneHost(machine, [{ reader, blockSize: 4096 }]);
    try {
      await machine.console.waitFor(LOGIN, { timeoutMs: TIMEOUT_MS });
      return (performance.now() - start) / 1000;
    } finally {
      await host.stop();
    }
  });
}

/** The same from a disk of the machine: same kernel, same modules for the root, same root. */
async function bootFromDisk(
  image: string,
  stage0: string,
  parent: string,
): Promise<number> {
  const start = performance.now();
  const plan = await planPhone({
    image,
    stage0,
    cmdline: WORDS_OF_QUIET,
    modules: ["virtio_blk"],
  });
  const { kernel, ramdisk, cmdline } = parseBootImage(plan.bytes);
  const folder = mkdtempSync(join(parent, "disk-"));
  const files = {
    kernel: join(folder, "kernel"),
    initrd: join(folder, "initrd"),
  };
  writeFileSync(files.kernel, kernel);
  writeFileSync(files.initrd, ramdisk);
  const [program, ...argv] = qemuCommand({
    machine: "aarch64",
    ...files,
    cmdline: `rdinit=/init nokaslr mitigations=off panic=-1 ${cmdline}`,
  });
  const disk = `file=${image},format=raw,if=virtio,readonly=on`;
  const child = spawn(program!, [...argv, "-drive", disk], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const console = new PhoneConsole();
  const decoder = new TextDecoder();
  child.stdout!.on("data", (bytes: Uint8Array) => {
    console.push(decoder.decode(bytes, { stream: true }));
  });
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => {
      console.end();
      resolve();
    })
  );
  try {
    await console.waitFor(LOGIN, { timeoutMs: TIMEOUT_MS });
    return (performance.now() - start) / 1000;
  } finally {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  }
}

async function prepareDebian(context: BenchContext): Promise<PreparedBench> {
  const image = await context.fixture(DEBIAN);
  const stage0 = buildPeer("disk", context.folder);
  return {
    ours: () => bootOverCable(image),
    theirs: () => bootFromDisk(image, stage0, context.folder),
  };
}

/** A case of reading a block device. */
function reads(
  name: string,
  measure: (guest: Guest, machine: Machine) => Promise<number>,
): BenchCase {
  return {
    name,
    unit: "MB/s",
    better: "more",
    peer: "bulk transfers of 1 MiB that the gadget forgets",
    bar: 0.8,
    packages: [...PHONE_PACKAGES, ...PEER_PACKAGES],
    prepare: (context) => prepareReads(context, measure),
  };
}

const BOUND = /bound to \S+ after (\d+) ms \(modules (\d+) ms/;
const HANDED_OVER = /handing over to the system, (\d+) ms after/;
const DUMMY: Omit<PhoneBoot, "image"> = {
  profile: "virtual-phone-arm64-superspeed",
  controller: "dummy",
};

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  logged("phone-bound", 250, {}, BOUND, (all, modules) => all! - modules!),
  logged("phone-exec", 60, {}, HANDED_OVER, (ms) => ms!),
  logged("phone-exec-dummy-hcd", 60, DUMMY, HANDED_OVER, (ms) => ms!),
  {
    name: "phone-gadget-memory",
    unit: "MiB",
    better: "less",
    bar: 4,
    packages: PHONE_PACKAGES,
    async prepare(context) {
      const image = await context.fixture(GUEST);
      return { ours: () => withGuest({ image }, [], measureMemory) };
    },
  },
  reads("phone-read", measureStreams),
  reads("phone-read-alone", measureStream),
  {
    name: "phone-debian-boot",
    unit: "s",
    better: "less",
    peer: "the same from a virtio disk",
    bar: 1 / 1.6,
    packages: [...PHONE_PACKAGES, ...PEER_PACKAGES],
    prepare: prepareDebian,
  },
];
