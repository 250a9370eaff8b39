/**
 * The URBs of a USB/IP connection, done by a modelled device.
 *
 * @see https://docs.kernel.org/usb/usbip_protocol.html
 * @module
 */

import {
  CmdSubmit,
  CmdUnlink,
  RetSubmit,
  RetUnlink,
  URB_HEADER_SIZE,
  USBIP_CMD_SUBMIT,
  USBIP_CMD_UNLINK,
  USBIP_DIR_IN,
  USBIP_RET_SUBMIT,
  USBIP_RET_UNLINK,
} from "../usb/usbip/messages.ts";
import {
  ByteSource,
  type ByteStream,
  closeStream,
} from "../usb/usbip/stream.ts";
import type { Setup, UsbModel } from "./usb_device.ts";
import type { TransferResult } from "./usb_endpoint.ts";

/** How URBs are served. */
export interface UrbOptions {
  /** Demanded of every URB, as `usbip-host` does. */
  readonly devid?: number | undefined;
  /** Waits before a reply; those of other endpoints may pass it. */
  readonly delay?: ((seqnum: number) => Promise<void>) | undefined;
}

/** Bytes of a transfer; Linux takes no larger ones from programs. */
export const MAX_URB_BYTES: number = 16 << 20;
const ECONNRESET = -104;
/** Fields that a server leaves at 0. */
const FROM_SERVER = { devid: 0, direction: 0, endpoint: 0 };
const NONE = new Uint8Array(0);

/**
 * Serves until the client leaves or breaks the rules; the stream is closed then. What makes
 * `usbip-host` drop the connection makes this drop it. Each reply is one chunk of the stream.
 *
 * @returns The reason.
 */
export async function serveUrbs(
  model: UsbModel,
  stream: ByteStream,
  options: UrbOptions = {},
): Promise<string> {
  const source = new ByteSource(stream.readable);
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  const urbs = new UrbQueue(writer, options);
  let reason: string | undefined;
  try {
    while (reason === undefined) {
      const header = new Uint8Array(URB_HEADER_SIZE);
      if (await source.fill(header) < header.length) break;
      reason = await serveOne(model, header, source, urbs, options);
    }
  } catch (error) {
    reason = String(error);
  }
  urbs.end();
  source.cancel();
  closeStream(stream);
  return reason ?? "client left";
}

/** Gives the reason to leave, if there is one. */
async function serveOne(
  model: UsbModel,
  header: Uint8Array,
  source: ByteSource,
  urbs: UrbQueue,
  { devid }: UrbOptions,
): Promise<string | undefined> {
  const submit = CmdSubmit.read(header);
  const { command, seqnum } = submit;
  if (devid !== undefined && submit.devid !== devid) return "wrong devid";
  if (command === USBIP_CMD_UNLINK) {
    return await urbs.unlink(seqnum, CmdUnlink.read(header).victim);
  }
  if (command !== USBIP_CMD_SUBMIT) return `command ${command}`;
  const length = submit.transferBufferLength;
  if (length > MAX_URB_BYTES) return `an URB of ${length} bytes`;
  const isIn = submit.direction === USBIP_DIR_IN;
  const data = isIn ? NONE : new Uint8Array(length);
  if (await source.fill(data) < data.length) return "client left";
  const address = submit.endpoint | (isIn ? 0x80 : 0);
  const wrong = refuse(model, address, submit.interval);
  if (wrong) return wrong;
  urbs.submit(seqnum, address, (signal) => {
    if (submit.endpoint === 0) {
      return model.control(setupOf(submit.setup), data);
    }
    const pipe = model.pipes.get(address)!;
    return isIn ? pipe.in(length, signal) : pipe.out(data, signal);
  });
  return undefined;
}

/** What makes the kernel drop the connection. */
function refuse(
  model: UsbModel,
  address: number,
  interval: number,
): string | undefined {
  if ((address & 0x7f) === 0) return undefined;
  const endpoint = model.live().find((one) => one.address === address);
  if (endpoint === undefined) return `endpoint ${address} is not configured`;
  if (endpoint.type === "interrupt" && interval === 0) return "interval is 0";
  return undefined;
}

function setupOf(bytes: Uint8Array): Setup {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    requestType: view.getUint8(0),
    request: view.getUint8(1),
    value: view.getUint16(2, true),
    index: view.getUint16(4, true),
    length: view.getUint16(6, true),
  };
}

/** URBs that are not answered yet. */
class UrbQueue {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: UrbOptions;
  readonly #urbs = new Map<number, AbortController>();
  /** The last reply of each endpoint: they keep their order. */
  readonly #replies = new Map<number, Promise<void>>();

  constructor(
    writer: WritableStreamDefaultWriter<Uint8Array>,
    options: UrbOptions,
  ) {
    this.#writer = writer;
    this.#options = options;
  }

  submit(
    seqnum: number,
    address: number,
    work: (signal: AbortSignal) => Promise<TransferResult>,
  ): void {
    const controller = new AbortController();
    this.#urbs.set(seqnum, controller);
    const before = this.#replies.get(address);
    this.#replies.set(
      address,
      this.#answer(seqnum, work(controller.signal), before),
    );
  }

  async unlink(seqnum: number, victim: number): Promise<undefined> {
    const urb = this.#urbs.get(victim);
    this.#urbs.delete(victim);
    await this.#writer.write(RetUnlink.encode({
      command: USBIP_RET_UNLINK,
      seqnum,
      ...FROM_SERVER,
      status: urb ? ECONNRESET >>> 0 : 0,
      padding: new Uint8Array(24),
    }));
    urb?.abort();
  }

  end(): void {
    for (const urb of this.#urbs.values()) urb.abort();
    this.#urbs.clear();
  }

  async #answer(
    seqnum: number,
    work: Promise<TransferResult>,
    before: Promise<void> | undefined,
  ): Promise<void> {
    const { status, actualLength, data } = await work;
    await this.#options.delay?.(seqnum);
    await before;
    // taken back meanwhile
    if (!this.#urbs.delete(seqnum)) return;
    const reply = new Uint8Array(RetSubmit.size + data.length);
    RetSubmit.write({
      command: USBIP_RET_SUBMIT,
      seqnum,
      ...FROM_SERVER,
      status: status >>> 0,
      actualLength,
      startFrame: 0,
      numberOfPackets: 0,
      errorCount: 0,
      padding: new Uint8Array(8),
    }, reply);
    reply.set(data, RetSubmit.size);
    await this.#writer.write(reply).catch(() => {});
  }
}
