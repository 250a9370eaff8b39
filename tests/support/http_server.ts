/**
 * A web server for tests: slow, narrow, and wrong in every way that servers are.
 *
 * @module
 */

import { open } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";

/** What a server may do instead of what it should. */
export const MISBEHAVIOURS = [
  "200 for a range",
  "200 without a length",
  "wrong start",
  "wrong end",
  "wrong total",
  "unknown total",
  "wrong unit",
  "no Content-Range",
  "wrong Content-Length",
  "short body",
  "long body",
  "reset before the answer",
  "reset in the body",
  "stall before the answer",
  "stall in the body",
  "503",
  "500",
  "429 with seconds",
  "429 with a date",
  "408",
  "401",
  "403",
  "404",
  "410",
  "416",
  "204",
  "other ETag",
  "other size",
  "other date",
  "weak ETag",
  "other weak ETag",
  "no validators",
  "redirect loop",
  "redirect to nowhere",
  "redirect without Location",
  "redirect elsewhere",
  "gzip",
  "multipart",
  "chunked",
  "garbage",
] as const;

/** One of {@linkcode MISBEHAVIOURS}. */
export type Misbehaviour = typeof MISBEHAVIOURS[number];

/** A request as it came. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of `Range`; without end as it was sent. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
  /** Its number, from 0. */
  readonly index: number;
  /** When it came, `Date.now()`. */
  readonly at: number;
  /** Bytes of the body that were sent. */
  sent: number;
  /** `undefined` while it is under way. */
  ended: "complete" | "aborted" | undefined;
}

/** What a server is told; all of it may be changed while it runs. */
export interface ServerSettings {
  /** The file, or the path of one. */
  content: Uint8Array | string;
  etag: string | undefined;
  lastModified: string | undefined;
  /** Before each answer. */
  latencyMs: number;
  /** Of each connection; 0 is as fast as it can. */
  bytesPerSecond: number;
  /** What to do about a request instead of what is right. */
  behave: (request: LoggedRequest) => Misbehaviour | undefined;
  /** Seconds that "429" says to wait. */
  retryAfter: number;
  /** Where "redirect elsewhere" leads. */
  elsewhere: string;
  /** Sent with every answer. */
  headers: Record<string, string>;
}

/** A server that runs. */
export interface TestServer {
  readonly settings: ServerSettings;
  /** Each request so far. */
  readonly requests: LoggedRequest[];
  /** Link of the file, or of another path of this server: all have the same content. */
  url(path?: string): string;
  /** Requests under way. */
  readonly open: number;
  /** The most there ever were at once. */
  readonly most: number;
  close(): Promise<void>;
}

/** Starts a server on a free port of this machine. */
export async function startHttpServer(
  settings: Partial<ServerSettings> & Pick<ServerSettings, "content">,
): Promise<TestServer> {
  const server = new MisbehavingServer({
    etag: '"v1"',
    lastModified: "Tue, 01 Jul 2025 10:00:00 GMT",
    latencyMs: 0,
    bytesPerSecond: 0,
    behave: () => undefined,
    retryAfter: 0,
    elsewhere: "",
    headers: {},
    ...settings,
  });
  await server.listen();
  return server;
}

const CHUNK = 65536;

class MisbehavingServer implements TestServer {
  readonly settings: ServerSettings;
  readonly requests: LoggedRequest[] = [];
  open = 0;
  most = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #closing = new AbortController();
  #port = 0;

