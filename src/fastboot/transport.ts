/**
 * What fastboot needs of a connection: packets that keep their borders, and a stream of data.
 *
 * @module
 */

import type { CommandBytes } from "./command.ts";

/** Bytes of the largest reply that is taken: the protocol says 256, some bootloaders send more. */
export const MAX_REPLY_BYTES = 4096;

/** Bytes that go out as data. */
export type DataPieces = AsyncIterable<Uint8Array<ArrayBuffer>>;

/**
 * A connection to a bootloader. One side speaks at a time, so no two calls are made at once.
 *
 * Any rejection means that the connection is of no use any more.
 */
export interface FastbootTransport {
  /** Of the phone, for messages: `18d1:d00d "0123"`. */
  readonly name: string;
  /** Sends a command as one packet. */
  send(command: CommandBytes): Promise<void>;
  /**
   * Sends `length` bytes.
   *
   * @param pieces Of any length, `length` in all. They are not touched once they were yielded.
   * @param onProgress Told how many bytes are out by now.
   */
  sendData(
    length: number,
    pieces: DataPieces,
    onProgress: (sent: number) => void,
  ): Promise<void>;
  /** The next packet of the bootloader, however long it takes. */
  receive(): Promise<Uint8Array>;
  /** Gives the phone back, and ends what is under way. Never rejects; may be called again. */
  close(): Promise<void>;
}
