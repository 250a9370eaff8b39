/**
 * fastboot over a stream of bytes, as Android's `fastboot -s tcp:HOST` speaks it.
 *
 * @module
 */

import { ByteSource, type ByteStream } from "../usb/usbip/stream.ts";
import type { CommandBytes } from "./command.ts";
import { FastbootError } from "./errors.ts";
import { joinPieces } from "./join_pieces.ts";
import { describePacket } from "./reply.ts";
import {
  type DataPieces,
  type FastbootTransport,
  MAX_REPLY_BYTES,
} from "./transport.ts";
import { Wait } from "./wait.ts";

/** Where bootloaders listen. */
export const FASTBOOT_TCP_PORT = 5554;
/** Bytes of a packet of data. */
const CHUNK_BYTES = 1 << 20;
const HANDSHAKE = new TextEncoder().encode("FB01");

/** What {@linkcode openFastbootTcp} can be told. */
export interface FastbootTcpOptions {
  /** Gives up; the stream is closed. */
  readonly signal?: AbortSignal | undefined;
  /** For the handshake; 5000 when absent. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Shakes hands with a bootloader: each side says `FB` and two digits of a version, 1 being the only
 * one there is. Behind that each packet has its length in 8 bytes before it, big-endian.
 *
 * @param name Of the phone, for messages: `tcp:host:port`.
 * @throws {FastbootError} `fastboot.bad-handshake`, `fastboot.timeout`, `fastboot.lost`. The stream is
 *   closed then.
 * @see AOSP platform/system/core/fastboot/README.md, "TCP Protocol v1"
 */
export async function openFastbootTcp(
  stream: ByteStream,
  name: string,
  { signal, timeoutMs = 5000 }: FastbootTcpOptions = {},
): Promise<FastbootTransport> {
  const wait = new Wait(signal, timeoutMs, () =>
    new FastbootError(
      "fastboot.timeout",
      `Cannot connect to ${name}: it did not say hello in ${timeoutMs} ms; is it in fastboot mode?`,
      { facts: { command: "FB01", timeoutMs } },
    ));
  const transport = new TcpTransport(stream, name);
  try {
    await Promise.race([transport.shakeHands(), wait.over]);
    return transport;
  } catch (error) {
    await transport.close();
    throw error;
  } finally {
    wait.end();
  }
}

class TcpTransport implements FastbootTransport {
  readonly name: string;
  readonly #stream: ByteStream;
  readonly #source: ByteSource;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: ByteStream, name: string) {
    this.name = name;
    this.#stream = stream;
    this.#source = new ByteSource(stream.readable);
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  async shakeHands(): Promise<void> {
    let found: Uint8Array;
    try {
      // Both sides speak first; who cannot be written to cannot be read from, either.
      this.#writer.write(HANDSHAKE).catch(() => {});
      found = await this.#read(HANDSHAKE.length);
    } catch (cause) {
      throw new FastbootError(
        "fastboot.lost",
        `Cannot connect to ${this.name}: it closed the connection before it said hello`,
        { facts: { command: "FB01" }, cause },
      );
    }
    // The lower version of both is spoken, and ours is the lowest.
    const version = /^FB(\d\d)$/.exec(String.fromCharCode(...found))?.[1];
    if (version !== undefined && Number(version) >= 1) return;
    throw new FastbootError(
      "fastboot.bad-handshake",
      `Cannot connect to ${this.name}: it says ${
        describePacket(found)
      }, expected "FB01"; it may be another service`,
      { facts: { found: describePacket(found) } },
    );
  }

  async send(command: CommandBytes): Promise<void> {
    await this.#write(command);
  }

  async sendData(
    _length: number,
    pieces: DataPieces,
    onProgress: (sent: number) => void,
  ): Promise<void> {
    let sent = 0;
    for await (const chunk of joinPieces(pieces, CHUNK_BYTES)) {
      await this.#write(chunk);
      onProgress(sent += chunk.length);
    }
  }

  async receive(): Promise<Uint8Array> {
    const header = await this.#read(8);
    const length = new DataView(header.buffer).getBigUint64(0);
    if (length > BigInt(MAX_REPLY_BYTES)) {
      throw new FastbootError(
        "fastboot.bad-reply",
        `Cannot read from ${this.name}: packet has ${length} bytes, expected at most ${MAX_REPLY_BYTES}`,
        { facts: { found: `${length} bytes` } },
      );
    }
    return await this.#read(Number(length));
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#source.cancel();
    try {
      this.#stream.close();
    } catch {
      // Was closed already.
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const header = new Uint8Array(8);
    new DataView(header.buffer).setBigUint64(0, BigInt(bytes.length));
    this.#writer.write(header).catch(() => {}); // then the next one fails, too
    await this.#writer.write(bytes);
  }

  async #read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    if (await this.#source.fill(bytes) < length) {
      throw new Error("the other side closed the connection");
    }
    return bytes;
  }
}
