/**
 * Virtual phones in QEMU, on Deno, Bun and Node.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { struct, u32be } from "../../bytes/struct.ts";
import {
  addAgent,
  type PhoneController,
  type PhoneMachine,
} from "../../phone/agent.ts";
import { PhoneConsole } from "../../phone/console.ts";
import {
  BOOTLOADER_WORDS,
  machinePrograms,
  qemuCommand,
} from "../../phone/qemu.ts";
import { ByteSource, type ByteStream } from "../../usb/usbip/stream.ts";
import { listenTcp, type TcpListener } from "./tcp.ts";

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
/** Seconds from the request to end until it is enforced. */
const GRACE = 5;

/** What the agent says first on a connection; it is plugged in when one byte was answered. */
const AgentHello = struct("hello of the agent", { devid: u32be, speed: u32be });

/** What to boot. */
export interface MachineOptions {
  readonly machine: PhoneMachine;
  /** As a bootloader starts it. */
  readonly kernel: Uint8Array;
  /** The initramfs of the boot image. */
  readonly ramdisk: Uint8Array;
  /** The command line of the boot image. */
  readonly cmdline: string;
  readonly controller?: PhoneController;
  /** Memory; default 512. */
  readonly memoryMiB?: number;
  /** Called with each piece of the console. */
  readonly onConsole?: (text: string) => void;
  /** After this time the machine is ended, come what may; default 10 minutes. */
  readonly timeoutMs?: number;
}

/** A cable that is plugged in: USB/IP in the phase of URBs. */
export interface PluggedDevice {
  /** Closing it unplugs. */
  readonly stream: ByteStream;
  /** busnum << 16 | devnum. */
  readonly devid: number;
  /** `enum usb_device_speed`: 3 high, 5 super. */
  readonly speed: number;
}

/** A machine that runs. */
export interface Machine {
  readonly console: PhoneConsole;
  /** Of the process that holds the machine. */
  readonly pid: number;
  /** Settles when the machine has ended, with its exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** Types on the console. */
  write(text: string): void;
  /**
   * Plugs the guest's device in, as soon as it is there. One at a time: the guest's next try comes
   * when the stream of the last one was closed.
   *
   * @throws {Error} when the machine ends before; `signal.reason`
   */
  plugIn(options?: { signal?: AbortSignal }): Promise<PluggedDevice>;
  /** Ends the machine, and resolves when it has ended and its files are gone. */
  stop(): Promise<void>;
}

/**
 * Starts a machine as the bootloader of a virtual phone does after `fastboot boot`.
 *
 * Needs QEMU for the machine, `timeout` of coreutils and `setpriv` of util-linux, which end it also
 * where this process is killed.
 *
 * @throws {Error} when a program is missing, or there is no place for its files
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  await checkMachine(options.machine);
  const folder = await makeFolder();
  let listener: TcpListener | undefined;
  try {
    listener = await listenTcp();
    return await launch(options, folder, listener);
  } catch (error) {
    listener?.close();
    await rm(folder, { recursive: true });
    throw error;
  }
}

/**
 * Looks whether all is installed that a machine needs.
 *
 * @throws {Error} when something is missing; the message says what, and which package brings it
 */
