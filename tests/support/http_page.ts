/**
 * What a page does in the test of a browser: reads a link, and tells its own server what came of it.
 *
 * @module
 */

import { withHttpAccess } from "../../src/http/access.ts";
import { openHttp } from "../../src/http/open.ts";
import { openHttpStream } from "../../src/http/stream.ts";

/** What the page tells. */
export interface PageResult {
  readonly size?: number;
  readonly identity?: string;
  readonly url?: string;
  /** SHA-256 of the file read by ranges, and as a stream; hexadecimal. */
  readonly ranges?: string;
  readonly stream?: string;
  readonly code?: string;
  readonly message?: string;
}

async function hash(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function read(link: string): Promise<PageResult> {
  const quick = { retries: 1, retryDelayMs: 1 };
  try {
    const reader = await openHttp(link, quick);
    const access = withHttpAccess(reader);
    const bytes = new Uint8Array(reader.size);
    for (let at = 0; at < bytes.length;) {
      at += await access.read(at, bytes.subarray(at, at + 100_001));
    }
    const { body } = await openHttpStream(link, quick);
    const all = new Uint8Array(await new Response(body).arrayBuffer());
    const { size, identity, url } = reader;
    const [ranges, stream] = [await hash(bytes), await hash(all)];
    return { size, identity, url, ranges, stream };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { ...(code === undefined ? {} : { code }), message };
  }
}

const { searchParams } = new URL(globalThis.location.href);
const results = await Promise.all(searchParams.getAll("link").map(read));
await fetch("/result", { method: "POST", body: JSON.stringify(results) });
