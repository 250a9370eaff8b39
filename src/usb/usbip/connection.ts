/**
 * The phase of USB/IP in which URBs are carried, seen from the client.
 *
 * @module
 */

import { onAbort } from "../../block/abortable.ts";
import type { UsbDirection } from "../shape.ts";
import { isCoded } from "../../errors.ts";
import { UsbError } from "../errors.ts";
import {
  ByteSink,
  ByteSource,
  type ByteStream,
  closeStream,
} from "./stream.ts";
import {
  CmdSubmit,
  CmdUnlink,
  NOT_ISOCHRONOUS,
  RetSubmit,
  RetUnlink,
  URB_HEADER_SIZE,
  USBIP_CMD_SUBMIT,
  USBIP_CMD_UNLINK,
  USBIP_DIR_IN,
  USBIP_DIR_OUT,
  USBIP_RET_SUBMIT,
  USBIP_RET_UNLINK,
} from "./messages.ts";
import type { Urb, UrbResult } from "./urb.ts";

interface Pending {
  readonly urb: Urb;
  readonly resolve: (result: UrbResult) => void;
  /** Also forgets the signal. */
  readonly reject: (error: unknown) => void;
}

const EMPTY = new Uint8Array(0);
const NO_SETUP = new Uint8Array(8);
/** For the other side to end its half of the connection. */
const LINGER_MS = 1000;
const DISCARD_BYTES = 64 << 10;

/**
 * A connection that carries URBs. Many may be under way; those of one endpoint are done in the order
 * in which they were submitted.
 */
export class UsbIpConnection {
  /** Fulfilled with the reason when the connection is over, whoever ended it. */
  readonly ended: Promise<UsbError>;
  readonly #end: (error: UsbError) => void;
  readonly #stream: ByteStream;
  readonly #source: ByteSource;
  readonly #sink: ByteSink;
  readonly #devid: number;
  readonly #pending = new Map<number, Pending>();
  /** URBs that nobody waits for any more, by seqnum: their replies are passed over. */
  readonly #abandoned = new Map<number, Urb>();
  /** seqnum of a CMD_UNLINK → that of its victim. */
  readonly #unlinks = new Map<number, number>();
  #seqnum = 0;
  #error: UsbError | undefined;
  #closing: Promise<void> | undefined;
  /** Settles when nothing is read any more; never rejects. */
  readonly #receiving: Promise<void>;

  /**
   * Takes over a stream on which the next byte is that of an URB.
   *
   * @param devid busnum << 16 | devnum; `usbip-host` demands it, `usbip-vudc` ignores it.
   */
  constructor(stream: ByteStream, devid = 0) {
    let end!: (error: UsbError) => void;
    this.ended = new Promise((resolve) => end = resolve);
    this.#end = end;
    this.#stream = stream;
    this.#devid = devid;
    this.#source = new ByteSource(stream.readable);
    this.#sink = new ByteSink(stream.writable, (cause) => this.#lose(cause));
    this.#receiving = this.#receive();
  }

  /** Why the connection is over; nothing while it is not. */
  get error(): UsbError | undefined {
    return this.#error;
  }

