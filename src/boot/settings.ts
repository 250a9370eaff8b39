/**
 * What stage0 is told, and what the kernel is told.
 *
 * @module
 */

import { checkCmdline, type CmdlineLimits, parseCmdline } from "./cmdline.ts";
import {
  checkSetting,
  isSettingKey,
  type SettingKey,
} from "./setting_values.ts";

export {
  isSettingOn,
  SETTING_KEYS,
  type SettingKey,
} from "./setting_values.ts";

/** Settings by name, in the order of their files. */
export type Settings = ReadonlyMap<SettingKey, string>;

/** Words that mean `=1` when they stand alone. */
const BARE: ReadonlySet<string> = new Set<SettingKey>([
  "stage0.fb",
  "stage0.yeetfstab",
  "smoo.acm",
  "smoo.break",
  "smoo.mimic_fastboot",
]);
/** Two names of one setting: the later word counts, whichever it uses. */
const OTHER_NAME: ReadonlyMap<SettingKey, SettingKey> = new Map(
  ([
    ["smoo.vendor", "smoo.vendor_id"],
    ["smoo.product", "smoo.product_id"],
    ["smoo.queue_depth", "smoo.queue_size"],
    ["smoo.max_io_bytes", "smoo.max_io"],
  ] as const).flatMap(([a, b]) => [[a, b], [b, a]]),
);
const CREDENTIAL = /^(firstboot\.[^:]+):(.*)$/s;

function put(
  settings: Map<SettingKey, string>,
  key: SettingKey,
  value: string,
): void {
  const other = OTHER_NAME.get(key);
  if (other !== undefined) settings.delete(other);
  settings.set(key, value);
}

/** A command line, split into what is for stage0 and what is for the kernel. */
export interface SplitCmdline {
  /** Later words win. A setting with an empty value is left out. */
  readonly settings: Settings;
  /** All other words in their order, as they stood. */
  readonly words: readonly string[];
}

/**
 * Takes the words that are settings out of a command line: `key=value`, some keys alone for `=1`, and
 * `systemd.set_credential=firstboot.…:value`. What follows a `--` is for init and stays.
 *
 * @throws {FormatError} `cmdline.bad-character`, `cmdline.open-quote`, `settings.bad-value`,
 * `settings.no-shell`
 *
 * @example
 * ```ts
 * import { splitCmdline } from "./settings.ts";
 *
 * const { settings, words } = splitCmdline('quiet smoo.acm firstboot.keymap="de"');
 * console.assert(settings.get("smoo.acm") === "1" && settings.get("firstboot.keymap") === "de");
 * console.assert(words.join(" ") === "quiet");
 * ```
 */
export function splitCmdline(text: string): SplitCmdline {
  const settings = new Map<SettingKey, string>();
  const words: string[] = [];
  let forInit = false;
  for (const { text: word, name, value } of parseCmdline(text)) {
    forInit ||= word === "--";
    const found = forInit ? undefined : asSetting(name, value);
    if (found === undefined) words.push(word);
    else if (found[1] !== "") put(settings, found[0], checkSetting(...found));
  }
  return { settings, words };
}

function asSetting(
  name: string,
  value: string | undefined,
): [SettingKey, string] | undefined {
  if (value === undefined) {
    return isSettingKey(name) && BARE.has(name) ? [name, "1"] : undefined;
  }
  if (isSettingKey(name)) return [name, value];
  if (name !== "systemd.set_credential") return undefined;
  const [, key = "", rest = ""] = CREDENTIAL.exec(value) ?? [];
  return isSettingKey(key) ? [key, rest] : undefined;
}

/** What a person's own system says, for the first boot of another. Empty ones are left out. */
export interface Personalization {
  /** `de_DE.UTF-8` */
  readonly locale?: string;
  /** Language of messages, as `locale`. */
  readonly localeMessages?: string;
  /** `de` */
  readonly keymap?: string;
  /** `Europe/Berlin` */
  readonly timezone?: string;
}

/** Where words of the command line and settings come from. */
export interface CmdlineParts {
  /** Of the device profile: first on the command line. */
  readonly device?: string;
  /** Path of an OSTree deployment, with or without its leading slash. */
  readonly ostree?: string;
  /** Of the boot profile: for all devices, then for this one. */
  readonly bootProfile?: readonly string[];
  /** As typed by the user. */
  readonly user?: readonly string[];
  /** Host's time, microseconds since 1970, for phones without a clock of their own. */
  readonly clockMicroseconds?: number;
  /** Queues of the block device. */
  readonly queueCount?: number;
  /** Requests in each at a time. */
  readonly queueDepth?: number;
  /** Bytes of one request at most; default 1048576 unless a word says otherwise. */
  readonly maxIoBytes?: number;
  /** File system of the root, as `mount -t` names it. */
  readonly rootFileSystem: string;
  /** A serial console over USB. */
  readonly serialConsole?: boolean;
  /** The gadget looks like a phone in fastboot mode. */
  readonly mimicFastboot?: boolean;
  /** USB id of the gadget, 0 to 0xffff. */
  readonly vendorId?: number;
  /** As `vendorId`. */
  readonly productId?: number;
  /** Of the phone. */
  readonly deviceSerial?: string;
  /** Of the person who boots. */
  readonly personalization?: Personalization;
}

