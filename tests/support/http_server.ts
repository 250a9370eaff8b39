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
import {
  type Misbehaviour,
  parseRange,
  type Plan,
  planAnswer,
} from "./http_server_answers.ts";

export { type Misbehaviour, MISBEHAVIOURS } from "./http_server_answers.ts";

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
    const closed = new Promise((resolve) => response.once("close", resolve));
    let written: Promise<void> | undefined;
    try {
      const step = file === undefined ? CHUNK : 4 * CHUNK;
      for (let at = from; at < end && !response.destroyed; at += step) {
        const size = Math.min(step, end - at);
        const chunk = file === undefined
          ? bytes.subarray(at, at + size)
          : new Uint8Array(size);
        await file?.read(chunk, 0, size, at);
        let flushed = true;
        written = new Promise((resolve) => {
          flushed = response.write(chunk, () => resolve());
        });
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
      await Promise.race([written, closed]);
      // Bun's fetch drops bytes that it has not handed on when the end comes, and tells nobody when
      if ("Bun" in globalThis) await this.#sleep(50);
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
