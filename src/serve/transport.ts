/**
 * What the host needs of USB: four pipes and control transfers to one interface.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";

/** A control transfer to the interface of smoo, without what only the transport knows. */
export interface ControlSetup {
  /** For messages. */
  readonly name: "IDENT" | "CONFIG_EXPORTS" | "STATUS" | "LOG";
  /** Type in bmRequestType; the recipient is always the interface, whose number is wIndex. */
  readonly requestType: "vendor" | "class";
  /** bRequest. */
  readonly request: number;
  /** wValue; 0 when absent. */
  readonly value?: number;
}

/** Who are you? bmRequestType 0xC1, answers 8 bytes. */
export const IDENT: ControlSetup = {
  name: "IDENT",
  requestType: "vendor",
  request: 1,
};

/** Serve these. bmRequestType 0x41. */
export const CONFIG_EXPORTS: ControlSetup = {
  name: "CONFIG_EXPORTS",
  requestType: "vendor",
  request: 2,
};

/**
 * How are you? Answers 16 bytes. bmRequestType is 0xA1: of the class, though the documents of the
 * reference call it a vendor request.
 */
export const STATUS: ControlSetup = {
  name: "STATUS",
  requestType: "class",
  request: 3,
};

/** What did you say? bmRequestType 0xC1; wValue is the low half of an offset into the log. */
export const LOG: ControlSetup = {
  name: "LOG",
  requestType: "vendor",
  request: 4,
};

/**
 * The pipes of one smoo interface, claimed by whoever hands them in.
 *
 * Transfers on one pipe are done in the order of the calls. Several are under way at once on the
 * pipes out, one at a time on the pipes in and for control. None has a time limit of its own: an
 * idle gadget lets the interrupt IN pipe wait for ever. When the signal is aborted the host leaves
 * at once and uses the pipes no more; a transfer that cannot be stopped may go on, but must not
 * touch the host's bytes for writing.
 */
export interface SmooTransport {
  /** One message from the gadget; it should have `length` bytes, and may have others. */
  interruptIn(length: number, options: ReadOptions): Promise<Uint8Array>;
  /** One message to the gadget; gives the bytes written. */
  interruptOut(
    bytes: Uint8Array<ArrayBuffer>,
    options: ReadOptions,
  ): Promise<number>;
  /** Exactly `length` bytes: no empty packet follows a payload of whole packets. */
  bulkIn(length: number, options: ReadOptions): Promise<Uint8Array>;
  /**
   * All of `bytes`, without an empty packet behind them; gives the bytes written. `bytes` belong to
   * the transport until the promise settles.
   */
  bulkOut(
    bytes: Uint8Array<ArrayBuffer>,
    options: ReadOptions,
  ): Promise<number>;
  /** Gives what the gadget answers, of at most `length` bytes; rejects when it stalls. */
  controlIn(
    setup: ControlSetup,
    length: number,
    options: ReadOptions,
  ): Promise<Uint8Array>;
  /** Gives the bytes written; rejects when the gadget stalls. */
  controlOut(
    setup: ControlSetup,
    bytes: Uint8Array<ArrayBuffer>,
    options: ReadOptions,
  ): Promise<number>;
}