/** What the kernel is told, and what stage0 is told. */
export interface ComposedCmdline {
  /** For the boot image. */
  readonly cmdline: string;
  /** For the initramfs, by key. */
  readonly settings: Settings;
}

const DEFAULT_MAX_IO_BYTES = 1 << 20;

/**
 * Composes the kernel's command line and stage0's settings.
 *
 * Command line: the device profile's, `plymouth.ignore-serial-consoles` with a serial console, then
 * what is no setting of boot profile, user and clock, in this order; what a `--` has for init comes
 * last. Settings, later ones win: from
 * `parts`; words of the device profile, `ostree`, boot profile, user, queues, all by
 * {@linkcode splitCmdline}; then the root's file system.
 *
 * @throws {FormatError} `cmdline.too-long`, `cmdline.bad-character`, `cmdline.open-quote`,
 * `settings.bad-value`, `settings.no-shell`
 */
export function composeCmdline(
  parts: CmdlineParts,
  limits: CmdlineLimits,
): ComposedCmdline {
  const settings = new Map<SettingKey, string>();
  const set = (key: SettingKey, value: string | undefined) => {
    if (value !== undefined && value !== "") {
      settings.set(key, checkSetting(key, value));
    }
  };
  if (parts.serialConsole === true) set("smoo.acm", "1");
  if (parts.mimicFastboot === true) set("smoo.mimic_fastboot", "1");
  set("smoo.vendor", usbId("vendorId", parts.vendorId));
  set("smoo.product", usbId("productId", parts.productId));
  set("stage0.serial", parts.deviceSerial);
  const { locale, localeMessages, keymap, timezone } = parts.personalization ??
    {};
  set("firstboot.locale", locale);
  set("firstboot.locale-messages", localeMessages);
  set("firstboot.keymap", keymap);
  set("firstboot.timezone", timezone);

  const device = splitCmdline(parts.device ?? "");
  const extra = [...extras(parts)].map(splitCmdline);
  for (const split of [device, ...extra]) {
    for (const [key, value] of split.settings) put(settings, key, value);
  }
  if (!settings.has("smoo.max_io_bytes") && !settings.has("smoo.max_io")) {
    set("smoo.max_io_bytes", String(DEFAULT_MAX_IO_BYTES));
  }
  set("stage0.rootfs", parts.rootFileSystem);

  const serial = parts.serialConsole === true
    ? ["plymouth.ignore-serial-consoles"]
    : [];
  const cmdline = initWordsLast([
    device.words,
    serial,
    ...extra.map(({ words }) => words),
  ]).join(" ");
  checkCmdline(cmdline, limits);
  const inOrder = [...settings].sort(([a], [b]) => a < b ? -1 : 1);
  return { cmdline, settings: new Map(inOrder) };
}

/** Joins lists of words of which each may end in `--` and words for init: these come behind all others. */
function initWordsLast(lists: readonly (readonly string[])[]): string[] {
  const kernel: string[] = [], init: string[] = [];
  for (const words of lists) {
    const at = words.indexOf("--");
    kernel.push(...words.slice(0, at < 0 ? undefined : at));
    if (at >= 0) init.push(...words.slice(at + 1));
  }
  return init.length === 0 ? kernel : [...kernel, "--", ...init];
}

/** What is split, in the order in which later settings win. */
function* extras(parts: CmdlineParts): Generator<string> {
  const { ostree, clockMicroseconds, queueCount, queueDepth, maxIoBytes } =
    parts;
  if (ostree !== undefined) {
    const path = `/${ostree.replace(/^\/+/, "")}`;
    yield path.includes(" ") ? `ostree="${path}"` : `ostree=${path}`;
  }
  yield* parts.bootProfile ?? [];
  yield* parts.user ?? [];
  if (clockMicroseconds !== undefined) {
    yield `systemd.clock_usec=${clockMicroseconds}`;
  }
  if (queueCount !== undefined) yield `smoo.queue_count=${queueCount}`;
  if (queueDepth !== undefined) yield `smoo.queue_depth=${queueDepth}`;
  if (maxIoBytes !== undefined) yield `smoo.max_io_bytes=${maxIoBytes}`;
}

function usbId(name: string, id: number | undefined): string | undefined {
  if (id === undefined) return undefined;
  if (!Number.isInteger(id) || id < 0 || id > 0xffff) {
    throw new RangeError(
      `Cannot set ${name}: found ${id}, expected a whole number from 0 to 0xffff`,
    );
  }
  return `0x${id.toString(16).padStart(4, "0")}`;
}
