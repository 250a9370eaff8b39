/**
 * What booting phones needs to be given.
 *
 * @module
 */

import type { DeviceProfile } from "../../device/profile.ts";
import type { CloseOptions, FastbootOptions } from "../../fastboot/client.ts";
import type { FastbootUsbOptions } from "../../fastboot/usb_transport.ts";
import type { FileSystem } from "../../fs/filesystem.ts";
import type { ServedExport } from "../../serve/events.ts";
import type { Sleep } from "../../serve/link.ts";
import type { Usb, UsbDevice } from "../../usb/shape.ts";
import type { PlanOptions } from "../plan.ts";
import type { Fetched, PhoneData } from "./events.ts";

/** What is booted. */
export interface BootSource {
  /** Kernel, modules and device trees are taken from here. */
  readonly files: FileSystem;
  /** What the phones get to read, root first. All phones share the readers. */
  readonly exports: readonly ServedExport[];
  /** What was fetched so far from where the image is kept, for the events `reading` and `serving`. */
  readonly fetched?: (() => Fetched) | undefined;
}

/** A phone that could be booted. */
export interface FoundPhone {
  /** As in events. */
  readonly phone: string;
  /** As the bus names it. */
  readonly device: PhoneData;
  /** Those that it fits: at least one, unless it runs. */
  readonly profiles: readonly DeviceProfile[];
  /** It runs from an image already, and wants to be served again: see {@linkcode BootOptions.resume}. */
  readonly running: boolean;
}

/** Which phones are meant. With nothing of it, the one that is there. */
export interface PhoneSelection {
  /** All of these, compared exactly. */
  readonly serialNumbers?: readonly string[] | undefined;
  /** All phones that are plugged in here, as {@linkcode BootWorld.portOf} writes it. */
  readonly ports?: readonly string[] | undefined;
  /** Every phone that is there at the first look that finds one. */
  readonly all?: boolean | undefined;
}

/** How long bootloaders are waited for, and how they are sent data. */
export interface BootloaderOptions extends
  Pick<
    FastbootUsbOptions,
    "openMs" | "busyMs" | "deniedMs" | "chunkBytes"
  >,
  Pick<FastbootOptions, "timeoutMs">,
  Pick<CloseOptions, "settleMs"> {}

/** Which phones are looked for, and how. */
export interface FindOptions {
  /** Phones that may be booted; with only one, the boot image is made while the phone is waited for. */
  readonly profiles: readonly DeviceProfile[];
  /** Which phones. */
  readonly phones?: PhoneSelection | undefined;
  /**
   * Phones that run from an image already are served again, as their host has left them: a phone
   * waits for it as long as it must. They have to run from this image, unchanged and from the same
   * place: with another one their system loses its disk. Phones in their bootloader are booted as
   * ever. False when absent: those that run are passed over.
   */
  readonly resume?: boolean | undefined;
  /** How long phones are waited for: 0 for a single look; for ever when absent. */
  readonly waitMs?: number | undefined;
  /** About bootloaders. */
  readonly bootloader?: BootloaderOptions | undefined;
  /**
   * Asked when several phones are there and one was meant; gives the `phone` of some of them, or
   * nothing. When absent it is an error.
   */
  readonly choosePhones?:
    | ((phones: readonly FoundPhone[]) => Promise<readonly string[]>)
    | undefined;
}

/** What {@linkcode runBoot} is to do. */
export interface BootOptions extends FindOptions {
  /** What is booted. */
  readonly image: BootSource;
  /** What goes into the boot image besides image and profile. */
  readonly plan?: Omit<PlanOptions, "signal" | "onPart"> | undefined;
  /** From the end of the bootloader to the gadget; 180,000 when absent, `Infinity` for ever. */
  readonly gadgetMs?: number | undefined;
  /** A phone that cannot be reached for so long is done with; never when absent. */
  readonly goneMs?: number | undefined;
  /** Asked when a phone fits several profiles; gives the id of one, or nothing. When absent it is an error. */
  readonly chooseProfile?:
    | ((phone: FoundPhone) => Promise<string | undefined>)
    | undefined;
}

/** What booting phones touches. */
export interface BootWorld {
  /** Where phones are plugged in. A device is the same object for as long as it is plugged in. */
  readonly usb: Usb;
  /** Bus and port of a device, `1-1.2`; nothing where that is not known. */
  readonly portOf?: ((device: UsbDevice) => string | undefined) | undefined;
  /** Milliseconds since some moment; `performance.now` when absent. */
  readonly now?: (() => number) | undefined;
  /** By `setTimeout` when absent. */
  readonly sleep?: Sleep | undefined;
}
