/**
 * One endpoint as packets, between a host and a device.
 *
 * @module
 */

/** How a read ended. */
export interface PipeRead {
  readonly status: "ok" | "babble";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Write {
  readonly bytes: Uint8Array;
  at: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Read {
  readonly into: Uint8Array<ArrayBuffer>;
  at: number;
  readonly resolve: (read: PipeRead) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes on one side, reads on the other. As on the bus: a write is whole packets and perhaps a short
 * one, with no empty packet behind; a read ends when it is full or with a short packet, and a packet
 * that is larger than what is left of it is lost.
 */
export class UsbPipe {
  readonly packetSize: number;
  #writes: Write[] = [];
  #reads: Read[] = [];

  constructor(packetSize: number) {
    this.packetSize = packetSize;
  }

  /** Resolves when the other side has read all of it. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.push({ bytes, at: 0, resolve, reject });
      this.#move();
    });
  }

  read(length: number): Promise<PipeRead> {
    return new Promise((resolve, reject) => {
      const into = new Uint8Array(length);
      this.#reads.push({ into, at: 0, resolve, reject });
      this.#move();
    });
  }

  /** Writes that the other side has not read to their end. */
  get unread(): number {
    return this.#writes.length;
  }

  endWrites(error: unknown): void {
    for (const { reject } of this.#writes.splice(0)) reject(error);
  }

  endReads(error: unknown): void {
    for (const { reject } of this.#reads.splice(0)) reject(error);
  }

  #move(): void {
    for (;;) {
      const [write] = this.#writes;
      const [read] = this.#reads;
      if (write === undefined || read === undefined) return;
      const packet = write.bytes.subarray(
        write.at,
        write.at + this.packetSize,
      );
      write.at += packet.length;
      const babble = packet.length > read.into.length - read.at;
      if (!babble) {
        read.into.set(packet, read.at);
        read.at += packet.length;
      }
      if (write.at === write.bytes.length) {
        this.#writes.shift();
        write.resolve();
      }
      if (
        babble || packet.length < this.packetSize ||
        read.at === read.into.length
      ) {
        this.#reads.shift();
        const bytes = read.into.subarray(0, read.at);
        read.resolve({ status: babble ? "babble" : "ok", bytes });
      }
    }
  }
}
