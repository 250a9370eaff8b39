/**
 * Virtual phones on ports of this machine, on Deno, Bun and Node.
 *
 * @module
 */

import { PHONE_MODELS } from "../../phone/models.ts";
import {
  type PhoneEvent,
  VirtualPhone,
  type VirtualPhoneOptions,
} from "../../phone/virtual_phone.ts";
import type { ByteStream } from "../../usb/usbip/stream.ts";
import { type Machine, startMachine } from "./qemu.ts";
import { listenTcp, type TcpListener } from "./tcp.ts";

/** What a phone is like, and where it is found. */
export interface PhoneOptions extends
  Pick<
    VirtualPhoneOptions,
    "variables" | "maxDownloadSize" | "faults" | "bytesPerSecond" | "replugMs"
  > {
  /** Default `arm64`. */
  readonly model?: keyof typeof PHONE_MODELS | undefined;
  /** Of the bootloader; default 18d1:d00d, that of many. */
  readonly vendorId?: number | undefined;
  readonly productId?: number | undefined;
  /** What the bootloader says it is; by default what the profile of the model expects. */
  readonly product?: string | undefined;
  /** Default `virtual`. */
  readonly serialNumber?: string | undefined;
  /** Memory; default 512. */
  readonly memoryMiB?: number | undefined;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** For USB/IP; 0, the default, lets the system choose. */
  readonly port?: number | undefined;
  /** For the `fastboot` tool, likewise. */
  readonly fastbootPort?: number | undefined;
  /** Each machine is ended after this time; default a day. */
  readonly timeoutMs?: number | undefined;
  /** Called with each piece of the guest's console. */
  readonly onConsole?: ((text: string) => void) | undefined;
  readonly onEvent?: ((event: PhoneEvent) => void) | undefined;
}

/** A phone that is there. */
export interface RunningPhone {
  /** For USB/IP clients: `usbip://127.0.0.1:PORT`. */
  readonly usbIpUrl: string;
  /** For `fastboot -s`: `tcp:127.0.0.1:PORT`. */
  readonly fastbootAddress: string;
  /** What it booted, while that runs. */
  readonly machine: Machine | undefined;
  /** Settles when it is over; rejects when a machine could not be started. */
  readonly done: Promise<void>;
  /** Ends everything. */
  stop(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60_000;

/**
 * Starts a phone; it waits in its bootloader.
 *
 * @throws {UsbError} `usb.unreachable` when a port is taken
 */
export async function startPhone(
  options: PhoneOptions = {},
): Promise<RunningPhone> {
  const { host = "127.0.0.1", port, fastbootPort } = options;
  const usb = await listenTcp({ host, port });
  let tools: TcpListener;
  try {
    tools = await listenTcp({ host, port: fastbootPort });
  } catch (error) {
    usb.close();
    throw error;
  }
  const stop = new AbortController();
  let machine: Machine | undefined;
  const phone = makePhone(options, (started) => machine = started);
  const streams = new Set<ByteStream>();
  const done = Promise.all([
    accept(usb, streams, (stream) => phone.serveUsbIp(stream)),
    accept(tools, streams, (stream) => phone.serveFastbootTcp(stream)),
    phone.run(stop.signal).finally(() => {
      usb.close();
      tools.close();
      for (const stream of streams) stream.close();
    }),
  ]).then(() => {});
  done.catch(() => {}); // for whoever asks
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    usbIpUrl: `usbip://${name}:${usb.port}`,
    fastbootAddress: `tcp:${name}:${tools.port}`,
    get machine() {
      return machine;
    },
    done,
    async stop() {
      stop.abort(new Error("The phone was stopped"));
      await done.catch(() => {});
    },
  };
}

function makePhone(
  options: PhoneOptions,
  onMachine: (machine: Machine | undefined) => void,
): VirtualPhone {
  const { model = "arm64", memoryMiB = 512, timeoutMs = DAY_MS, onConsole } =
    options;
  const { machine, controller, product } = PHONE_MODELS[model];
  const { variables, maxDownloadSize, faults, bytesPerSecond, replugMs } =
    options;
  return new VirtualPhone({
    ...{ variables, maxDownloadSize, faults, bytesPerSecond, replugMs },
    machine,
    memoryMiB,
    identity: {
      vendorId: options.vendorId ?? 0x18d1,
      productId: options.productId ?? 0xd00d,
      manufacturer: "fastboop",
      product: options.product ?? product,
      serialNumber: options.serialNumber ?? "virtual",
    },
    onEvent: options.onEvent,
    async start({ kernel, ramdisk, cmdline }) {
      const started = await startMachine({
        ...{ machine, kernel, ramdisk, cmdline, controller },
        ...{ memoryMiB, timeoutMs },
        ...(onConsole === undefined ? {} : { onConsole }),
      });
      onMachine(started);
      started.exited.then(() => onMachine(undefined));
      return started;
    },
  });
}

async function accept(
  listener: TcpListener,
  streams: Set<ByteStream>,
  serve: (stream: ByteStream) => Promise<void>,
): Promise<void> {
  for await (const stream of listener.connections) {
    streams.add(stream);
    serve(stream).finally(() => streams.delete(stream));
  }
}
