/**
 * Damaged answers of web servers, from whole ones.
 *
 * @module
 */

import { isCoded } from "../../src/errors.ts";
import { openHttp } from "../../src/http/open.ts";
import { openHttpStream } from "../../src/http/stream.ts";
import { FILE, NEVER, QuickClock, same } from "../support/http_world.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const DATES = `Date: Sat, 15 Nov 2025 10:00:00 GMT
Last-Modified: Tue, 01 Jul 2025 10:00:00 GMT`;
const HEAD = `206 Partial Content
Content-Range: bytes 0-65535/${FILE.length}
Content-Length: 65536`;
const REST = `206 Partial Content
Content-Range: bytes 100000-109999/${FILE.length}
Content-Length: 10000`;

/** Answers as servers gave them, one conversation each: an opening and a read, or a stream. */
const SEEDS: Readonly<Record<string, readonly string[]>> = {
  apache: [HEAD, REST].map((head) =>
    `${head}\n${DATES}\nETag: "49407-63f2d1"\nAccept-Ranges: bytes`
  ),
  "without ETag": [HEAD, REST].map((head) => `${head}\n${DATES}`),
  "without anything": [HEAD, REST],
  busy: [
    `503 Service Unavailable\nRetry-After: 1\nContent-Length: 0`,
    `${HEAD}\nETag: "a"`,
    `429 Too Many Requests\nRetry-After: Sat, 15 Nov 2025 10:00:05 GMT\n${DATES}`,
    `${REST}\nETag: "a"`,
  ],
  redirected: [
    "302 Found\nLocation: https://cdn.example.net/a?sig=b",
    `${HEAD}\nETag: "a"`,
    "403 Forbidden\nContent-Length: 9",
    "301 Moved Permanently\nLocation: /b",
    `${REST}\nETag: "a"`,
  ],
  empty: ["416 Range Not Satisfiable\nContent-Range: bytes */0"],
  stream: [
    `200 OK\nContent-Length: ${FILE.length}\nETag: "a"\nX-Body: 100000`,
    `206 Partial Content\nETag: "a"
Content-Range: bytes 100000-${FILE.length - 1}/${FILE.length}`,
  ],
};
const SEPARATOR = "\n\n";
const TEXT = new TextEncoder();

/** Openings, reads and streams over what a server may say. */
export const httpTarget: FuzzTarget = {
  makeInput(run) {
    const next = randomNumbers(run);
    const names = Object.keys(SEEDS);
    const name = names[next() % names.length]!;
    const bytes = TEXT.encode(SEEDS[name]!.join(SEPARATOR));
    // values say more than names
    const spots = [...SEEDS[name]!.join(SEPARATOR).matchAll(/[\d"*]+/g)]
      .map(({ index }) => index);
    return Promise.resolve({ name, bytes: mutate(bytes, spots, next) });
  },
  async runInput(name, bytes) {
    const options = {
      fetch: answering(new TextDecoder().decode(bytes)),
      clock: new QuickClock(),
      random: () => 0.5,
      stallMs: NEVER,
      retries: 3,
    };
    let opened = false;
    try {
      if (name === "stream") {
        const { body, size } = await openHttpStream("http://a/b", options);
        opened = true;
        const all = new Uint8Array(await new Response(body).arrayBuffer());
        if (size !== undefined && all.length !== size) {
          throw new Error(`${all.length} bytes of ${size}`);
        }
        judge(all, 0);
        return { opened, read: true };
      }
      const reader = await openHttp("http://a/b", options);
      opened = true;
      const into = new Uint8Array(10_000);
      const count = await reader.read(100_000, into);
      const wanted = Math.max(0, Math.min(10_000, reader.size - 100_000));
      if (count !== wanted) throw new Error(`${count} bytes of ${wanted}`);
      judge(into.subarray(0, count), 100_000);
      return { opened, read: true };
    } catch (error) {
      if (!isCoded(error) || !error.code.startsWith("http.")) throw error;
      return { opened, read: false };
    }
  },
};

/** The server is honest in its bytes: what is given has to be those of the file. */
function judge(found: Uint8Array, offset: number): void {
  const wanted = bytesFrom(offset, found.length);
  if (!same(found, wanted)) throw new Error(`other bytes at ${offset}`);
}

function bytesFrom(offset: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(FILE.subarray(offset, offset + size));
  return bytes;
}

/** Gives one answer after another, with the bytes of the range that was asked for. */
function answering(text: string): typeof fetch {
  const answers = text.split(SEPARATOR);
  let next = 0;
  return (_, init) => {
    const [line = "", ...lines] = answers[next++ % answers.length]!.split("\n");
    const headers = new Headers();
    for (const one of lines) {
      const colon = one.indexOf(":");
      try {
        headers.append(one.slice(0, colon), one.slice(colon + 1));
      } catch {
        // no header at all: a runtime leaves it out, or fails
        return Promise.reject(new TypeError("bad header"));
      }
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(
      new Headers(init?.headers).get("range") ?? "",
    );
    const start = Number(range?.[1] ?? 0);
    const end = range === null ? FILE.length : Number(range[2]) + 1;
    const size = Number(headers.get("x-body") ?? end - start);
    const status = Number(line.slice(0, 3));
    if (!(size >= 0 && size <= 1 << 20) || !(status >= 200 && status <= 599)) {
      return Promise.reject(new TypeError("bad answer"));
    }
    const bare = [204, 205, 304].includes(status);
    const body = bare ? null : bytesFrom(start, size);
    const statusText = line.slice(4).replaceAll(/[^ -~]/g, "");
    return Promise.resolve(new Response(body, { status, statusText, headers }));
  };
}
