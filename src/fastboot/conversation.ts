/**
 * One command, from its bytes to its answer.
 *
 * @module
 */

import type { CommandBytes } from "./command.ts";
import { FastbootError } from "./errors.ts";
import { type ImageData, OutgoingImage, sizeOf } from "./image_data.ts";
import {
  describePacket,
  type FastbootReply,
  parseDataLength,
  parseReply,
} from "./reply.ts";
import type { FastbootTransport } from "./transport.ts";
import type { Wait } from "./wait.ts";

/** INFO and TEXT to one command; a bootloader that says more has lost its way. */
const MAX_MESSAGES = 10_000;

/** Something that a bootloader says while it works. */
export interface FastbootMessage {
  /** Of what it is part: `boot`. */
  readonly command: string;
  /** `info` is a line, `text` is part of one. */
  readonly type: "info" | "text";
  /** Its words. */
  readonly text: string;
}

/** What is said, and to whom. */
export interface Topic {
  readonly transport: FastbootTransport;
  readonly command: string;
  readonly bytes: CommandBytes;
  /** Of the one who asked; he may have left. */
  readonly wait: Wait;
  /** Called at each sign of life. */
  readonly onLife: () => void;
  /** For the data that the command announces. */
  readonly image?: ImageData | undefined;
  readonly onMessage?: ((message: FastbootMessage) => void) | undefined;
  readonly onProgress?: ((sent: number) => void) | undefined;
}

/**
 * Sends a command and what it announces, and reads to its last answer, also when nobody waits for it
 * any more.
 *
 * @returns The text of OKAY.
 * @throws {FastbootError}
 */
export async function converse(topic: Topic): Promise<string> {
  const { transport, bytes, wait, image } = topic;
  await reach(topic, () => transport.send(bytes));
  topic.onLife();
  const first = await lastReply(topic);
  if (image === undefined) return expectOkay(topic, first);
  if (first.status === "FAIL") return expectOkay(topic, first);
  const announced = first.status === "DATA"
    ? parseDataLength(first.text)
    : undefined;
  const size = sizeOf(image);
  if (announced === undefined) {
    throw badReply(topic, `${first.status}${first.text}`, "DATA and a length");
  }
  const leave = (problem: unknown) => wait.leave(problem);
  const wrong = announced === size ? undefined : wrongLength(topic, announced);
  if (wrong !== undefined) leave(wrong);
  const outgoing = new OutgoingImage(image, wait.signal, leave);
  await reach(
    topic,
    () =>
      transport.sendData(announced, outgoing.pieces(announced), (sent) => {
        topic.onLife();
        tell(wait, () => topic.onProgress?.(sent));
      }),
  );
  const answer = await lastReply(topic);
  const problem = wrong ?? outgoing.problem;
  if (problem !== undefined) throw problem;
  return expectOkay(topic, answer);
}

/** The first reply that is neither INFO nor TEXT. */
async function lastReply(topic: Topic): Promise<FastbootReply> {
  const { transport, command, wait, onMessage } = topic;
  for (let count = 0; count <= MAX_MESSAGES; count++) {
    const packet = await reach(topic, () => transport.receive());
    topic.onLife();
    const reply = parseReply(packet);
    if (reply === undefined) {
      throw badReply(topic, describePacket(packet), "INFO, TEXT, OKAY or FAIL");
    }
    const { status, text } = reply;
    if (status !== "INFO" && status !== "TEXT") return reply;
    const type = status === "INFO" ? "info" : "text";
    tell(wait, () => onMessage?.({ command, type, text }));
  }
  throw badReply(topic, `${MAX_MESSAGES} messages`, "OKAY or FAIL");
}

/** Tells who asked, if he is there still. His mistakes end his wait, not the conversation. */
function tell(wait: Wait, work: () => void): void {
  if (wait.signal.aborted) return;
  try {
    work();
  } catch (error) {
    wait.leave(error);
  }
}

function expectOkay(topic: Topic, { status, text }: FastbootReply): string {
  if (status === "OKAY") return text;
  const { transport, command } = topic;
  if (status !== "FAIL") throw badReply(topic, `${status}${text}`, "OKAY");
  throw new FastbootError(
    "fastboot.failed",
    `Cannot run "${command}" on ${transport.name}: bootloader answered FAIL ${
      JSON.stringify(text)
    }${
      command === "boot"
        ? "; it may be locked, or know no way to start an image from memory"
        : ""
    }`,
    { facts: { command, message: text } },
  );
}

function wrongLength(
  { transport, image }: Topic,
  found: number,
): FastbootError {
  const expected = image === undefined ? 0 : sizeOf(image);
  return new FastbootError(
    "fastboot.data-length",
    `Cannot send boot image to ${transport.name}: bootloader wants ${found} bytes, expected ${expected}; try another cable or port`,
    { facts: { found, expected } },
  );
}

function badReply(
  { transport, command }: Topic,
  found: string,
  expected: string,
): FastbootError {
  return new FastbootError(
    "fastboot.bad-reply",
    `Cannot run "${command}" on ${transport.name}: bootloader answered ${found}, expected ${expected}; restart its fastboot mode`,
    { facts: { command, found } },
  );
}

/** What a transport throws means that the phone cannot be reached any more. */
async function reach<T>(
  { transport, command }: Topic,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FastbootError) throw cause;
    throw new FastbootError(
      "fastboot.lost",
      `Cannot finish "${command}" on ${transport.name}: ${
        cause instanceof Error ? cause.message : String(cause)
      }`,
      { facts: { command }, cause },
    );
  }
}
