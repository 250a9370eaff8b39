/**
 * Writes down what hosts and bootloaders say, as tests/transcripts/fastboot/README.md has it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { buildBootImage } from "../../src/format/bootimg/build.ts";
import type { CommandBytes } from "../../src/fastboot/command.ts";
import type {
  DataPieces,
  FastbootTransport,
} from "../../src/fastboot/transport.ts";
import {
  type FastbootAction,
  FastbootDevice,
  type FastbootDeviceOptions,
} from "../../src/phone/fastboot_device.ts";

/** What the bootloader of recorded conversations says. */
export const RECORDED_VARIABLES: Readonly<Record<string, string>> = {
  product: "virtual-phone-arm64",
  serialno: "0123456789",
  "partition-type:op2": "raw",
};
/** Bytes that it takes. */
export const RECORDED_LIMIT = 16 << 20;

/** The image of recorded conversations: always the same bytes. */
export async function recordedImage(): Promise<Uint8Array<ArrayBuffer>> {
  const kernel = Uint8Array.from({ length: 70_001 }, (_, at) => at * 31 >> 3);
  const ramdisk = new Uint8Array(5000).fill(3);
  const { bytes } = await buildBootImage(
    { headerVersion: 0, pageSize: 2048 },
    { kernel, ramdisk, cmdline: "quiet" },
  );
  return bytes;
}

/** A bootloader whose conversations are written down. */
export class RecordingDevice extends FastbootDevice {
  readonly lines: string[] = [];
  readonly #data: Uint8Array[] = [];

  constructor(options: FastbootDeviceOptions = {}) {
    super({
      variables: RECORDED_VARIABLES,
      maxDownloadSize: RECORDED_LIMIT,
      ...options,
    });
  }

  override async *receive(packet: Uint8Array): AsyncGenerator<FastbootAction> {
    const { expected } = this;
    if (expected === 0) this.lines.push(commandLine(packet));
    else {
      this.#data.push(packet.slice());
      if (packet.length >= expected) this.lines.push(dataLine(this.#data));
    }
    for await (const action of super.receive(packet)) {
      if (action.kind === "reply") this.lines.push(replyLine(action.packet));
      yield action;
    }
  }
}

/** A connection to a bootloader that is written down. */
export class RecordingTransport implements FastbootTransport {
  readonly lines: string[] = [];
  readonly #inner: FastbootTransport;

  constructor(inner: FastbootTransport) {
    this.#inner = inner;
  }

  get name(): string {
    return this.#inner.name;
  }

  async send(command: CommandBytes): Promise<void> {
    this.lines.push(commandLine(command));
    await this.#inner.send(command);
  }

  async sendData(
    length: number,
    pieces: DataPieces,
    onProgress: (sent: number) => void,
  ): Promise<void> {
    const data: Uint8Array[] = [];
    const kept = async function* () {
      for await (const piece of pieces) {
        data.push(piece.slice());
        yield piece;
      }
    };
    await this.#inner.sendData(length, kept(), onProgress);
    this.lines.push(dataLine(data.splice(0)));
  }

  async receive(): Promise<Uint8Array> {
    const packet = await this.#inner.receive();
    this.lines.push(replyLine(packet));
    return packet;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** `> text` */
function commandLine(packet: Uint8Array): string {
  return `> ${escape(packet)}`;
}

/** `< text` */
function replyLine(packet: Uint8Array): string {
  return `< ${escape(packet)}`;
}

/** `>> n sha256:…`; the pieces are taken. */
function dataLine(pieces: Uint8Array[]): string {
  const hash = createHash("sha256");
  let length = 0;
  for (const piece of pieces.splice(0)) {
    hash.update(piece);
    length += piece.length;
  }
  return `>> ${length} sha256:${hash.digest("hex")}`;
}

function escape(bytes: Uint8Array): string {
  return [...bytes].map((byte) => {
    const text = String.fromCharCode(byte);
    if (text === "\\") return "\\\\";
    if (text === "\n") return "\\n";
    if (text === "\r") return "\\r";
    return byte >= 0x20 && byte < 0x7f
      ? text
      : `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}
