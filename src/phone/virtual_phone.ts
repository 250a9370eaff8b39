/**
 * A phone without a phone: a bootloader on a bus of USB/IP, which starts what it is sent in a machine
 * and comes back as the machine's own device.
 *
 * @module
 */

import { abortable } from "../block/abortable.ts";
import { type ByteStream, closeStream } from "../usb/usbip/stream.ts";
import type { PhoneMachine } from "./agent.ts";
import { BootRefusal, loadBootImage, type LoadedImage } from "./bootloader.ts";
import { FastbootDevice } from "./fastboot_device.ts";
import { type FastbootFault, FaultPlan } from "./fastboot_faults.ts";
import { serveFastbootTcp } from "./fastboot_tcp.ts";
import {
  answersFetched,
  connectFastboot,
  FASTBOOT_PACKET_BYTES,
  fastbootSpec,
  type PhoneIdentity,
} from "./fastboot_usb.ts";
import { type CableSource, GuestPort } from "./guest_port.ts";
import { makeOdd } from "./odd_descriptors.ts";
import { slowStream } from "./slow_stream.ts";
import { type Exportable, exportModel, UsbIpServer } from "./usbip_server.ts";

/** A machine that was started. */
export interface RunningMachine extends CableSource {
  /** Settles when it has ended, with its exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** Of the process that holds it. */
  readonly pid: number;
  /** Ends it. */
  stop(): Promise<void>;
}

/** What became of a bootloader: it left the bus to start an image, or its cable was pulled. */
type FastbootEnd =
  | {
    readonly why: "left";
    /** What was sent, or nothing: what is installed. */
    readonly image: Uint8Array<ArrayBuffer> | undefined;
  }
  | { readonly why: "unplugged" };

/** Something happened to the phone. */
export type PhoneEvent =
  /** It is on the bus. */
  | {
    readonly type: "plugged";
    readonly as: "fastboot" | "gadget";
    readonly vendorId: number;
    readonly productId: number;
  }
  /** It left the bus. */
  | { readonly type: "unplugged"; readonly as: "fastboot" | "gadget" }
  /** A host has it. */
  | { readonly type: "imported" }
  /** And has it no more. */
  | { readonly type: "released"; readonly why: string }
  /** A host gave the bootloader a command. Over USB only. */
  | { readonly type: "command"; readonly text: string }
  /** The bootloader starts an image. */
  | {
    readonly type: "booting";
    /** As it came. */
    readonly image: Uint8Array<ArrayBuffer>;
    /** What was found in it. */
    readonly loaded: LoadedImage;
  }
  /** The machine runs. */
  | { readonly type: "started"; readonly pid: number }
  /** It has ended; the phone is in its bootloader again. */
  | { readonly type: "ended"; readonly code: number | null };

/** What a phone is made of. */
export interface VirtualPhoneOptions {
  readonly machine: PhoneMachine;
  readonly identity: PhoneIdentity;
  readonly memoryMiB: number;
  /** Besides `product`, `serialno` and what every bootloader says. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined;
  /** Bytes; 512 MiB when absent. */
  readonly maxDownloadSize?: number | undefined;
  /**
   * What goes wrong. Those at `usb` happen each time the bootloader is plugged in. Those at `gadget`
   * happen each time the guest's device is: `unplug` behind so many bytes to the guest, `delayMs`
   * before it is there.
   */
  readonly faults?: readonly FastbootFault[] | undefined;
  /** The cable carries no more, each way. */
  readonly bytesPerSecond?: number | undefined;
  /** Time off the bus after the cable was pulled, or the phone restarted; 1000 when absent. */
  readonly replugMs?: number | undefined;
  /** Starts a machine with what the bootloader found. */
  readonly start: (loaded: LoadedImage) => Promise<RunningMachine>;
  readonly onEvent?: ((event: PhoneEvent) => void) | undefined;
}

/** Where it is plugged in. */
const PHONE_BUSID = "1-1";
const REPLUG_MS = 1000;

/** Give it connections, and let it run. */
export class VirtualPhone {
  readonly #options: VirtualPhoneOptions;
  readonly #server: UsbIpServer;
  readonly #bootloader: FastbootDevice;
  readonly #plugFaults: FaultPlan;
  /** What the bootloader found in the image that it judged last. */
  #loaded: LoadedImage | undefined;
  /** Ends the time in the bootloader; nothing when it is not there. */
  #leave: ((end: FastbootEnd) => void) | undefined;
  /** A host talks to the bootloader over TCP. */
  #overTcp = false;

