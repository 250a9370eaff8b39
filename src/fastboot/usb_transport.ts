/**
 * fastboot over a device of the shape of WebUSB.
 *
 * @module
 */

import { checkCount } from "../block/range.ts";
import { UsbError } from "../usb/errors.ts";
import type { UsbDevice, UsbDirection } from "../usb/shape.ts";
import type { CommandBytes } from "./command.ts";
import {
  type DataPieces,
  type FastbootTransport,
  MAX_REPLY_BYTES,
} from "./transport.ts";
import { joinPieces } from "./join_pieces.ts";
import type { FastbootInterface } from "./usb_interface.ts";
import {
  closeUsbDevice,
  describeUsbDevice,
  openFastbootInterface,
  type UsbOpenOptions,
} from "./usb_open.ts";

/** Transfers under way at once: one on the wire, others behind it so that it never stands still. */
const DEPTH = 3;
/** A reply of the protocol. */
const REPLY_BYTES = 256;
/** Empty packets before one that is taken for a reply. */
const MAX_EMPTY = 8;

/** What {@linkcode openFastbootUsb} can be told. */
export interface FastbootUsbOptions extends UsbOpenOptions {
  /**
   * Bytes of one transfer of data, a multiple of the size of a packet; 1 MiB when absent. That is
   * what costs least over USB/IP, and on Linux systems where transfers are split anyway.
   */
  readonly chunkBytes?: number | undefined;
  /**
   * Sends an empty packet behind data that ends with a whole one. No bootloader is known that wants
   * one, and Android's `fastboot` sends none on Linux: the length says where the data ends. LK, which
   * most phones have, takes it for the next command and answers FAIL to that, which would be read as
   * the answer to `boot`.
   */
  readonly emptyPacketAfterData?: boolean | undefined;
}

/**
 * Opens `device` for fastboot: claims the interface of the bootloader, which is found by its
 * descriptors. Nothing is sent.
 *
 * While others have the device it is tried again, and while we may not use it, too, as udev gives
 * the right to it some time after it was plugged in.
 *
 * WebUSB cannot cancel a transfer, and has no time-outs: both cost the connection, since only
 * `close()` ends a transfer that the phone does not answer. The client waits for the end of a
 * conversation before it does so.
 *
 * @throws {UsbError} `usb.access-denied` with the rule of udev that helps, `usb.busy`,
 *   `usb.open-failed`, `usb.no-interface`. The device is closed then.
 */
export async function openFastbootUsb(
  device: UsbDevice,
  options: FastbootUsbOptions = {},
): Promise<FastbootTransport> {
  const found = await openFastbootInterface(device, options);
  return new UsbTransport(device, found, options);
}

class UsbTransport implements FastbootTransport {
  readonly name: string;
  readonly #device: UsbDevice;
  readonly #found: FastbootInterface;
  readonly #packetSize: number;
  readonly #replyBytes: number;
  readonly #chunkBytes: number;
  readonly #emptyPacketAfterData: boolean;
  #closing: Promise<void> | undefined;

  constructor(
    device: UsbDevice,
    found: FastbootInterface,
    { chunkBytes = 1 << 20, emptyPacketAfterData = false }: FastbootUsbOptions,
  ) {
    const { "bulk-in": bulkIn, "bulk-out": bulkOut } = found.endpoints;
    this.name = describeUsbDevice(device);
    this.#device = device;
    this.#found = found;
    // Without its bits for more packets in a microframe.
    this.#packetSize = bulkOut.packetSize & 0x7ff || 64;
    // Only a short packet ends a transfer early. In packets of 64 bytes a reply of 64, 128 or 192
    // would not: asking for less makes at least the longest one end.
    this.#replyBytes = bulkIn.packetSize < REPLY_BYTES
      ? REPLY_BYTES
      : MAX_REPLY_BYTES;
    checkCount("chunkBytes", chunkBytes, this.#packetSize);
    this.#chunkBytes = chunkBytes - chunkBytes % this.#packetSize;
    this.#emptyPacketAfterData = emptyPacketAfterData;
  }

  async send(command: CommandBytes): Promise<void> {
    await this.#write(command, true);
  }

  /**
   * Only the last transfer ends with a packet that is not whole: LK ends a download at the first
   * one.
   */
  async sendData(
    length: number,
    pieces: DataPieces,
    onProgress: (sent: number) => void,
  ): Promise<void> {
    const active: Promise<void>[] = [];
    let sent = 0;
    for await (const chunk of joinPieces(pieces, this.#chunkBytes)) {
      if (active.length === DEPTH) await active.shift();
      const transfer = this.#write(chunk).then(() => {
        sent += chunk.length;
        onProgress(sent);
      });
      transfer.catch(() => {}); // comes to light where it is waited for
      active.push(transfer);
    }
    for (const transfer of active) await transfer;
    if (this.#emptyPacketAfterData && length % this.#packetSize === 0) {
      await this.#write(new Uint8Array(0));
    }
  }

  async receive(): Promise<Uint8Array> {
    const { endpointNumber } = this.#found.endpoints["bulk-in"];
    for (let empty = 0, stalled = false;;) {
      const { status, data } = await this.#device.transferIn(
        endpointNumber,
        this.#replyBytes,
      );
      if (status === "stall") {
        // No byte is lost by it.
        await this.#device.clearHalt("in", endpointNumber);
        if (stalled) throw this.#stalled("in", "twice");
        stalled = true;
        continue;
      }
      if (status === "babble") throw this.#failed("in", status);
      const length = data?.byteLength ?? 0;
      // Some end a reply of whole packets with an empty one.
      if (length === 0 && ++empty < MAX_EMPTY) continue;
      return data
        ? new Uint8Array(data.buffer, data.byteOffset, length)
        : new Uint8Array(0);
    }
  }

  close(): Promise<void> {
    return this.#closing ??= closeUsbDevice(this.#device);
  }

  async #write(
    bytes: Uint8Array<ArrayBuffer>,
    again = false,
  ): Promise<void> {
    const { endpointNumber } = this.#found.endpoints["bulk-out"];
    const { status, bytesWritten } = await this.#device.transferOut(
      endpointNumber,
      bytes,
    );
    if (status === "stall") {
      await this.#device.clearHalt("out", endpointNumber);
      // A halt of an earlier program took nothing of this command.
      if (again && bytesWritten === 0) return await this.#write(bytes);
      throw this.#stalled("out", `behind ${bytesWritten} bytes`);
    }
    if (status === "babble" || bytesWritten !== bytes.length) {
      throw this.#failed("out", `${bytesWritten} of ${bytes.length} bytes`);
    }
  }

  #stalled(direction: UsbDirection, what: string): UsbError {
    return new UsbError(
      "usb.stalled",
      `Cannot finish transfer: the phone stalled its ${direction} endpoint ${what}; the halt was cleared`,
      { facts: { direction } },
    );
  }

  #failed(direction: UsbDirection, how: string): UsbError {
    const { endpointNumber } = this.#found.endpoints[`bulk-${direction}`];
    return new UsbError(
      "usb.transfer-failed",
      `Cannot finish transfer on endpoint ${endpointNumber}: it ended with ${how}`,
      { facts: { endpoint: endpointNumber } },
    );
  }
}
