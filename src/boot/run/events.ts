/**
 * What happens while phones are booted: one stream for every frontend.
 *
 * Events are plain data, in the order in which things happened. {@linkcode toJson} gives each as an
 * object of JSON, {@linkcode toJsonLine} as a line of it.
 *
 * @module
 */

import type { Opcode } from "../../serve/messages.ts";
import type { StatisticsReport } from "../../serve/statistics.ts";
import type { PlanPart } from "../plan.ts";
import type { ErrorData } from "./error_data.ts";

/** How it became known which phone it is. */
export type IdentifiedBy =
  /** The user named the profile, and the phone fits it. */
  | "given"
  /** Only this profile fits. */
  | "probe"
  /** Several fit, and the user chose. */
  | "chosen";

/** A phone, as a bus names it. */
export interface PhoneData {
  /** idVendor. */
  readonly vendorId: number;
  /** idProduct. */
  readonly productId: number;
  /** The text of iSerialNumber; nothing when it has none or is not known yet. */
  readonly serialNumber: string | undefined;
  /** Bus and port it is plugged into, `1-1.2`; nothing where a bus does not tell. */
  readonly port: string | undefined;
}

/** What went into a boot image, for a summary. Sizes are bytes. */
export interface BuiltData {
  /** Id of the device profile. */
  readonly profile: string;
  /** Architecture of the kernel. */
  readonly machine: "aarch64" | "x86_64";
  /** The one that is booted. */
  readonly kernel: {
    /** Path in the image. */
    readonly path: string;
    readonly release: string;
    /** In the image. */
    readonly storedSize: number;
    /** As sent. */
    readonly size: number;
  };
  /** Nothing when none is sent. */
  readonly deviceTree:
    | {
      /** Path in the image, or the file given. */
      readonly from: string;
      readonly size: number;
    }
    | undefined;
  /** With stage0 and its modules. */
  readonly initramfs: {
    /** Before compression. */
    readonly unpackedSize: number;
    /** As sent. */
    readonly size: number;
    /** Files and folders. */
    readonly entries: number;
  };
  /** Names in the order in which stage0 loads them. */
  readonly modules: readonly string[];
  /** What the kernel is told. */
  readonly cmdline: string;
  /** The whole boot image. */
  readonly size: number;
}

/** Why a phone on the bus is not booted. */
export type PassedOverReason =
  /** It fits no profile, or not the one given. */
  | "no-profile"
  /** Its bootloader could not be asked. */
  | "not-answering"
  /** It runs from an image already, as a gadget of ours or of somebody else, and `resume` was not asked for. */
  | "already-booted"
  /** The user chose another one. */
  | "not-chosen";

/** Why a phone is done with. */
export type FinishedReason =
  /** We were told to stop. */
  | "stopped"
  /** It left the bus, for longer than it was to be waited for. */
  | "gone"
  /** It is in its bootloader again: somebody restarted it. */
  | "restarted";

/** What every event has. */
export interface BootEventTime {
  /** Milliseconds since `runBoot` began. */
  readonly ms: number;
}

/** What every event about one phone has. */
export interface AboutPhone extends BootEventTime {
  /**
   * Names the phone for as long as `runBoot` runs, through all its comings and goings: its serial
   * number where it has one and nobody else has the same, else its ids, port or a number. Do not
   * take it apart.
   */
  readonly phone: string;
}

/** Something that is about one phone, or, before there is one, about all. */
export interface AboutPhoneOrAll extends BootEventTime {
  /** As {@linkcode AboutPhone.phone}; nothing when it is not about one phone. */
  readonly phone?: string | undefined;
}

/** What was fetched from where the image is kept, since it was opened. */
export interface Fetched {
  /** Of files or over the network. */
  readonly bytes: number;
  /** Requests that servers were sent; absent for files. */
  readonly requests?: number;
  /** Over the last seconds; absent for files. */
  readonly bytesPerSecond?: number;
}