export async function checkMachine(machine: PhoneMachine): Promise<void> {
  for (const [program, debianPackage] of machinePrograms(machine)) {
    if (await isOnPath(program)) continue;
    throw new Error(
      `Cannot start the virtual phone: "${program}" is not installed; on Debian install ${debianPackage}`,
    );
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), "fastboop-phone-"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot start the virtual phone: no folder can be made in "${tmpdir()}": ${reason}; choose another place by TMPDIR`,
      { cause },
    );
  }
}

async function isOnPath(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const looks = folders.map((folder) =>
    access(join(folder, program), constants.X_OK)
  );
  return (await Promise.allSettled(looks))
    .some(({ status }) => status === "fulfilled");
}

async function launch(
  options: MachineOptions,
  folder: string,
  listener: TcpListener,
): Promise<Machine> {
  const { machine, controller, memoryMiB, onConsole } = options;
  const kernel = join(folder, "kernel"), initrd = join(folder, "initrd");
  await writeFile(kernel, options.kernel);
  const { port } = listener;
  await writeFile(
    initrd,
    await addAgent({
      machine,
      ramdisk: options.ramdisk,
      port,
      ...(controller === undefined ? {} : { controller }),
    }),
  );
  const argv = qemuCommand({
    machine,
    kernel,
    initrd,
    // before all else: what is behind a "--" is for init
    cmdline: `${BOOTLOADER_WORDS} ${options.cmdline}`.trim(),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
  });
  const limit = Math.ceil((options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000);
  const child = spawn(
    // this process may be killed without a chance to end the guard, and the guard likewise
    "setpriv",
    [
      ...["--pdeathsig", "TERM"],
      ...["timeout", `--kill-after=${GRACE}`, String(limit)],
      ...["setpriv", "--pdeathsig", "KILL"],
      ...argv,
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  await started(child);
  const console = new PhoneConsole();
  const show = (text: string) => {
    console.push(text);
    onConsole?.(text);
  };
  for (const stream of [child.stdout!, child.stderr!]) {
    const decoder = new TextDecoder();
    stream.on("data", (bytes: Uint8Array) => {
      show(decoder.decode(bytes, { stream: true }));
    });
  }
  child.stdin!.on("error", () => {}); // the machine has ended
  // who leaves by process.exit() takes the machine with him
  const leave = () => void child.kill("SIGTERM");
  process.once("exit", leave);
  const ended = new AbortController();
  const exited = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      process.off("exit", leave);
      console.end();
      ended.abort(
        new Error(
          `Cannot use the virtual phone: ${argv[0]} ended with ${
            code === null ? "a signal" : `exit code ${code}`
          }; its last lines:\n  ${console.lastLines}`,
        ),
      );
      listener.close();
      rm(folder, { recursive: true, force: true }).then(() => resolve(code));
    });
  });
  const waiting = new Waiting(listener.connections);
  return {
    console,
    pid: child.pid!,
    exited,
    write: (text) => void child.stdin!.write(text),
    plugIn: ({ signal } = {}) =>
      plugIn(
        waiting,
        signal === undefined
          ? ended.signal
          : AbortSignal.any([signal, ended.signal]),
      ),
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

/** Connections that wait to be let in, one behind the other. */
class Waiting {
  readonly #reader: ReadableStreamDefaultReader<ByteStream>;
  /** Kept when who waited has left. */
  #next: Promise<ReadableStreamReadResult<ByteStream>> | undefined;

  constructor(connections: ReadableStream<ByteStream>) {
    this.#reader = connections.getReader();
  }

  /** The next one; undefined when no more will come. */
  async next(signal: AbortSignal): Promise<ByteStream | undefined> {
    signal.throwIfAborted();
    let leave!: () => void;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
    });
    try {
      this.#next ??= this.#reader.read();
      const { value } = await Promise.race([this.#next, left]);
      this.#next = undefined;
      return value;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}

/** Lets the first connection in that is still there. */
async function plugIn(
  waiting: Waiting,
  signal: AbortSignal,
): Promise<PluggedDevice> {
  for (;;) {
    const stream = await waiting.next(signal);
    if (stream === undefined) {
      throw new Error("Cannot plug in: the virtual phone has ended");
    }
    const plugged = await letIn(stream, signal);
    if (plugged !== undefined) return plugged;
    // the guest has closed that one, and tries again
    stream.close();
  }
}

async function letIn(
  stream: ByteStream,
  signal: AbortSignal,
): Promise<PluggedDevice | undefined> {
  const leave = () => stream.close();
  signal.addEventListener("abort", leave, { once: true });
  try {
    const source = new ByteSource(stream.readable);
    const hello = new Uint8Array(AgentHello.size);
    const size = await source.fill(hello);
    source.release();
    if (size < hello.length) return undefined;
    const writer = stream.writable.getWriter();
    await writer.write(Uint8Array.of(1));
    writer.releaseLock();
    return { stream, ...AgentHello.read(hello) };
  } catch (error) {
    if (error instanceof TypeError) throw error; // not the world's fault
    return undefined;
  } finally {
    signal.removeEventListener("abort", leave);
    signal.throwIfAborted();
  }
}
