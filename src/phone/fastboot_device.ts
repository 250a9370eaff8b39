/**
 * A bootloader: packets in, what it does out. What it is connected by is not its business.
 *
 * @module
 */

import { type FastbootFault, FaultPlan } from "./fastboot_faults.ts";

/** Something that a bootloader does; those who connect it see to it, one after the other. */
export type FastbootAction =
  /** Sends a packet to the host. */
  | { readonly kind: "reply"; readonly packet: Uint8Array<ArrayBuffer> }
  /** Halts an endpoint; `out` also means that the packet was not taken. */
  | { readonly kind: "stall"; readonly direction: "in" | "out" }
  /** Does nothing for a while. */
  | { readonly kind: "wait"; readonly ms: number }
  /** Is gone. */
  | { readonly kind: "unplug" }
  /** Leaves the bus to start an image: the one that was sent, or what is installed. */
  | {
    readonly kind: "leave";
    readonly image: Uint8Array<ArrayBuffer> | undefined;
  };

/** What a bootloader is like. */
export interface FastbootDeviceOptions {
  /**
   * Answers to `getvar`. `max-download-size` is added when it is not there, as hexadecimal with `0x`.
   * Without a value the bootloader does not know the variable.
   */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  /** Bytes that it takes; 512 MiB when absent. */
  readonly maxDownloadSize?: number;
  /** Bytes of a command that it takes; 64 when absent. */
  readonly maxCommandBytes?: number;
  /** Bytes of its replies, which are cut; 256 when absent. */
  readonly maxReplyBytes?: number;
  /**
   * Bytes of a packet. When given, data that comes with a packet that is not whole before its end is
   * refused, as LK does.
   */
  readonly packetSize?: number;
  /** Tells why an image cannot be started, in the words of a bootloader; nothing when it can. */
  readonly judgeImage?: (
    image: Uint8Array<ArrayBuffer>,
  ) => string | undefined | Promise<string | undefined>;
  /** What goes wrong. */
  readonly faults?: readonly FastbootFault[];
}

interface Download {
  readonly bytes: Uint8Array<ArrayBuffer>;
  filled: number;
}

/**
 * The state of one bootloader. Give it each packet of the host, see to what it does, then give it the
 * next one.
 *
 * It knows `getvar`, `download`, `boot`, `continue` and `reboot`, and answers FAIL to all else.
 */
export class FastbootDevice {
  readonly #options: FastbootDeviceOptions;
  readonly #variables: ReadonlyMap<string, string>;
  readonly #maxDownloadSize: number;
  readonly #faults: FaultPlan;
  #download: Download | undefined;
  #image: Uint8Array<ArrayBuffer> | undefined;

