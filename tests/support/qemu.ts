/**
 * Boots kernels in an emulator, without KVM.
 *
 * @module
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const QEMU = "qemu-system-aarch64";
const DEFAULT_TIMEOUT_MS = 5 * 60_000;
/** Lines of the console that an error repeats. */
const KEPT_LINES = 30;
/** Seconds from the request to end until it is enforced. */
const GRACE = 5;

/** Debian packages of the emulator. */
export const QEMU_PACKAGES: readonly string[] = ["qemu-system-arm"];

/** What to boot, and how long to wait. */
export interface QemuBoot {
  /** An arm64 Image, or one in gzip. */
  readonly kernel: Uint8Array;
  /** Unpacked by the kernel: cpio, compressed or not. */
  readonly initrd: Uint8Array;
  /** Added to what the emulator needs, and before it. */
  readonly cmdline?: string;
  /** 5 minutes when absent. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Programs that are missing to boot: a reason to skip. */
export function missingQemu(): string[] {
  const { error } = spawnSync(QEMU, ["--version"], { stdio: "ignore" });
  return error === undefined ? [] : [QEMU];
}

/**
 * Boots a machine with 512 MiB and no devices but a serial console, and waits until it powers off.
 *
 * The device tree is the emulator's own. A kernel that panics ends the machine.
 *
 * @returns What the console showed, lines ended by `\n`.
 * @throws {Error} when it does not start, fails or does not end in time, with the last lines.
 */
export async function bootInQemu(boot: QemuBoot): Promise<string> {
  boot.signal?.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), "fastboop-qemu-"));
  try {
    const kernel = join(folder, "kernel"), initrd = join(folder, "initrd");
    await writeFile(kernel, boot.kernel);
    await writeFile(initrd, boot.initrd);
    // Later words win: the console is the emulator's.
    const cmdline = `${boot.cmdline ?? ""} console=ttyAMA0 panic=-1`.trim();
    return await runMachine([
      QEMU,
      ...["-machine", "virt", "-cpu", "cortex-a72", "-accel", "tcg"],
      // Faster than two on a busy host.
      ...["-smp", "1", "-m", "512"],
      ...["-nodefaults", "-display", "none", "-monitor", "none"],
      ...["-serial", "stdio", "-no-reboot"],
      ...["-kernel", kernel, "-initrd", initrd, "-append", cmdline],
    ], boot);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runMachine(
  argv: readonly string[],
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: QemuBoot,
): Promise<string> {
  // `timeout` ends the machine also where this process dies without a chance to.
  const limit = Math.ceil(timeoutMs / 1000) + GRACE;
  const child = spawn(
    "timeout",
    [`--kill-after=${GRACE}`, String(limit), ...argv],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const end = () => child.kill("SIGTERM");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  const decoder = new TextDecoder(), errorDecoder = new TextDecoder();
  let console = "", errors = "";
  child.stdout.on("data", (bytes: Uint8Array) => {
    console += decoder.decode(bytes, { stream: true });
  });
  child.stderr.on("data", (bytes: Uint8Array) => {
    errors += errorDecoder.decode(bytes, { stream: true });
  });
  return new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const text = console.replaceAll("\r", "");
      if (signal?.aborted) return reject(signal.reason);
      if (code === 0 && !timedOut) return resolve(text);
      const found = timedOut
        ? `it ran for ${timeoutMs} ms`
        : `it ended with exit code ${code}`;
      const last = `${text}\n${errors}`.split("\n")
        .filter((line) => line.trim() !== "").slice(-KEPT_LINES).join("\n  ");
      reject(
        new Error(
          `Cannot boot in ${QEMU}: ${found}, expected it to power off; the last lines:\n  ${last}`,
        ),
      );
    });
  }).finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  });
}
