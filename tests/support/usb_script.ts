/**
 * The other end of a USB/IP connection, byte by byte: what our own encoders never see.
 *
 * @module
 */

import type { ByteStream } from "../../src/usb/usbip/stream.ts";
import { ByteSource } from "../../src/usb/usbip/stream.ts";
import { streamPair } from "./usb_streams.ts";

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(
    hex.replaceAll(/\s/g, "").match(/../g) ?? [],
    (pair) => parseInt(pair, 16),
  );

const be = (value: number) => (value >>> 0).toString(16).padStart(8, "0");

/** RET_SUBMIT with the data behind it, as hex. */
export function retSubmit(
  seqnum: number,
  { status = 0, length = 0, data = "" } = {},
): string {
  return "00000003" + be(seqnum) + "00000000".repeat(3) + be(status) +
    be(length || data.length / 2) + "00000000".repeat(5) + data;
}

/** RET_UNLINK as hex. */
export function retUnlink(seqnum: number, status: number): string {
  return "00000004" + be(seqnum) + "00000000".repeat(3) + be(status) +
    "00000000".repeat(6);
}

/** Reads and writes as a test says. */
export class Script {
  /** For the client. */
  readonly client: ByteStream;
  readonly #source: ByteSource;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #server: ByteStream;

  constructor() {
    const [client, server] = streamPair();
    this.client = client;
    this.#server = server;
    this.#source = new ByteSource(server.readable);
    this.#writer = server.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  /** The next bytes of the client, fewer when it left; this end leaves then, too. */
  async read(length: number): Promise<string> {
    const bytes = new Uint8Array(length);
    const found = await this.#source.fill(bytes);
    if (found < length) this.end();
    return hexOf(bytes.subarray(0, found));
  }

  write(hex: string): void {
    this.#writer.write(fromHex(hex)).catch(() => {});
  }

  /** Pulls the cable. */
  end(): void {
    this.#server.close();
  }
}
