/**
 * The host's side of fastboot.
 *
 * @module
 */

import { abortable } from "../block/abortable.ts";
import type { ReadOptions } from "../block/reader.ts";
import { isCoded } from "../errors.ts";
import {
  commandText,
  encodeCommand,
  type FastbootCommand,
  MAX_DOWNLOAD_BYTES,
} from "./command.ts";
import { converse, type FastbootMessage } from "./conversation.ts";
import { FastbootError } from "./errors.ts";
import { type ImageData, sizeOf } from "./image_data.ts";
import { parseNumber } from "./reply.ts";
import type { FastbootTransport } from "./transport.ts";
import { Wait } from "./wait.ts";

/** No sign of life for so long is the end; bootloaders check images before they answer. */
const SILENCE_MS = 30_000;
/** Time for a conversation to end properly when the connection is to be closed. */
const SETTLE_MS = 5000;
/** What a client can be told. */
export interface FastbootOptions {
  /** Told what the bootloader says besides its answers. */
  readonly onMessage?: ((message: FastbootMessage) => void) | undefined;
  /** No sign of life for so long ends a command; 30,000 when absent. */
  readonly timeoutMs?: number | undefined;
  /**
   * Bytes of a command that the bootloader takes: 64 when absent, which all do. Those made since 2023
   * may take 4096; no variable tells.
   */
  readonly maxCommandBytes?: number | undefined;
}

/** What each command can be told. */
export interface CommandOptions extends ReadOptions {
  /** As that of the client, for this command. */
  readonly timeoutMs?: number | undefined;
}

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes that are out. */
  readonly sent: number;
  /** Bytes in all. */
  readonly size: number;
}

/** What a download can be told. */
export interface DownloadOptions extends CommandOptions {
  /** Told after each piece that went out. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What closing can be told. */
export interface CloseOptions {
  /** Stops waiting for the bootloader: closes at once. Not a failure. */
  readonly signal?: AbortSignal | undefined;
  /** Time for the conversation to end properly; 5000 when absent. */
  readonly settleMs?: number | undefined;
}

/**
 * Talks to a bootloader. Commands that are given together are sent one after the other.
 *
 * Who cancels a command, or waits too long for it, is told so at once. The conversation goes on by
 * itself to where the bootloader takes commands again: its answer is read, and a download that it
 * waits for is filled up with zeros. The next command, and {@linkcode FastbootClient.close}, wait for
 * that. Where a program ends without it, the answer stays with the bootloader for the next program, or
 * its commands are taken for data; then the phone has to be restarted by its keys.
 *
 * All commands reject with {@linkcode FastbootError} `fastboot.failed`, `fastboot.bad-reply`,
 * `fastboot.timeout`, `fastboot.lost`, `fastboot.out-of-step` or `fastboot.closed`.
 *
 * @example
 * ```ts
 * import { FastbootClient } from "./client.ts";
 * import type { FastbootTransport } from "./transport.ts";
 *
 * async function start(phone: FastbootTransport, image: Uint8Array<ArrayBuffer>) {
 *   const client = new FastbootClient(phone);
 *   try {
 *     console.log(await client.getvar("product"));
 *     await client.download(image);
 *     await client.boot();
 *   } finally {
 *     await client.close();
 *   }
 * }
 * ```
 *
 * @see AOSP platform/system/core/fastboot/README.md
 */
export class FastbootClient {
  readonly #transport: FastbootTransport;
  readonly #options: FastbootOptions;
  /** Settles when the bootloader takes the next command. */
  #ready: Promise<unknown> = Promise.resolve();
  /** Of the command under way, and of those behind it. */
  readonly #waits = new Set<Wait>();
  #closing: Promise<void> | undefined;
  #outOfStep: unknown;
  #maxDownloadSize: { readonly value: number | undefined } | undefined;

  /** Sends nothing yet. */
  constructor(transport: FastbootTransport, options: FastbootOptions = {}) {
    this.#transport = transport;
    this.#options = options;
  }

  /** Of the phone, for messages. */
  get name(): string {
    return this.#transport.name;
  }

  /**
   * The value of a variable; empty where the bootloader says so instead of FAIL.
   *
   * @param variable Printable ASCII.
   * @throws {FastbootError} `fastboot.failed` when the bootloader does not know it;
   *   `fastboot.command-too-long`
   */
  getvar(variable: string, options: CommandOptions = {}): Promise<string> {
    return this.#run({ name: "getvar", variable }, options);
  }

