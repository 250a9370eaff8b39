/**
 * Conversations with bootloaders from text files, see tests/transcripts/fastboot/README.md.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CommandBytes } from "../../src/fastboot/command.ts";
import type {
  DataPieces,
  FastbootTransport,
} from "../../src/fastboot/transport.ts";

/** Something that one side said. */
export type Line =
  | { readonly kind: "command" | "reply"; readonly bytes: Uint8Array }
  | { readonly kind: "data"; readonly length: number; readonly hash: string };

/** Plays the bootloader of a transcript, and checks every byte that the host sends. */
export class Replay implements FastbootTransport {
  readonly name: string;
  readonly #lines: Line[];
  closed = false;

  /** @param file Below tests/transcripts/fastboot/. */
  constructor(file: string) {
    this.name = file;
    this.#lines = readTranscript(file);
  }

  /** What was not said. */
  get left(): number {
    return this.#lines.length;
  }

  // deno-lint-ignore require-await
  async send(command: CommandBytes): Promise<void> {
    const line = this.#next();
    assert.ok(line.kind === "command", `no command belongs here: ${command}`);
    assert.deepEqual([...command], [...line.bytes]);
  }

  async sendData(
    length: number,
    pieces: DataPieces,
    onProgress: (sent: number) => void,
  ): Promise<void> {
    const line = this.#next();
    assert.ok(line.kind === "data", "no data belongs here");
    const hash = createHash("sha256");
    let sent = 0;
    for await (const piece of pieces) {
      hash.update(piece);
      onProgress(sent += piece.length);
    }
    assert.equal(sent, length);
    assert.equal(sent, line.length);
    assert.equal(hash.digest("hex"), line.hash);
  }

  // deno-lint-ignore require-await
  async receive(): Promise<Uint8Array> {
    const line = this.#next();
    assert.ok(line.kind === "reply", "the bootloader says nothing here");
    return line.bytes;
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.closed = true;
  }

  #next(): Line {
    const line = this.#lines.shift();
    assert.ok(line !== undefined, "the conversation is over");
    return line;
  }
}

/**
 * What was said, in order.
 *
 * @param file Below tests/transcripts/fastboot/.
 */
export function readTranscript(file: string): Line[] {
  const url = new URL(`../transcripts/fastboot/${file}`, import.meta.url);
  return parseTranscript(readFileSync(url, "utf8"));
}

/** What was said, in order. */
export function parseTranscript(text: string): Line[] {
  return text.split("\n").flatMap((line): Line[] => {
    if (line === "" || line.startsWith("#")) return [];
    const data = /^>> (\d+) sha256:([0-9a-f]{64})$/.exec(line);
    if (data) return [{ kind: "data", length: +data[1]!, hash: data[2]! }];
    const packet = /^([<>]) (.*)$/.exec(line);
    assert.ok(packet, `cannot read ${line}`);
    const kind = packet[1] === ">" ? "command" : "reply";
    return [{ kind, bytes: unescape(packet[2]!) }];
  });
}

function unescape(text: string): Uint8Array {
  const plain: Record<string, string> = { n: "\n", r: "\r", "\\": "\\" };
  const decoded = text.replace(
    /\\(?:x([0-9a-f]{2})|(.))/g,
    (_, hex, one) => hex ? String.fromCharCode(parseInt(hex, 16)) : plain[one]!,
  );
  return Uint8Array.from(decoded, (one) => one.charCodeAt(0));
}
