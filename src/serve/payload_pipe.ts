import { checkCount } from "../block/range.ts";
import type { UsbDevice, UsbEndpoint } from "../usb/shape.ts";
import { BufferPool } from "./buffer_pool.ts";
import { packetSizeOf, written } from "./usb_transfer.ts";

/** Transfers under way at once: one on the wire, others behind it so that it never stands still. */
const DEPTH = 3;

interface Payload {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes that are in transfers, and in transfers that ended. */
  begun: number;
  sent: number;
  readonly resolve: (written: number) => void;
  readonly reject: (error: unknown) => void;
}

/** A piece of a payload in a transfer. */
interface Piece {
  readonly payload: Payload;
  readonly length: number;
}

/**
 * A bulk OUT endpoint as a stream of payloads, in transfers as large as may be.
 *
 * Payloads carry no framing, so what waits is joined and what is too large is split: each transfer
 * costs a round trip over USB/IP and some work on any bus. A gadget reads exact lengths, so a packet
 * must never hold bytes of two payloads: only whole packets are joined to.
 */
export class PayloadPipe {
  readonly #device: UsbDevice;
  readonly #endpointNumber: number;
  readonly #packetSize: number;
  readonly #maxBytes: number;
  readonly #pool: BufferPool;
  readonly #waiting: Payload[] = [];
  #active = 0;

  /** Makes the pipe; a transfer has at most `maxTransferBytes`, 1 MiB when absent. */
  constructor(
    device: UsbDevice,
    endpoint: UsbEndpoint,
    maxTransferBytes = 1 << 20,
  ) {
    this.#device = device;
    this.#endpointNumber = endpoint.endpointNumber;
    this.#packetSize = packetSizeOf(endpoint);
    checkCount("maxTransferBytes", maxTransferBytes, this.#packetSize);
    this.#maxBytes = maxTransferBytes - maxTransferBytes % this.#packetSize;
    this.#pool = new BufferPool(DEPTH * this.#maxBytes);
  }

  /** Sends a payload behind those before; gives the bytes written. */
  push(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, begun: 0, sent: 0, resolve, reject });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#active < DEPTH && this.#waiting.length > 0) {
      this.#active++;
      const pieces = this.#nextPieces();
      this.#send(pieces).then((count) => settle(pieces, count), (error) => {
        for (const { payload } of pieces) payload.reject(error);
      }).then(() => {
        this.#active--;
        this.#begin();
      });
    }
  }

  /** What goes into the next transfer. */
  #nextPieces(): Piece[] {
    const pieces: Piece[] = [];
    for (let room = this.#maxBytes; room > 0;) {
      const payload = this.#waiting[0];
      if (payload === undefined) break;
      const left = payload.bytes.length - payload.begun;
      const length = Math.min(left, room);
      pieces.push({ payload, length });
      room -= length;
      if (length === left) this.#waiting.shift();
      if (length % this.#packetSize !== 0) break;
    }
    return pieces;
  }

  async #send(pieces: readonly Piece[]): Promise<number> {
    const take = ({ payload, length }: Piece) => {
      const { bytes, begun } = payload;
      payload.begun += length;
      return length === bytes.length
        ? bytes
        : bytes.subarray(begun, begun + length);
    };
    if (pieces.length === 1) {
      return await this.#transfer(take(pieces[0]!));
    }
    const joined = this.#pool.take(
      pieces.reduce((sum, { length }) => sum + length, 0),
    );
    let at = 0;
    for (const piece of pieces) {
      joined.set(take(piece), at);
      at += piece.length;
    }
    const count = await this.#transfer(joined);
    this.#pool.give(joined);
    return count;
  }

  async #transfer(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    return written(await this.#device.transferOut(this.#endpointNumber, bytes));
  }
}

/** Shares out what a transfer wrote. A payload that got too little is done: it cannot go on. */
function settle(pieces: readonly Piece[], count: number): void {
  let left = count;
  for (const { payload, length } of pieces) {
    const sent = Math.min(length, left);
    left -= sent;
    payload.sent += sent;
    if (sent < length || payload.sent === payload.bytes.length) {
      payload.resolve(payload.sent);
    }
  }
}