  /** Waits for commands. */
  constructor(options: FastbootDeviceOptions = {}) {
    this.#options = options;
    this.#maxDownloadSize = options.maxDownloadSize ?? 512 << 20;
    const variables = {
      version: "0.4",
      "max-download-size": `0x${this.#maxDownloadSize.toString(16)}`,
      ...options.variables,
    };
    this.#variables = new Map(
      Object.entries(variables).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]]
      ),
    );
    this.#faults = new FaultPlan(options.faults);
  }

  /** Bytes of data that are still to come; 0 when it waits for a command. */
  get expected(): number {
    const download = this.#download;
    return download === undefined ? 0 : download.bytes.length - download.filled;
  }

  /** The bus is reset, or another host comes: what was sent is lost. */
  reset(): void {
    this.#download = undefined;
    this.#image = undefined;
  }

  /** Takes a packet. It may be touched again when the last action was given. */
  async *receive(packet: Uint8Array): AsyncGenerator<FastbootAction> {
    if (this.#download === undefined) yield* this.#obey(packet);
    else yield* this.#fill(this.#download, packet);
  }

  async *#obey(packet: Uint8Array): AsyncGenerator<FastbootAction> {
    const command = new TextDecoder().decode(packet);
    if (this.#faults.take(command, "stall", isOut)) {
      return yield { kind: "stall", direction: "out" };
    }
    if (this.#faults.take(command, "unplug") !== undefined) {
      return yield { kind: "unplug" };
    }
    const refused = this.#faults.take(command, "fail");
    if (refused !== undefined) {
      return yield* this.#answer(command, [`FAIL${refused}`]);
    }
    if (packet.length > (this.#options.maxCommandBytes ?? 64)) {
      return yield* this.#answer(command, ["FAILcommand too long"]);
    }
    const [name, argument] = split(command);
    switch (name) {
      case "getvar":
        return yield* this.#answer(command, this.#getvar(argument));
      case "download":
        return yield* this.#answer(command, [
          this.#announce(command, argument),
        ]);
      case "boot":
        return yield* this.#boot();
      case "continue":
      case "reboot":
        yield* this.#answer(command, ["OKAY"]);
        return yield { kind: "leave", image: undefined };
      default:
        return yield* this.#answer(command, ["FAILunknown command"]);
    }
  }

  #getvar(name: string): string[] {
    if (name === "all") {
      const all = [...this.#variables].map(([key, value]) =>
        `INFO${key}: ${value}`
      );
      return [...all, "OKAYDone!"];
    }
    const value = this.#variables.get(name);
    return [value === undefined ? "FAILunknown variable" : `OKAY${value}`];
  }

  #announce(command: string, argument: string): string {
    const asked = /^[0-9a-f]{8}$/i.test(argument) ? parseInt(argument, 16) : 0;
    if (asked === 0) return "FAILdata invalid size";
    if (asked > this.#maxDownloadSize) return "FAILdata too large";
    const length = asked + (this.#faults.take(command, "announce") ?? 0);
    this.#image = undefined;
    this.#download = { bytes: new Uint8Array(length), filled: 0 };
    return `DATA${length.toString(16).padStart(8, "0")}`;
  }

  async *#fill(
    download: Download,
    packet: Uint8Array,
  ): AsyncGenerator<FastbootAction> {
    if (this.#faults.take("data", "stall", isOut)) {
      return yield { kind: "stall", direction: "out" };
    }
    const ms = this.#faults.take("data", "delayMs");
    if (ms !== undefined) yield { kind: "wait", ms };
    const taken = packet.subarray(0, download.bytes.length - download.filled);
    const end = download.filled + taken.length;
    const unplug = this.#faults.take("data", "unplug", (at) => end > at);
    if (unplug !== undefined) {
      this.#download = undefined;
      return yield { kind: "unplug" };
    }
    download.bytes.set(taken, download.filled);
    download.filled = end;
    const { packetSize = 1 } = this.#options;
    if (end < download.bytes.length) {
      if (packet.length % packetSize === 0) return;
      this.#download = undefined;
      return yield* this.#answer("image", ["FAILdata ended early"]);
    }
    this.#download = undefined;
    const refused = this.#faults.take("image", "fail");
    if (refused === undefined) this.#image = download.bytes;
    yield* this.#answer("image", [
      refused === undefined ? "OKAY" : `FAIL${refused}`,
    ]);
    // On a wire no packet holds both, but who knows what the host sends.
    const rest = packet.subarray(taken.length);
    if (rest.length > 0) yield* this.#obey(rest);
  }

  async *#boot(): AsyncGenerator<FastbootAction> {
    const image = this.#image;
    const wrong = image === undefined
      ? "no image downloaded"
      : await this.#options.judgeImage?.(image);
    if (image === undefined || wrong !== undefined) {
      return yield* this.#answer("boot", [`FAIL${wrong}`]);
    }
    yield* this.#answer("boot", ["OKAY"]);
    yield { kind: "leave", image };
  }

  /** Says the replies to a command, or what goes wrong with them. */
  async *#answer(
    at: string,
    said: readonly string[],
  ): AsyncGenerator<FastbootAction> {
    const ms = this.#faults.take(at, "delayMs");
    if (ms !== undefined) yield { kind: "wait", ms };
    if (this.#faults.take(at, "silent")) return;
    if (this.#faults.take(at, "stall", (direction) => direction === "in")) {
      yield { kind: "stall", direction: "in" };
    }
    const instead = this.#faults.take(at, "instead");
    const replies = [
      ...this.#faults.take(at, "before") ?? [],
      ...instead === undefined ? said : [...said.slice(0, -1), instead],
    ].map((text) => this.#encode(at, text));
    for (const packet of this.#cut(at, replies)) {
      yield { kind: "reply", packet };
    }
  }

  #encode(at: string, text: string): Uint8Array<ArrayBuffer> {
    const { maxReplyBytes = 256 } = this.#options;
    const bytes = new TextEncoder().encode(text).subarray(0, maxReplyBytes);
    const pad = this.#faults.take(at, "pad") ?? 0;
    if (bytes.length >= pad) return bytes;
    const padded = new Uint8Array(pad);
    padded.set(bytes);
    return padded;
  }

  #cut(
    at: string,
    replies: readonly Uint8Array<ArrayBuffer>[],
  ): readonly Uint8Array<ArrayBuffer>[] {
    if (this.#faults.take(at, "glue")) {
      const all = replies.flatMap((packet) => [...packet]);
      return [Uint8Array.from(all)];
    }
    const middle = this.#faults.take(at, "split");
    const last = replies.at(-1);
    if (middle === undefined || last === undefined) return replies;
    return [
      ...replies.slice(0, -1),
      last.slice(0, middle),
      last.slice(middle),
    ];
  }
}

function isOut(direction: "in" | "out"): boolean {
  return direction === "out";
}

function split(command: string): [name: string, argument: string] {
  const colon = command.indexOf(":");
  return colon < 0
    ? [command, ""]
    : [command.slice(0, colon), command.slice(colon + 1)];
}
