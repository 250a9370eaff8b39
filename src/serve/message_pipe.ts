import type { UsbDevice, UsbEndpoint } from "../usb/shape.ts";
import {
  lengthToAsk,
  packetSizeOf,
  received,
  TransferEnd,
} from "./usb_transfer.ts";

/** Messages that are waited for at once. */
const DEPTH = 8;

interface Begun {
  /** Halts that had been cleared by then. */
  readonly clears: number;
  readonly message: Promise<Uint8Array>;
}

/**
 * An interrupt IN endpoint with several transfers under way, so that messages that come one behind
 * the other cost no round trip each.
 *
 * A halt is cleared: no message is lost by it. Another one before the next message is an error.
 */
export class MessagePipe {
  readonly #device: UsbDevice;
  readonly #endpoint: UsbEndpoint;
  readonly #length: number;
  /** In the order of their beginning. */
  readonly #transfers: Begun[] = [];
  #clears = 0;
  #halted = false;

  /** Makes the pipe; `length` is that of a message. Nothing is transferred before the first take. */
  constructor(device: UsbDevice, endpoint: UsbEndpoint, length: number) {
    this.#device = device;
    this.#endpoint = endpoint;
    this.#length = lengthToAsk(length, packetSizeOf(endpoint));
  }

  /** The next message, of any length. One call at a time. */
  async take(): Promise<Uint8Array> {
    for (;;) {
      while (this.#transfers.length < DEPTH) this.#begin();
      const { clears, message } = this.#transfers.shift()!;
      try {
        const bytes = await message;
        this.#halted = false;
        return bytes;
      } catch (error) {
        if (!(error instanceof TransferEnd)) throw error;
        // Longer than any message: as good as one of a wrong length.
        if (error.status === "babble") return new Uint8Array();
        // Begun before the last clearing, and ended by the halt that was cleared.
        if (clears < this.#clears) continue;
        if (this.#halted) throw error;
        this.#halted = true;
        this.#clears++;
        const { endpointNumber } = this.#endpoint;
        await this.#device.clearHalt("in", endpointNumber);
      }
    }
  }

  #begin(): void {
    const { endpointNumber } = this.#endpoint;
    const message = this.#device.transferIn(endpointNumber, this.#length)
      .then(received);
    // Thrown when its turn comes.
    message.catch(() => {});
    this.#transfers.push({ clears: this.#clears, message });
  }
}
