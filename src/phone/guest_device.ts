/**
 * The device of a guest as one to hand out: URBs go through to its controller.
 *
 * @module
 */

import { struct, u32be } from "../bytes/struct.ts";
import {
  ConfigurationDescriptor,
  DeviceDescriptor,
  DT_CONFIGURATION,
  DT_DEVICE,
  parseConfiguration,
} from "../usb/descriptors.ts";
import {
  CmdSubmit,
  NOT_ISOCHRONOUS,
  RetSubmit,
  URB_HEADER_SIZE,
  USBIP_CMD_SUBMIT,
  USBIP_DIR_IN,
  USBIP_DIR_OUT,
} from "../usb/usbip/messages.ts";
import {
  ByteSource,
  type ByteStream,
  closeStream,
} from "../usb/usbip/stream.ts";
import type { Exportable, ExportedIdentity } from "./usbip_server.ts";
import { MAX_URB_BYTES } from "./usbip_urbs.ts";

/** Where a header has the `devid`. */
const DEVID_AT = 8;
/** Far from those of a client, which come on the same connection. */
const FIRST_SEQNUM = 0xffff_ff00;
const CLIENT_LEFT = "client left";
/** Time for the guest to close its end when ours is closed. */
const LINGER_MS = 3000;
const Head = struct("USB/IP header", {
  command: u32be,
  seqnum: u32be,
  devid: u32be,
  direction: u32be,
});

/** A connection to the controller of a guest, in the phase of URBs. */
export interface GuestCable {
  readonly stream: ByteStream;
  /** What the guest demands of every URB. */
  readonly devid: number;
  /** `enum usb_device_speed`. */
  readonly speed: number;
}

/** What a cable can be given. */
export interface GuestCableOptions {
  /** Pulls it: asked behind each message to the guest, with all bytes that went through it so far. */
  readonly unplugAt?: ((sent: number) => boolean) | undefined;
}

/** What is plugged in at a guest. It can be handed out once: the guest sees who gives it back go. */
export class GuestDevice implements Exportable {
  readonly identity: ExportedIdentity;
  /** Settles when the guest has closed its end. */
  readonly gone: Promise<void>;
  readonly #cable: GuestCable;
  readonly #options: GuestCableOptions;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #left: () => void;
  #hasLeft = false;
  #released = false;
  /** What the guest says next: waited for all the time, so that its end is noticed. */
  #next: Promise<Uint8Array | undefined>;

  private constructor(
    cable: GuestCable,
    identity: ExportedIdentity,
    options: GuestCableOptions,
  ) {
    this.identity = identity;
    this.#cable = cable;
    this.#options = options;
    let left!: () => void;
    this.gone = new Promise((resolve) => left = resolve);
    this.#left = left;
    this.#reader = cable.stream.readable.getReader();
    this.#next = this.#read();
  }

  /**
   * Asks the device who it is, as the system does that it is plugged into.
   *
   * @returns Nothing when it left meanwhile, or what it says makes no sense.
   */
  static async open(
    cable: GuestCable,
    options: GuestCableOptions = {},
  ): Promise<GuestDevice | undefined> {
    try {
      const identity = await identify(cable);
      return new GuestDevice(cable, identity, options);
    } catch {
      closeStream(cable.stream);
      return undefined;
    }
  }

  /** It was handed out, and given back. */
  get released(): boolean {
    return this.#released;
  }

