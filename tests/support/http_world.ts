/**
 * What tests of links share: a file on a server, options that do not wait long, comparisons.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ErrorCode, isCoded } from "../../src/errors.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import type { Clock } from "../../src/http/clock.ts";
import type { HttpOptions } from "../../src/http/options.ts";
import { patternBytes } from "../conformance/controlled_source.ts";
import {
  type ServerSettings,
  startHttpServer,
  type TestServer,
} from "./http_server.ts";

/** Larger than the first request, and no multiple of anything. */
export const FILE = patternBytes(300_007, 7);

/** Tries again soon, not often, and waits long for a machine that is busy. */
export const QUICK: HttpOptions = {
  retries: 2,
  retryDelayMs: 1,
  maxRetryDelayMs: 4,
  stallMs: 10_000,
};

/** Runs `use` with a server that has {@linkcode FILE}, or other content. */
export async function withServer(
  settings: Partial<ServerSettings>,
  use: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startHttpServer({ content: FILE, ...settings });
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

/** Reads a range and compares it with the file. */
export async function assertReads(
  reader: BlockReader,
  offset: number,
  length: number,
  file = FILE,
): Promise<void> {
  const into = new Uint8Array(length);
  const count = await reader.read(offset, into);
  const wanted = file.subarray(offset, offset + length);
  assert.equal(count, wanted.length);
  assert.ok(same(into.subarray(0, count), wanted), `bytes at ${offset} differ`);
}

/** Whether the bytes are equal, without the message that `deepEqual` makes of many. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Asserts that `work` fails by `code`; gives the message. */
export async function failsWith(
  code: ErrorCode,
  work: Promise<unknown>,
): Promise<string> {
  let message = "";
  await assert.rejects(work, (error: Error) => {
    message = error.message;
    assert.ok(isCoded(error, code), `found ${error.stack}, expected ${code}`);
    return true;
  });
  return message;
}

/** Waits until `is` holds, for what another process or thread has to notice first. */
export async function until(is: () => boolean, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (!is()) {
    assert.ok(Date.now() < end, "still not so");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Time that passes at once, and what was waited for. Waits of {@linkcode NEVER} do not end. */
export class QuickClock implements Clock {
  readonly waits: number[] = [];
  #now = 1e12;

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    if (ms >= NEVER) return () => {};
    this.waits.push(ms);
    const timer = setTimeout(() => {
      this.#now += ms;
      call();
    }, 0);
    return () => clearTimeout(timer);
  }
}

/** `stallMs` for a {@linkcode QuickClock}. */
export const NEVER = 1e9;