  constructor(settings: ServerSettings) {
    this.settings = settings;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#server.listen(0, "127.0.0.1", resolve)
    );
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  url(path = "/image.img"): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections?.();
    await closed;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const log: LoggedRequest = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers as Record<string, string>,
      range: parseRange(request.headers.range),
      index: this.requests.length,
      at: Date.now(),
      sent: 0,
      ended: undefined,
    };
    this.requests.push(log);
    this.most = Math.max(this.most, ++this.open);
    response.on("close", () => {
      this.open--;
      // said when the end was written; runtimes differ in what they know of it
      log.ended ??= "aborted";
    });
    response.on("error", () => {});
    if (log.method !== "GET") {
      log.ended = "complete";
      response.writeHead(405).end();
      return;
    }
    await this.#sleep(this.settings.latencyMs);
    const content = await this.#size();
    const plan = planAnswer(this.settings, log, content);
    if (plan === "stall") return;
    if (plan === "reset") return void request.socket.destroy();
    if (plan === "garbage") {
      request.socket.write("\x00\x01 this is not HTTP \xff\r\n\r\n");
      return void request.socket.destroy();
    }
    const { status, headers, body } = plan;
    response.writeHead(status, { ...this.settings.headers, ...headers });
    await this.#send(response, log, plan.bytes ?? body, plan.stop);
  }

  async #size(): Promise<number> {
    const { content } = this.settings;
    if (typeof content !== "string") return content.length;
    const file = await open(content);
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }

  /** Sends bytes, or a range of the content; stops after some when told so. */
  async #send(
    response: ServerResponse,
    log: LoggedRequest,
    body: Uint8Array | readonly [start: number, end: number] | undefined,
    stop: Plan["stop"],
  ): Promise<void> {
    if (body === undefined) {
      log.ended = "complete";
      return void response.end();
    }
    const { content, bytesPerSecond } = this.settings;
    const [from, all] = body instanceof Uint8Array ? [0, body.length] : body;
    const end = stop === undefined ? all : Math.min(all, from + stop.after);
    const path = body instanceof Uint8Array || typeof content !== "string"
      ? undefined
      : content;
    const bytes = body instanceof Uint8Array ? body : content as Uint8Array;
    const file = path === undefined ? undefined : await open(path);
    try {
      const step = file === undefined ? CHUNK : 4 * CHUNK;
      for (let at = from; at < end && !response.destroyed; at += step) {
        const size = Math.min(step, end - at);
        const chunk = file === undefined
          ? bytes.subarray(at, at + size)
          : new Uint8Array(size);
        await file?.read(chunk, 0, size, at);
        const flushed = response.write(chunk);
        log.sent += size;
        if (bytesPerSecond > 0) {
          await this.#sleep(size / bytesPerSecond * 1000);
        } else if (!flushed) {
          await new Promise<void>((resolve) => {
            const go = () => {
              response.off("drain", go);
              response.off("close", go);
              resolve();
            };
            response.on("drain", go);
            response.on("close", go);
          });
        }
      }
    } finally {
      await file?.close();
    }
    if (stop?.then === "stall") return;
    // What was written has to be on its way before the connection ends.
    if (stop?.then === "reset") {
      await this.#sleep(20);
      response.destroy();
    } else {
      if (!response.destroyed) log.ended = "complete";
      response.end();
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (ms <= 0) return;
    const { signal } = this.#closing;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }
}

interface Plan {
  status: number;
  headers: Record<string, string>;
  /** Range of the content. */
  body?: readonly [start: number, end: number];
  /** Instead of it. */
  bytes?: Uint8Array;
  stop?: { readonly after: number; readonly then: "end" | "reset" | "stall" };
}

function parseRange(
  text: string | undefined,
): { start: number; end: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(text ?? "");
  if (match === null) return undefined;
  const end = match[2] === "" ? Infinity : Number(match[2]) + 1;
  return { start: Number(match[1]), end };
}

function planAnswer(
  settings: ServerSettings,
  request: LoggedRequest,
  size: number,
): Plan | "stall" | "reset" | "garbage" {
  const { etag, lastModified } = settings;
  const how = settings.behave(request);
  const validators: Record<string, string> = {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { "last-modified": lastModified }),
  };
  const right = rightAnswer(request, size, validators);
  const [start, end] = right.body ?? [0, 0];
  const half = Math.ceil((end - start) / 2);
  const set = (headers: Record<string, string>): Plan => ({
    ...right,
    headers: { ...right.headers, ...headers },
  });
  const status = (status: number, headers = {}): Plan => ({
    status,
    headers: { "content-length": "0", ...headers },
  });
  const chunked = () => {
    const { "content-length": _, ...headers } = right.headers;
    return { ...right, headers };
  };
  const range = (a: number, b: number, total: number | string) =>
    set({ "content-range": `bytes ${a}-${b - 1}/${total}` });
  switch (how) {
    case undefined:
      return right;
    case "200 for a range":
      return rightAnswer({ ...request, range: undefined }, size, validators);
    case "200 without a length":
      return { status: 200, headers: validators, body: [0, size] };
    case "wrong start":
      return range(start + 1, end + 1, size + 1);
    case "wrong end":
      return { ...range(start, end - 1, size), body: [start, end] };
    case "wrong total":
      return range(start, end, end);
    case "unknown total":
      return range(start, end, "*");
    case "wrong unit":
      return set({ "content-range": `items ${start}-${end - 1}/${size}` });
    case "no Content-Range": {
      const { "content-range": _, ...headers } = right.headers;
      return { ...right, headers };
    }
    case "wrong Content-Length":
      return {
        ...set({ "content-length": `${half}` }),
        body: [start, start + half],
      };
    case "short body":
      return { ...chunked(), stop: { after: half, then: "end" } };
    case "long body":
      return { ...chunked(), bytes: new Uint8Array(end - start + 10) };
    case "reset before the answer":
      return "reset";
    case "reset in the body":
      return { ...right, stop: { after: half, then: "reset" } };
    case "stall before the answer":
      return "stall";
    case "stall in the body":
      return { ...right, stop: { after: half, then: "stall" } };
    case "503":
      return status(503);
    case "429 with seconds":
      return status(429, { "retry-after": `${settings.retryAfter}` });
    case "429 with a date":
      return status(429, {
        date: new Date(1e12).toUTCString(),
        "retry-after": new Date(1e12 + settings.retryAfter * 1000)
          .toUTCString(),
      });
    case "500":
    case "408":
    case "401":
    case "403":
    case "404":
    case "410":
    case "204":
      return status(Number(how));
    case "416":
      return status(416, { "content-range": `bytes */${size}` });
    case "other ETag":
      return set({ etag: '"v2"' });
    case "other size":
      return rightAnswer(request, size - 1, validators);
    case "other date":
      return set({ "last-modified": "Wed, 02 Jul 2025 10:00:00 GMT" });
    case "weak ETag":
      return set({ etag: 'W/"v1"' });
    case "other weak ETag":
      return set({ etag: 'W/"v2"' });
    case "no validators":
      return rightAnswer(request, size, {});
    case "redirect loop":
      return status(302, { location: `${request.path}?again` });
    case "redirect to nowhere":
      return status(302, { location: "ftp://example.org/a" });
    case "redirect without Location":
      return status(302);
    case "redirect elsewhere":
      return status(302, { location: settings.elsewhere });
    case "gzip": {
      const { content } = settings;
      const bytes = gzipSync((content as Uint8Array).subarray(start, end));
      return {
        ...set({
          "content-encoding": "gzip",
          "content-length": `${bytes.length}`,
        }),
        bytes,
      };
    }
    case "multipart": {
      const { "content-range": part = "" } = right.headers;
      const bytes = new TextEncoder().encode(
        `--x\r\nContent-Range: ${part}\r\n\r\n…\r\n--x--\r\n`,
      );
      return {
        status: 206,
        headers: {
          ...validators,
          "content-type": "multipart/byteranges; boundary=x",
          "content-length": `${bytes.length}`,
        },
        bytes,
      };
    }
    case "chunked":
      return chunked();
    case "garbage":
      return "garbage";
  }
}

function rightAnswer(
  { range }: Pick<LoggedRequest, "range">,
  size: number,
  validators: Record<string, string>,
): Plan {
  const common = { ...validators, "accept-ranges": "bytes" };
  if (range === undefined) {
    const headers = { ...common, "content-length": `${size}` };
    return { status: 200, headers, body: [0, size] };
  }
  if (range.start >= size) {
    const headers = { "content-range": `bytes */${size}` };
    return { status: 416, headers: { ...common, ...headers } };
  }
  const end = Math.min(range.end, size);
  return {
    status: 206,
    headers: {
      ...common,
      "content-range": `bytes ${range.start}-${end - 1}/${size}`,
      "content-length": `${end - range.start}`,
    },
    body: [range.start, end],
  };
}
