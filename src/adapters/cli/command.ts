/**
 * One call of the program, as data: what the arguments said, and nothing done yet.
 *
 * @module
 */

import type { PlanOptions } from "../../boot/plan.ts";
import type { Digest } from "../../image/digest.ts";
import type { PhoneOptions } from "../node/virtual_phone.ts";
import type { CacheAction } from "./cache_grammar.ts";
import type { DevproAction } from "./devpro.ts";
import type { Shell } from "./completion.ts";

/** What was typed is no command. The message says what would be. */
export class UsageError extends Error {
  /** Name of the class, as in the stack. */
  override readonly name = "UsageError";
  /** Command whose help tells more; nothing for the overview. */
  readonly topic: string | undefined;

  /** A message without its end. */
  constructor(message: string, topic?: string) {
    super(message);
    this.topic = topic;
  }
}

/** Which image, and how it is got at. */
export interface ImageOptions {
  /** A file, a link, or a pipeline document that says how. */
  readonly path: string;
  /** Parts to take where there is a choice. */
  readonly roots: readonly string[];
  /** Of the outermost file. */
  readonly digest: Digest | undefined;
  /** Of requests to the link's own server. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `http://…` */
  readonly proxy: string | undefined;
  /** Fetch all of it before anything else. */
  readonly spool: boolean;
  /** Keep what was fetched for the next time. */
  readonly cache: boolean;
  /** Take what was kept, and ask nobody. */
  readonly offline: boolean;
}

/** What goes into a boot image, and where from. */
export interface PayloadOptions {
  readonly image: ImageOptions;
  /** Path of an ELF file. */
  readonly stage0: string | undefined;
  /** Path. */
  readonly dtb: string | undefined;
  /** Paths. */
  readonly overlays: readonly string[];
  readonly macs: NonNullable<PlanOptions["macs"]>;
  /** Paths. */
  readonly augments: readonly string[];
  /** Names. */
  readonly modules: readonly string[];
  /** Words and settings. */
  readonly cmdline: readonly string[];
  readonly serialConsole: boolean;
  readonly clockMicroseconds: number | undefined;
  /** Language, keyboard and time zone of this machine go along; for phones when absent. */
  readonly firstboot: boolean | undefined;
  readonly ostree: true | string | undefined;
  readonly compressedModules: boolean;
}

/** How much is told, and how. */
export interface ViewOptions {
  /** Events as lines of JSON on standard output. */
  readonly json: boolean;
  /** -1 for failures only, 0, or 1 for everything. */
  readonly verbosity: -1 | 0 | 1;
}

/** Writes a boot image, or the initramfs in it, to a file. */
export interface BuildCommand extends PayloadOptions {
  readonly kind: "build";
  readonly what: "boot" | "stage0";
  /** Id of the device profile. */
  readonly profile: string;
  readonly deviceSerial: string | undefined;
  /** File, `-` for standard output; absent for the same. */
  readonly output: string | undefined;
  readonly explain: boolean;
}

/** Boots phones, and serves them. */
export interface BootCommand extends PayloadOptions, ViewOptions {
  readonly kind: "boot";
  /** Id of a device profile; absent to ask the phone. */
  readonly profile: string | undefined;
  readonly serialNumbers: readonly string[];
  readonly ports: readonly string[];
  readonly all: boolean;
  /** Phones that run already are served again. */
  readonly resume: boolean;
  /** For ever when absent. */
  readonly waitMs: number | undefined;
  /** As `runBoot()` has it. */
  readonly gadgetMs: number | undefined;
  /** As `runBoot()` has it. */
  readonly goneMs: number | undefined;
  /** Where phones are plugged in: `auto` or `usbip://…`. */
  readonly usb: string;
}

/** Boots a virtual phone until it shows something. */
export interface TryCommand extends PayloadOptions, ViewOptions {
  readonly kind: "try";
  /** Id of a device profile; absent for that of the image's kernel. */
  readonly profile: string | undefined;
  /** Text on the console; absent for a login prompt. */
  readonly until: string | undefined;
  readonly timeoutMs: number;
  /** The console is shown. */
  readonly console: boolean;
  readonly memoryMiB: number | undefined;
}

/** Is a virtual phone. What is absent is as `startPhone()` has it. */
export interface PhoneCommand extends Omit<PhoneOptions, "onEvent"> {
  readonly kind: "phone";
  /** The console goes there, or with `true` to the terminal. */
  readonly console: string | true | undefined;
  /** Boot images go to this file. */
  readonly payload: string | undefined;
  /** Until the first machine has ended. */
  readonly once: boolean;
  readonly json: boolean;
}

/** Lists phones in their bootloader. */
export interface DetectCommand {
  readonly kind: "detect";
  readonly profile: string | undefined;
  /** Absent for a single look, `Infinity` for ever. */
  readonly waitMs: number | undefined;
  readonly json: boolean;
  readonly usb: string;
}

/** One call of the program. */
export type Command =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | {
    readonly kind: "ls";
    readonly image: ImageOptions;
    readonly path: string;
    readonly long: boolean;
    readonly recursive: boolean;
  }
  | {
    readonly kind: "cat";
    readonly image: ImageOptions;
    readonly path: string;
  }
  | {
    readonly kind: "inspect";
    readonly image: ImageOptions;
    readonly json: boolean;
  }
  | { readonly kind: "devpro" } & DevproAction
  | { readonly kind: "cache" } & CacheAction
  | { readonly kind: "udev" }
  | { readonly kind: "completion"; readonly shell: Shell }
  | BuildCommand
  | BootCommand
  | TryCommand
  | PhoneCommand
  | DetectCommand;