  /**
   * Bytes that the bootloader takes at most; asked for once. `undefined` where it does not say, or
   * says nothing that is a number, or 0.
   */
  async maxDownloadSize(
    options: CommandOptions = {},
  ): Promise<number | undefined> {
    if (this.#maxDownloadSize === undefined) {
      let value: number | undefined;
      try {
        value = parseNumber(await this.getvar("max-download-size", options));
      } catch (error) {
        if (!isCoded(error, "fastboot.failed")) throw error;
      }
      this.#maxDownloadSize = { value: value || undefined };
    }
    return this.#maxDownloadSize.value;
  }

  /**
   * Sends an image to the memory of the phone. Whether it fits is asked first.
   *
   * @throws {FastbootError} `fastboot.too-large` before anything is sent; `fastboot.data-length`
   */
  async download(
    image: ImageData,
    options: DownloadOptions = {},
  ): Promise<void> {
    const size = sizeOf(image);
    const limit = Math.min(
      await this.maxDownloadSize(options) ?? MAX_DOWNLOAD_BYTES,
      MAX_DOWNLOAD_BYTES,
    );
    if (size > limit) {
      throw new FastbootError(
        "fastboot.too-large",
        `Cannot send boot image to ${this.name}: it has ${size} bytes, expected at most ${limit}, which is what the bootloader takes; leave modules or files out of it`,
        { facts: { size, limit } },
      );
    }
    await this.#run({ name: "download", length: size }, options, image);
  }

  /** Starts the image that was downloaded. The phone leaves the bus. */
  async boot(options: CommandOptions = {}): Promise<void> {
    await this.#run({ name: "boot" }, options);
  }

  /** Starts what is installed. The phone leaves the bus. */
  async continue(options: CommandOptions = {}): Promise<void> {
    await this.#run({ name: "continue" }, options);
  }

  /** Restarts the phone. It leaves the bus. */
  async reboot(options: CommandOptions = {}): Promise<void> {
    await this.#run({ name: "reboot" }, options);
  }

  /**
   * Ends the connection, behind the conversation that is under way: the phone can be used on then.
   * After `settleMs`, or when `signal` says so, it is cut instead. Never rejects.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  async #close({ signal, settleMs = SETTLE_MS }: CloseOptions): Promise<void> {
    const wait = new Wait(signal, settleMs, () => "too late");
    await Promise.race([this.#ready, wait.over]).catch(() => {});
    wait.end();
    await this.#transport.close();
  }

  async #run(
    command: FastbootCommand,
    options: DownloadOptions,
    image?: ImageData,
  ): Promise<string> {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const text = commandText(command);
    const bytes = encodeCommand(command, this.#options.maxCommandBytes);
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ??
      SILENCE_MS;
    const wait = new Wait(signal, timeoutMs, () => silent(text, timeoutMs));
    this.#waits.add(wait);
    const talk = this.#ready.then(() => {
      wait.signal.throwIfAborted(); // before a byte is out
      this.#expectUsable(text);
      return converse({
        transport: this.#transport,
        command: text,
        bytes,
        wait,
        onLife: () => this.#waits.forEach((one) => one.heard()),
        image,
        onMessage: this.#options.onMessage,
        onProgress: image && onProgress &&
          ((sent) => onProgress({ sent, size: sizeOf(image) })),
      });
    });
    this.#ready = talk.catch((error) => {
      if (isCoded(error, "fastboot.bad-reply")) this.#outOfStep = error;
    });
    try {
      return await abortable(talk, wait.signal);
    } finally {
      this.#waits.delete(wait);
      wait.end();
    }
  }

  #expectUsable(command: string): void {
    if (this.#closing !== undefined) {
      throw new FastbootError(
        "fastboot.closed",
        `Cannot send "${command}" to ${this.name}: the connection was closed`,
      );
    }
    if (this.#outOfStep === undefined) return;
    throw new FastbootError(
      "fastboot.out-of-step",
      `Cannot send "${command}" to ${this.name}: an earlier answer was none, so the next one may be that of another command; connect anew`,
      { facts: { command }, cause: this.#outOfStep },
    );
  }
}

function silent(command: string, timeoutMs: number): FastbootError {
  return new FastbootError(
    "fastboot.timeout",
    `Cannot finish "${command}": bootloader said nothing for ${timeoutMs} ms; restart its fastboot mode, and try another cable or port`,
    { facts: { command, timeoutMs } },
  );
}