  /**
   * Submits an URB.
   *
   * @param signal Takes the URB back and rejects at once with `signal.reason`. What the device has
   * sent meanwhile for this URB is lost.
   * @returns Its result; status other than 0 is a result, not an error.
   * @throws {UsbError} that of {@linkcode ended}
   */
  submit(urb: Urb, signal?: AbortSignal): Promise<UrbResult> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const seqnum = this.#nextSeqnum();
    const header = CmdSubmit.encode({
      command: USBIP_CMD_SUBMIT,
      seqnum,
      devid: this.#devid,
      direction: urb.direction === "in" ? USBIP_DIR_IN : USBIP_DIR_OUT,
      endpoint: urb.endpoint,
      transferFlags: 0,
      transferBufferLength: urb.length,
      startFrame: 0,
      numberOfPackets: NOT_ISOCHRONOUS,
      interval: urb.interval,
      setup: urb.setup ?? NO_SETUP,
    });
    return new Promise((resolve, reject) => {
      const forget = signal &&
        onAbort(signal, () => this.#unlink(seqnum, signal.reason));
      this.#pending.set(seqnum, {
        urb,
        resolve: (result) => {
          forget?.();
          resolve(result);
        },
        reject: (error) => {
          forget?.();
          reject(error);
        },
      });
      this.#sink.write(header, urb.data);
    });
  }

  /** Takes back all URBs of an endpoint; they reject with `error`. */
  cancel(endpoint: number, direction: UsbDirection, error: UsbError): void {
    for (const [seqnum, { urb }] of this.#pending) {
      if (urb.endpoint === endpoint && urb.direction === direction) {
        this.#unlink(seqnum, error);
      }
    }
  }

  /**
   * Ends the connection; the other side sees an unplugged cable. All URBs reject with `error` at once.
   *
   * The stream ends behind a whole message, and is closed when the other side did so, too, within a
   * second: `usbip-vudc` of Linux 6.12 crashes when the connection ends within the data of an OUT.
   *
   * @returns Fulfilled when the stream is closed.
   */
  close(error: UsbError = new UsbError("usb.closed", CLOSED)): Promise<void> {
    return this.#closing ??= this.#close(error);
  }

  async #close(error: UsbError): Promise<void> {
    this.#fail(error);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const linger = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LINGER_MS);
    });
    const quiet = Promise.all([this.#sink.end(), this.#receiving]);
    await Promise.race([quiet, linger]);
    clearTimeout(timer);
    this.#cut();
  }

  /** Rejects all that is under way, and all that comes. */
  #fail(error: UsbError): void {
    this.#error = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#abandoned.clear();
    this.#unlinks.clear();
    this.#end(error);
  }

  #cut(): void {
    this.#sink.abort();
    this.#source.cancel();
    closeStream(this.#stream);
  }

  #nextSeqnum(): number {
    // 0 is never used: it could not be told from an empty header.
    do this.#seqnum = (this.#seqnum + 1) >>> 0; while (
      this.#seqnum === 0 || this.#pending.has(this.#seqnum) ||
      this.#abandoned.has(this.#seqnum)
    );
    return this.#seqnum;
  }

  #unlink(victim: number, reason: unknown): void {
    const pending = this.#pending.get(victim);
    if (pending === undefined) return;
    this.#pending.delete(victim);
    this.#abandoned.set(victim, pending.urb);
    const seqnum = this.#nextSeqnum();
    this.#unlinks.set(seqnum, victim);
    this.#sink.write(CmdUnlink.encode({
      command: USBIP_CMD_UNLINK,
      seqnum,
      devid: this.#devid,
      direction: pending.urb.direction === "in" ? USBIP_DIR_IN : USBIP_DIR_OUT,
      endpoint: pending.urb.endpoint,
      victim,
      padding: new Uint8Array(24),
    }));
    pending.reject(reason);
  }

  async #receive(): Promise<void> {
    const header = new Uint8Array(URB_HEADER_SIZE);
    const view = new DataView(header.buffer);
    try {
      while (this.#error === undefined) {
        await this.#fill(header, "a header");
        const command = view.getUint32(0);
        if (command === USBIP_RET_SUBMIT) await this.#submitted(header);
        else if (command === USBIP_RET_UNLINK) this.#unlinked(header);
        else {
          throw badReply(
            `command is 0x${command.toString(16)}, expected 3 or 4`,
            {
              command,
            },
          );
        }
      }
    } catch (error) {
      this.#leave(error);
    }
    // Closed from here: what still comes is of no use, and its end is waited for.
    const rest = new Uint8Array(DISCARD_BYTES);
    try {
      while (await this.#source.fill(rest) > 0);
    } catch {
      // It broke, which is an end as well.
    }
  }

  async #submitted(header: Uint8Array): Promise<void> {
    const { seqnum, status, actualLength } = RetSubmit.read(header);
    const pending = this.#pending.get(seqnum);
    const urb = pending?.urb ?? this.#abandoned.get(seqnum);
    if (urb === undefined) {
      throw badReply(`no URB has seqnum ${seqnum}`, { seqnum });
    }
    if (actualLength > urb.length) {
      throw badReply(
        `URB ${seqnum} of ${urb.length} bytes came back with ${actualLength}`,
        { seqnum, found: actualLength, expected: urb.length },
      );
    }
    if ((status | 0) > 0) {
      throw badReply(
        `URB ${seqnum} has status ${status}, expected 0 or a negative errno`,
        { seqnum, status },
      );
    }
    let data: Uint8Array<ArrayBuffer> = EMPTY;
    if (urb.direction === "in" && actualLength > 0) {
      data = urb.into?.subarray(0, actualLength) ??
        new Uint8Array(actualLength);
      await this.#fill(data, "the data of an URB");
    }
    // It may have been taken back while its data came.
    this.#abandoned.delete(seqnum);
    const waiting = this.#pending.get(seqnum);
    this.#pending.delete(seqnum);
    waiting?.resolve({ status: status | 0, actualLength, data });
  }

  #unlinked(header: Uint8Array): void {
    const { seqnum } = RetUnlink.read(header);
    const victim = this.#unlinks.get(seqnum);
    if (victim === undefined) {
      throw badReply(`nothing was taken back by seqnum ${seqnum}`, { seqnum });
    }
    this.#unlinks.delete(seqnum);
    // Whatever its status says: a server sends replies in order, so none can follow for the victim.
    this.#abandoned.delete(victim);
  }

  async #fill(into: Uint8Array, what: string): Promise<void> {
    const found = await this.#source.fill(into);
    if (found === into.length) return;
    throw new UsbError(
      "usb.disconnected",
      found === 0 && what === "a header"
        ? "Cannot use the USB device any more: the other side closed the connection"
        : `Cannot use the USB device any more: the connection ended within ${what}, found ${found} of ${into.length} bytes`,
      { facts: { found, expected: into.length } },
    );
  }

  /** A reply was wrong, or the stream ended. */
  #leave(error: unknown): void {
    if (this.#error !== undefined) return;
    if (isCoded(error, "usb.bad-reply")) void this.close(error as UsbError);
    else this.#lose(error);
  }

  /** There is nothing to be ended in order. */
  #lose(cause: unknown): void {
    if (this.#error !== undefined) return;
    this.#fail(
      isCoded(cause, "usb.disconnected") ? cause as UsbError : new UsbError(
        "usb.disconnected",
        "Cannot use the USB device any more: the connection broke",
        { cause },
      ),
    );
    this.#closing = Promise.resolve();
    this.#cut();
  }
}

const CLOSED = "Cannot finish the USB transfer: the device was closed";

function badReply(
  found: string,
  facts: Record<string, number>,
): UsbError {
  return new UsbError(
    "usb.bad-reply",
    `Cannot understand the USB/IP server: ${found}; the connection was closed`,
    { facts },
  );
}