  /** Is nowhere yet. */
  constructor(options: VirtualPhoneOptions) {
    this.#options = options;
    const { identity, faults = [], variables, maxDownloadSize } = options;
    const isOfPlug = ({ at }: FastbootFault) => at === "gadget" || at === "usb";
    this.#plugFaults = new FaultPlan(faults.filter(isOfPlug));
    this.#bootloader = new FastbootDevice({
      variables: {
        product: identity.product,
        serialno: identity.serialNumber,
        unlocked: "yes",
        ...variables,
      },
      packetSize: FASTBOOT_PACKET_BYTES,
      ...(maxDownloadSize === undefined ? {} : { maxDownloadSize }),
      faults: faults.filter((fault) => !isOfPlug(fault)),
      judgeImage: (image) => this.#judge(image),
    });
    this.#server = new UsbIpServer({
      onImport: () => this.#tell({ type: "imported" }),
      onRelease: (_, why) => this.#tell({ type: "released", why }),
    });
  }

  /** Serves a connection of a USB/IP client. */
  serveUsbIp(stream: ByteStream): Promise<void> {
    return this.#server.serve(this.#cable(stream));
  }

  /** Serves a connection of a `fastboot` tool; refuses it when the bootloader is taken or not there. */
  async serveFastbootTcp(stream: ByteStream): Promise<void> {
    const leave = this.#leave;
    if (!leave || this.#overTcp || this.#server.used.length > 0) {
      return closeStream(stream);
    }
    this.#overTcp = true;
    const end = await serveFastbootTcp(
      this.#cable(stream),
      this.#bootloader,
    );
    this.#overTcp = false;
    if (end.why === "left" || end.why === "unplugged") leave(end);
    else this.#bootloader.reset();
  }

  /**
   * Is a phone until `signal` says no more. Everything that it started has ended then.
   *
   * @throws whatever `start` does
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const end = await this.#fastboot(signal);
        if (end.why === "left" && end.image && this.#loaded) {
          const loaded = this.#loaded;
          this.#loaded = undefined;
          await this.#boot(end.image, loaded, signal);
        }
        this.#bootloader.reset();
        await pause(this.#options.replugMs ?? REPLUG_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#server.close();
    }
  }

  async #judge(image: Uint8Array): Promise<string | undefined> {
    try {
      this.#loaded = await loadBootImage(image, this.#options);
      return undefined;
    } catch (error) {
      if (error instanceof BootRefusal) return error.message;
      throw error;
    }
  }

  /** In the bootloader, until it leaves the bus. */
  async #fastboot(signal: AbortSignal): Promise<FastbootEnd> {
    let onEnd!: (end: FastbootEnd) => void;
    const ended = new Promise<FastbootEnd>((resolve) => onEnd = resolve);
    const model = connectFastboot(
      fastbootSpec(this.#options.identity),
      this.#bootloader,
      {
        onCommand: (text) => this.#tell({ type: "command", text }),
        onUnplug: () => onEnd({ why: "unplugged" }),
        onLeave: (image) => {
          answersFetched(model).then(() => onEnd({ why: "left", image }));
        },
      },
    );
    const odd = this.#plugFaults.take("usb", "descriptors");
    if (odd !== undefined) makeOdd(model.descriptors, odd);
    const device = exportModel(model);
    this.#plug("fastboot", {
      identity: device.identity,
      attach: async (stream, devid) => {
        if (this.#overTcp) {
          closeStream(stream);
          return "in use over TCP";
        }
        const why = await device.attach(stream, devid);
        this.#bootloader.reset();
        return why;
      },
    });
    this.#leave = onEnd;
    try {
      return await abortable(ended, signal);
    } finally {
      this.#leave = undefined;
      this.#unplug("fastboot");
    }
  }

  /** Away, and back as the guest's device, until the machine ends. */
  async #boot(
    image: Uint8Array<ArrayBuffer>,
    loaded: LoadedImage,
    signal: AbortSignal,
  ): Promise<void> {
    this.#tell({ type: "booting", image, loaded });
    const machine = await this.#options.start(loaded);
    try {
      this.#tell({ type: "started", pid: machine.pid });
      const over = new AbortController();
      machine.exited.then(() => over.abort(new Error("The machine ended")));
      const either = AbortSignal.any([signal, over.signal]);
      try {
        while (!either.aborted) await this.#gadget(machine, either);
      } catch (error) {
        if (!either.aborted) throw error;
      }
    } finally {
      await machine.stop();
      this.#tell({ type: "ended", code: await machine.exited });
    }
  }

  /** The guest's device from its plug to its end. */
  async #gadget(machine: RunningMachine, signal: AbortSignal): Promise<void> {
    const cable = await machine.plugIn({ signal });
    const faults = this.#plugFaults;
    await pause(faults.take("gadget", "delayMs") ?? 0, signal);
    const unplugAt = (sent: number) =>
      faults.take("gadget", "unplug", (after) => sent >= after) !== undefined;
    const port = await GuestPort.open(machine, cable, signal, { unplugAt });
    if (port === undefined) return;
    this.#plug("gadget", port);
    await port.gone;
    this.#unplug("gadget");
  }

  #plug(as: "fastboot" | "gadget", device: Exportable): void {
    this.#server.plug(PHONE_BUSID, device);
    const { vendorId, productId } = device.identity;
    this.#tell({ type: "plugged", as, vendorId, productId });
  }

  #unplug(as: "fastboot" | "gadget"): void {
    this.#server.unplug(PHONE_BUSID);
    this.#tell({ type: "unplugged", as });
  }

  #cable(stream: ByteStream): ByteStream {
    const { bytesPerSecond } = this.#options;
    return bytesPerSecond === undefined
      ? stream
      : slowStream(stream, bytesPerSecond);
  }

  #tell(event: PhoneEvent): void {
    this.#options.onEvent?.(event);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  return abortable(over, signal).finally(() => clearTimeout(timer));
}