/** Something happened. */
export type BootEvent =
  /** No phone in its bootloader is there, or not all that were asked for: plug it in. Once. */
  | BootEventTime & {
    readonly type: "waiting";
    /** Ids of the profiles that would do. */
    readonly profiles: readonly string[];
    /** Serial numbers of those that are still missing; empty when any phone will do. */
    readonly serialNumbers: readonly string[];
    /** Bus and ports likewise. */
    readonly ports: readonly string[];
  }
  /** A phone in its bootloader is there. */
  | AboutPhone & { readonly type: "found"; readonly device: PhoneData }
  /** Its bootloader is asked which phone it is. */
  | AboutPhone & {
    readonly type: "probing";
    /** Ids of the profiles that it may be. */
    readonly profiles: readonly string[];
  }
  /** It is not booted. Looking goes on. */
  | AboutPhone & {
    readonly type: "passed-over";
    readonly reason: PassedOverReason;
    /** For people: what was asked and answered, or what failed. */
    readonly details: readonly string[];
  }
  /** It is known which phone it is. From here on it is ours. */
  | AboutPhone & {
    readonly type: "identified";
    /** Id of the profile. */
    readonly profile: string;
    /** Its name for people. */
    readonly name: string;
    readonly by: IdentifiedBy;
  }
  /** The bootloader says something besides its answers: a line of INFO, or a part of TEXT. */
  | AboutPhone & {
    readonly type: "bootloader-message";
    readonly text: string;
  }
  /** The image is being read: several times a second while a boot image is made. */
  | BootEventTime & {
    readonly type: "reading";
  } & Fetched
  /** A part of the boot image is made: before a phone is there, and again where it depends on it. */
  | AboutPhoneOrAll & { readonly type: "building"; readonly part: PlanPart }
  /** The boot image is not quite as one may expect, and is used all the same. */
  | AboutPhone & {
    readonly type: "warning";
    /** Stable. */
    readonly code: string;
    readonly message: string;
  }
  /** The boot image for this phone is there: what `-o` would have written. */
  | AboutPhone & { readonly type: "built"; readonly image: BuiltData }
  /** The boot image is sent: at its start, several times a second, and at its end. */
  | AboutPhone & {
    readonly type: "sending";
    /** Out by now. */
    readonly bytes: number;
    readonly total: number;
    /** Of the last second or so; 0 at the start. */
    readonly bytesPerSecond: number;
  }
  /** The phone has the boot image and is told to start it. */
  | AboutPhone & { readonly type: "booting" }
  /** The bootloader left the bus: it let the kernel go. */
  | AboutPhone & { readonly type: "left" }
  /**
   * The kernel boots; stage0 in it is to come back as a gadget. Or the phone runs already and is to
   * be served again, with `BootOptions.resume`.
   */
  | AboutPhone & {
    readonly type: "waiting-for-gadget" | "resuming";
    /** What it will call itself. */
    readonly device: PhoneData;
    /** How long it is waited for; nothing for ever. */
    readonly timeoutMs: number | undefined;
  }
  /** The gadget is there and knows its exports: it can read the image from now on. */
  | AboutPhone & {
    readonly type: "connected";
    readonly device: PhoneData;
    /** Of the process on the phone: 16 hex digits. */
    readonly session: string;
  }
  /** What was served so far: once a second when there is something new. */
  | AboutPhone & {
    readonly type: "serving";
    readonly statistics: StatisticsReport;
    /** For all phones together; absent when nobody counts. */
    readonly fetched?: Fetched;
  }
  /** A read of the image failed, and the phone was told so. Serving goes on. */
  | AboutPhone & {
    readonly type: "request-failed";
    readonly operation: Opcode;
    /** Of Linux, as the phone was told. */
    readonly errno: number;
    readonly error: ErrorData;
  }
  /** The phone wrote a line to its log. */
  | AboutPhone & {
    readonly type: "device-log";
    /** Of syslog, 0 is the worst and 7 for debugging; nothing when it says none. */
    readonly level: number | undefined;
    /** Since the phone began to boot. */
    readonly seconds: number | undefined;
    /** Without control characters. */
    readonly text: string;
  }
  /** The phone's log cannot be had, or so many bytes of it are lost. Serving goes on. */
  | AboutPhone & {
    readonly type: "device-log-gap";
    /** Nothing when it cannot be had at all. */
    readonly bytes: number | undefined;
  }
  /** stage0 is done: the distribution's init is started. Also told by {@linkcode BootEvent} `device-log`. */
  | AboutPhone & {
    readonly type: "handed-over";
    /** What stage0 said. */
    readonly line: string;
  }
  /** The phone cannot be reached; its system stands still until it can be. It is looked for. */
  | AboutPhone & {
    readonly type: "link-lost";
    readonly error: ErrorData;
  }
  /** The phone is served again; nothing of what it asked for is lost. */
  | AboutPhone & {
    readonly type: "link-back";
    readonly device: PhoneData;
    /** Time without a link, in milliseconds. */
    readonly lostMs: number;
    /** As of `connected`; another one when the gadget on the phone was started anew. */
    readonly session: string;
  }
  /** We are done with a phone that was told to boot. */
  | AboutPhone & {
    readonly type: "finished";
    readonly reason: FinishedReason;
    /** The phone runs from the image, and stands still from now on: restart it, or serve it again. */
    readonly phoneNeedsHost: boolean;
  }
  /** It went wrong for a phone, or before there was one. Other phones are not touched by it. */
  | AboutPhoneOrAll & ErrorData & {
    readonly type: "failed";
    /** The phone was told to boot, and waits for us or restarts by itself: it is not in its bootloader. */
    readonly booted: boolean;
  }
  /** The last event: no phone is left. When `runBoot` is cancelled it rejects instead. */
  | BootEventTime & {
    readonly type: "done";
    /** Phones that finished. */
    readonly finished: readonly string[];
    /** Phones that failed. */
    readonly failed: readonly string[];
    /** All went well: at least one phone finished and nothing failed. */
    readonly ok: boolean;
  };

/** A value of JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * An event as an object of JSON: the same keys, without those that hold nothing; integers that a
 * number of JSON cannot hold are strings of decimal digits.
 *
 * @example
 * ```ts
 * import { toJson } from "./events.ts";
 *
 * const json = toJson({ type: "left", phone: "0123", ms: 1200 });
 * console.assert(JSON.stringify(json) === '{"type":"left","ms":1200,"phone":"0123"}');
 * ```
 */
export function toJson(event: BootEvent): { readonly [key: string]: Json } {
  // what a reader of lines wants to see first comes first
  const { type, ms, ...rest } = event;
  const json = plain(rest) as { readonly [key: string]: Json };
  const { phone, ...others } = json;
  return {
    type,
    ms: Math.round(ms),
    ...(phone === undefined ? {} : { phone }),
    ...others,
  };
}

/** {@linkcode toJson} as one line, with its end: what `--json` prints. */
export function toJsonLine(event: BootEvent): string {
  return `${JSON.stringify(toJson(event))}\n`;
}

function plain(value: unknown): Json {
  switch (typeof value) {
    case "bigint":
      return value.toString();
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : null;
    case "object":
      break;
    default:
      return null;
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined)
      .map(([key, one]) => [key, plain(one)]),
  );
}
