/**
 * The part of the package `usb` that is used, and what its errors mean.
 *
 * @module
 */

import { UsbError } from "../../usb/errors.ts";
import type {
  UsbConfiguration,
  UsbControlSetup,
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
} from "../../usb/shape.ts";

/**
 * A device of the package `usb` 3.1. What `getDevices` gives is another object each time for the same
 * device; `handle` tells which one it is until it is unplugged.
 */
export interface NativeDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | null;
  readonly productName: string | null;
  readonly manufacturerName: string | null;
  readonly handle: string;
  /** `001` on Linux. */
  readonly bus: string;
  /** From the root hub on. */
  readonly ports: readonly number[];
  /** Throws when none is set. */
  readonly configuration: UsbConfiguration;
  readonly configurations: readonly UsbConfiguration[];
  open(): Promise<void>;
  close(): Promise<void>;
  selectConfiguration(value: number): Promise<void>;
  claimInterface(number: number): Promise<void>;
  releaseInterface(number: number): Promise<void>;
  selectAlternateInterface(number: number, setting: number): Promise<void>;
  clearHalt(direction: UsbDirection, endpoint: number): Promise<void>;
  controlTransferIn(
    setup: UsbControlSetup,
    length: number,
    timeout: number,
  ): Promise<UsbInTransferResult>;
  controlTransferOut(
    setup: UsbControlSetup,
    data: Uint8Array<ArrayBuffer>,
    timeout: number,
  ): Promise<UsbOutTransferResult>;
  transferIn(
    endpoint: number,
    length: number,
    timeout: number,
  ): Promise<UsbInTransferResult>;
  transferOut(
    endpoint: number,
    data: Uint8Array<ArrayBuffer>,
    timeout: number,
  ): Promise<UsbOutTransferResult>;
}

/** Tells of what comes and goes. It has one listener for each. */
export interface NativeEmitter {
  addAttach(listener: () => void): Promise<void>;
  removeAttach(): Promise<void>;
  addDetach(listener: () => void): Promise<void>;
  removeDetach(): Promise<void>;
}

/**
 * What is used of the package. Its own `addEventListener` is not: where the system refuses events it
 * throws where nobody can catch, which ends the program.
 */
export interface NativePackage {
  readonly usb: { getDevices(): Promise<NativeDevice[]> };
  readonly Emitter: new () => NativeEmitter;
}

/** The buses of this machine. */
export interface NativeUsb {
  getDevices(): Promise<NativeDevice[]>;
  /** Calls `changed` when something comes or goes, where the system tells; gives what ends that. */
  watch(changed: () => void): () => void;
}

/** What an error of the package is about. It has words for it, and the errno of the system, only. */
export type NativeFailure =
  | "denied"
  | "busy"
  | "gone"
  | "timeout"
  | "stall"
  | "other";

/** Linux, errno-base.h and errno.h. */
const ERRNOS: Readonly<Record<string, NativeFailure>> = {
  1: "denied", // EPERM
  2: "gone", // ENOENT: its file in /dev is
  13: "denied", // EACCES
  16: "busy", // EBUSY
  19: "gone", // ENODEV
  32: "stall", // EPIPE
  108: "gone", // ESHUTDOWN
  110: "timeout", // ETIMEDOUT
};

/** What went wrong, as far as the words tell. */
export function judgeNative(error: unknown): NativeFailure {
  const text = error instanceof Error ? error.message : String(error);
  const errno = /\(errno (\d+)\)/.exec(text)?.[1];
  if (errno !== undefined && errno in ERRNOS) return ERRNOS[errno]!;
  if (/denied|not permitted/i.test(text)) return "denied";
  if (/busy|exclusive|in use/i.test(text)) return "busy";
  if (/disconnected|not connected|no such device/i.test(text)) return "gone";
  // it cancels what takes longer than it was given
  if (/cancel|timed? ?out/i.test(text)) return "timeout";
  if (/stall/i.test(text)) return "stall";
  return "other";
}

/**
 * Loads the package, and looks whether there is anything for it to work with.
 *
 * @throws {UsbError} `usb.unavailable`
 */
export async function loadNativeUsb(
  load: () => Promise<NativePackage> = loadPackage,
): Promise<NativeUsb> {
  let found: NativePackage;
  try {
    found = await load();
  } catch (cause) {
    throw unavailable("the package usb cannot be loaded", cause);
  }
  const { usb, Emitter } = found;
  try {
    await usb.getDevices();
  } catch (cause) {
    throw unavailable("devices cannot be listed", cause);
  }
  return {
    getDevices: () => usb.getDevices(),
    watch(changed) {
      const emitter = new Emitter();
      // Who gets no events looks at the list now and then.
      const begun = Promise.allSettled([
        emitter.addAttach(changed),
        emitter.addDetach(changed),
      ]);
      return () => {
        begun.then(() =>
          Promise.allSettled([emitter.removeAttach(), emitter.removeDetach()])
        );
      };
    },
  };
}

async function loadPackage(): Promise<NativePackage> {
  const [{ usb }, native] = await Promise.all([
    import("usb"),
    import("usb/index.js"),
  ]);
  const { Emitter } = native;
  if (usb === undefined || Emitter === undefined) {
    throw new Error("the package exports something else");
  }
  return { usb, Emitter } as unknown as NativePackage;
}

function unavailable(what: string, cause: unknown): UsbError {
  const why = (cause instanceof Error ? cause.message : String(cause))
    .split("\n")[0]!;
  return new UsbError(
    "usb.unavailable",
    `Cannot use USB of this machine: ${what} (${why}); use a machine with USB, or one over the network by --usb usbip://HOST`,
    { facts: { reason: why }, cause },
  );
}
