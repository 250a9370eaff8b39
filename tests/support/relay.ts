/**
 * Stands between a virtual phone and a host that is a process of its own, and may be killed.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Machine } from "../../src/adapters/node/qemu.ts";
import { connectTcp } from "../../src/adapters/node/tcp.ts";
import type { ByteStream } from "../../src/usb/usbip/stream.ts";
import { cutBetweenUrbs } from "./whole_urbs.ts";

const PROGRAM = fileURLToPath(new URL("serve_process.ts", import.meta.url));

/** A host process that serves an image to a machine. */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #killed = new AbortController();
  #relayed: Promise<void> | undefined;
  /** Times that it was plugged in. */
  connections = 0;
  /** What it printed so far. */
  output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("close", resolve));
    child.stdout!.on("data", (bytes: Uint8Array) => {
      this.output += new TextDecoder().decode(bytes);
    });
  }

  /**
   * Starts it, and plugs the machine in whenever a connection is over, as long as it runs.
   *
   * usbip-vudc may say at the start of a connection what it still had to say in the one before; a host
   * ends such a connection.
   */
  static async start(machine: Machine, image: string): Promise<HostProcess> {
    const child = spawn(
      process.execPath,
      ["run", "--allow-all", "--no-check", PROGRAM, image],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const host = new HostProcess(child);
    try {
      const port = Number(await host.printed(/^(\d+)\n/));
      host.#relayed = host.#relay(machine, port);
      return host;
    } catch (error) {
      await host.kill();
      throw error;
    }
  }

  /** Waits for something that it prints; gives its first group. */
  async printed(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match[1] ?? "";
      if (Date.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`The host did not print ${pattern}:\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it at once, by SIGKILL; what it was sending is lost. */
  async kill(): Promise<void> {
    this.#killed.abort();
    this.#child.kill("SIGKILL");
    await this.#ended;
    await this.#relayed;
  }

  async #relay(machine: Machine, port: number): Promise<void> {
    const { signal } = this.#killed;
    try {
      for (;;) {
        const plugged = await machine.plugIn({ signal });
        const phone = cutBetweenUrbs(plugged.stream);
        try {
          this.connections++;
          await join(phone, await connectTcp("127.0.0.1", port));
        } finally {
          phone.close();
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/**
 * Passes bytes both ways until one side ends. Of a message that a killed host has not finished
 * nothing arrives.
 */
async function join(phone: ByteStream, host: ByteStream): Promise<void> {
  const end = () => {
    phone.close();
    host.close();
  };
  const out = host.readable.pipeThrough(wholeMessages()).pipeTo(phone.writable);
  const back = phone.readable.pipeTo(host.writable);
  await Promise.all([out.then(end, end), back.then(end, end)]);
}

const HEADER = 48, CMD_SUBMIT = 1, OUT = 0;

/** Passes messages of USB/IP on once they are complete. */
function wholeMessages(): TransformStream<Uint8Array, Uint8Array> {
  let held = new Uint8Array(0);
  return new TransformStream({
    transform(chunk, controller) {
      const all = new Uint8Array(held.length + chunk.length);
      all.set(held);
      all.set(chunk, held.length);
      let end = 0;
      for (let size = sizeAt(all, 0); end + size <= all.length;) {
        end += size;
        size = sizeAt(all, end);
      }
      if (end > 0) controller.enqueue(all.subarray(0, end));
      held = all.slice(end);
    },
  });
}

/** Bytes of the message that begins at a place; more than there are when its header is not whole. */
function sizeAt(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < HEADER) return HEADER;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER);
  const carries = view.getUint32(0) === CMD_SUBMIT &&
    view.getUint32(12) === OUT;
  return HEADER + (carries ? view.getUint32(24) : 0);
}
