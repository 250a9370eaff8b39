/**
 * TCP connections as streams of bytes, on Deno, Bun and Node alike.
 *
 * @module
 */

import net from "node:net";
import { UsbError } from "../../usb/errors.ts";
import type { ByteStream } from "../../usb/usbip/stream.ts";
import { systemCode } from "./system_error.ts";

/** Received bytes that wait for their reader before the other side is slowed down. */
const RECEIVE_BYTES = 1 << 20;

/** A server that gives each connection as a stream. */
export interface TcpListener {
  /** Chosen by the system where none was asked for. */
  readonly port: number;
  /** Connections as they come; ends when the listener is closed. For one consumer. */
  readonly connections: ReadableStream<ByteStream>;
  /** Listens no more; connections that were accepted stay open. */
  close(): void;
}

/**
 * Connects to a server.
 *
 * @param host Name or address.
 * @param options.signal Gives up the attempt; has no effect later on.
 * @throws {UsbError} `usb.unreachable`
 */
export function connectTcp(
  host: string,
  port: number,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = net.connect({ host, port });
    const leave = () => {
      socket.destroy();
      reject(signal!.reason);
    };
    const fail = (cause: Error) => {
      signal?.removeEventListener("abort", leave);
      reject(
        new UsbError(
          "usb.unreachable",
          `Cannot connect to ${host}:${port}: ${cause.message}; is the server running?`,
          { facts: { host, port }, cause },
        ),
      );
    };
    signal?.addEventListener("abort", leave, { once: true });
    socket.once("error", fail);
    socket.once("connect", () => {
      signal?.removeEventListener("abort", leave);
      socket.off("error", fail);
      resolve(streamOf(socket));
    });
  });
}

/**
 * Listens on an address of this machine, by default a free port of 127.0.0.1.
 *
 * @throws {UsbError} `usb.unreachable` when somebody else listens there
 */
export function listenTcp(
  { host = "127.0.0.1", port: wanted = 0 }: {
    readonly host?: string | undefined;
    readonly port?: number | undefined;
  } = {},
): Promise<TcpListener> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    let closed = false;
    let controller!: ReadableStreamDefaultController<ByteStream>;
    const close = () => {
      if (closed) return;
      closed = true;
      server.close();
      controller.close();
    };
    const connections = new ReadableStream<ByteStream>({
      start: (given) => void (controller = given),
      cancel: close,
    });
    server.on("connection", (socket) => {
      const stream = streamOf(socket);
      if (closed) stream.close();
      else controller.enqueue(stream);
    });
    const fail = (cause: Error) =>
      reject(
        new UsbError(
          "usb.unreachable",
          `Cannot listen on ${host}:${wanted}: ${cause.message}; choose another ${
            ["EADDRINUSE", "EACCES"].includes(systemCode(cause))
              // any other is about the address
              ? "port"
              : "address of this machine"
          }`,
          { facts: { host, port: wanted }, cause },
        ),
      );
    server.once("error", fail);
    server.listen(wanted, host, () => {
      server.off("error", fail);
      const { port } = server.address() as net.AddressInfo;
      resolve({ port, connections, close });
    });
  });
}

function streamOf(socket: net.Socket): ByteStream {
  // Every message is waited for: without this it would wait for the next one.
  socket.setNoDelay(true);
  return {
    readable: readableOf(socket),
    writable: writableOf(socket),
    close: () => void socket.destroy(),
  };
}

function readableOf(socket: net.Socket): ReadableStream<Uint8Array> {
  let over = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const finish = (error?: Error) => {
        if (over) return;
        over = true;
        if (error === undefined) controller.close();
        else controller.error(error);
      };
      socket.on("data", (chunk: Uint8Array) => {
        if (over) return;
        controller.enqueue(chunk);
        if (controller.desiredSize! <= 0) socket.pause();
      });
      socket.on("end", () => finish());
      socket.on("error", finish);
      socket.on("close", () => finish());
    },
    pull: () => void socket.resume(),
    cancel() {
      over = true;
      socket.destroy();
    },
  }, { highWaterMark: RECEIVE_BYTES, size: (chunk) => chunk.byteLength });
}

function writableOf(socket: net.Socket): WritableStream<Uint8Array> {
  let wake: (() => void) | undefined;
  const woken = () => {
    wake?.();
    wake = undefined;
  };
  return new WritableStream<Uint8Array>({
    start(controller) {
      socket.on("drain", woken);
      socket.on("error", (error) => {
        controller.error(error);
        woken();
      });
      socket.on("close", () => {
        controller.error(new Error("The connection was closed"));
        woken();
      });
    },
    write(chunk) {
      if (socket.destroyed || socket.write(chunk)) return;
      return new Promise((resolve) => wake = resolve);
    },
    // All that was written is with the kernel then.
    close: () =>
      new Promise((resolve) => {
        wake = resolve;
        socket.end(resolve);
      }),
    abort: () => void socket.destroy(),
  });
}