  /** Pulls the cable. */
  close(): void {
    this.#reader.cancel().catch(() => {});
    closeStream(this.#cable.stream);
    this.#left();
  }

  async attach(client: ByteStream): Promise<string> {
    const back = this.#pumpBack(client);
    const why = await this.#pumpThere(client);
    const guestLeft = this.#hasLeft;
    this.#released = !guestLeft && why === CLIENT_LEFT;
    closeStream(client);
    await this.#end(back);
    return guestLeft ? "guest left" : why;
  }

  async #read(): Promise<Uint8Array | undefined> {
    const { value } = await this.#reader.read().catch(() => ({
      value: undefined,
    }));
    if (value === undefined) {
      this.#hasLeft = true;
      this.#left();
    }
    return value;
  }

  /** What the guest says, to its end, also when nobody listens any more. */
  async #pumpBack(client: ByteStream): Promise<void> {
    const writer = client.writable.getWriter();
    writer.closed.catch(() => {});
    for (;;) {
      const value = await this.#next;
      if (value === undefined) break;
      this.#next = this.#read();
      await writer.write(value).catch(() => {});
    }
    await writer.close().catch(() => {});
    closeStream(client);
  }

  /**
   * What the client says, message by message. One that does not come whole is not passed on:
   * usbip-vudc of Linux 6.12 crashes where a connection ends within the data of an OUT
   * (`usbip_recv_xbuff`), and no bytes may be made up for it.
   */
  async #pumpThere(client: ByteStream): Promise<string> {
    const source = new ByteSource(client.readable);
    const writer = this.#cable.stream.writable.getWriter();
    writer.closed.catch(() => {});
    let sent = 0;
    try {
      for (;;) {
        const header = new Uint8Array(URB_HEADER_SIZE);
        if (await source.fill(header) < header.length) return CLIENT_LEFT;
        const length = dataLength(header);
        if (length > MAX_URB_BYTES) return `an URB of ${length} bytes`;
        const message = new Uint8Array(header.length + length);
        message.set(header);
        const data = message.subarray(header.length);
        if (await source.fill(data) < length) return CLIENT_LEFT;
        new DataView(message.buffer).setUint32(DEVID_AT, this.#cable.devid);
        await writer.write(message);
        sent += message.length;
        if (this.#options.unplugAt?.(sent)) return "unplugged";
      }
    } catch {
      return CLIENT_LEFT;
    } finally {
      source.cancel();
      writer.releaseLock();
    }
  }

  /** What was written arrives first; to close at once would cut it. */
  async #end(back: Promise<void>): Promise<void> {
    await this.#cable.stream.writable.close().catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) =>
      timer = setTimeout(resolve, LINGER_MS)
    );
    await Promise.race([back, late]);
    clearTimeout(timer);
    this.close();
  }
}

/** Bytes behind a header of a client. */
function dataLength(header: Uint8Array): number {
  const { command, direction } = Head.read(header);
  if (command !== USBIP_CMD_SUBMIT || direction !== USBIP_DIR_OUT) return 0;
  return CmdSubmit.read(header).transferBufferLength;
}

async function identify(cable: GuestCable): Promise<ExportedIdentity> {
  const source = new ByteSource(cable.stream.readable);
  const writer = cable.stream.writable.getWriter();
  let seqnum = FIRST_SEQNUM;
  const ask = async (value: number, length: number) => {
    await writer.write(getDescriptor(++seqnum, cable.devid, value, length));
    const reply = new Uint8Array(RetSubmit.size);
    if (await source.fill(reply) < reply.length) throw new Error("It left");
    const { seqnum: answered, status, actualLength } = RetSubmit.read(reply);
    if (answered !== seqnum || status !== 0 || actualLength > length) {
      throw new Error("It refused");
    }
    const data = new Uint8Array(actualLength);
    if (await source.fill(data) < data.length) throw new Error("It left");
    return data;
  };
  const device = DeviceDescriptor.read(
    await ask(DT_DEVICE << 8, DeviceDescriptor.size),
  );
  const configuration = DT_CONFIGURATION << 8;
  const { totalLength } = ConfigurationDescriptor.read(
    await ask(configuration, ConfigurationDescriptor.size),
  );
  const { interfaces } = parseConfiguration(
    await ask(configuration, totalLength),
  );
  source.release();
  writer.releaseLock();
  const { vendorId, productId, deviceVersion, configurationCount } = device;
  return {
    vendorId,
    productId,
    speed: cable.speed,
    deviceVersion,
    configurationCount,
    interfaces: interfaces.map(({ alternates: [first] }) => [
      first!.interfaceClass,
      first!.interfaceSubclass,
      first!.interfaceProtocol,
    ]),
  };
}

function getDescriptor(
  seqnum: number,
  devid: number,
  value: number,
  length: number,
): Uint8Array {
  const setup = new Uint8Array(8);
  const view = new DataView(setup.buffer);
  setup.set([0x80, 6]);
  view.setUint16(2, value, true);
  view.setUint16(6, length, true);
  return CmdSubmit.encode({
    command: USBIP_CMD_SUBMIT,
    seqnum,
    devid,
    direction: USBIP_DIR_IN,
    endpoint: 0,
    transferFlags: 0,
    transferBufferLength: length,
    startFrame: 0,
    numberOfPackets: NOT_ISOCHRONOUS,
    interval: 0,
    setup,
  });
}
