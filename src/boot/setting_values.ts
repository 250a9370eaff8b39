/**
 * The settings that stage0 knows, and which values it takes.
 *
 * @module
 */

import { encodeName } from "../bytes/text.ts";
import { FormatError } from "../errors.ts";

type Kind = "flag" | "count" | "id" | "word" | "text";

const KINDS: Readonly<Record<SettingKey, Kind>> = {
  "ostree": "text",
  "stage0.fb": "flag",
  "stage0.serial": "text",
  "stage0.yeetfstab": "flag",
  "stage0.rootfs": "word",
  "stage0.failure": "word",
  "stage0.failure_delay": "count",
  "smoo.acm": "flag",
  "smoo.break": "flag",
  "smoo.queue_count": "count",
  "smoo.queue_depth": "count",
  "smoo.queue_size": "count",
  "smoo.max_io_bytes": "count",
  "smoo.max_io": "count",
  "smoo.vendor": "id",
  "smoo.vendor_id": "id",
  "smoo.product": "id",
  "smoo.product_id": "id",
  "smoo.mimic_fastboot": "flag",
  "smoo.log": "word",
  "firstboot.locale": "text",
  "firstboot.locale-messages": "text",
  "firstboot.keymap": "text",
  "firstboot.timezone": "text",
};

/** Name of a setting, and of its file below `etc/stage0`. */
export type SettingKey =
  | "ostree"
  | `stage0.${
    | "fb"
    | "serial"
    | "yeetfstab"
    | "rootfs"
    | "failure"
    | "failure_delay"}`
  | `smoo.${
    | "acm"
    | "break"
    | "queue_count"
    | "queue_depth"
    | "queue_size"
    | "max_io_bytes"
    | "max_io"
    | "vendor"
    | "vendor_id"
    | "product"
    | "product_id"
    | "mimic_fastboot"
    | "log"}`
  | `firstboot.${"locale" | "locale-messages" | "keymap" | "timezone"}`;
/** All settings that stage0 knows. */
export const SETTING_KEYS: readonly SettingKey[] = Object.keys(
  KINDS,
) as SettingKey[];

/** Words that a setting may be. */
const WORDS: Readonly<Partial<Record<SettingKey, readonly string[]>>> = {
  "stage0.rootfs": ["erofs", "ext4", "squashfs"],
  "stage0.failure": ["panic", "reboot", "bootloader", "poweroff", "wait"],
  "smoo.log": ["error", "warn", "info", "debug", "trace"],
};
const DEPTH = [1, 1024, 1] as const;
const IO_BYTES = [4096, 32 << 20, 4096] as const;
/** Least and most of a count, and what it must be a multiple of. */
const COUNTS: Readonly<
  Partial<Record<SettingKey, readonly [number, number, number]>>
> = {
  "stage0.failure_delay": [0, 3600, 1],
  "smoo.queue_count": [1, 16, 1],
  "smoo.queue_depth": DEPTH,
  "smoo.queue_size": DEPTH,
  "smoo.max_io_bytes": IO_BYTES,
  "smoo.max_io": IO_BYTES,
};
const FLAG = /^(1|true|yes|on|0|false|no|off)$/;
/** Bytes of a text, as stage0 has room for. */
const MAX_TEXT = 1023;

/** Tells whether stage0 takes a flag's value as yes. */
export function isSettingOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/.test(value);
}

/** What stage0 wants of this key, where it would not take this value. */
function expectation(key: SettingKey, value: string): string | undefined {
  switch (KINDS[key]) {
    case "flag":
      return FLAG.test(value)
        ? undefined
        : "1, true, yes, on, 0, false, no or off";
    case "count": {
      const [least, most, step] = COUNTS[key]!;
      const count = /^[0-9]{1,10}$/.test(value) ? Number(value) : NaN;
      if (count >= least && count <= most && count % step === 0) {
        return undefined;
      }
      const what = step === 1 ? "a whole number" : `a multiple of ${step}`;
      return `${what} from ${least} to ${most}`;
    }
    case "id":
      return /^(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5})$/.test(value) &&
          Number(value) <= 0xffff
        ? undefined
        : "0x0000 to 0xffff";
    case "word": {
      const words = WORDS[key]!;
      return words.includes(value)
        ? undefined
        : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
    }
    case "text":
      // deno-lint-ignore no-control-regex
      return /^[^\x00-\x1f\x7f]+$/.test(value) &&
          encodeName(value).length <= MAX_TEXT
        ? undefined
        : `text of at most ${MAX_TEXT} bytes without control characters`;
  }
}

/**
 * Refuses a value that stage0 would not take, before a phone is asked.
 *
 * @throws {FormatError} `settings.bad-value`, `settings.no-shell`
 */
export function checkSetting(key: SettingKey, value: string): string {
  const expected = expectation(key, value);
  const facts = { key, value };
  if (expected !== undefined) {
    throw new FormatError(
      "settings.bad-value",
      `Cannot set ${key}: found ${JSON.stringify(value)}, expected ${expected}`,
      { facts },
    );
  }
  if (key === "smoo.break" && isSettingOn(value)) {
    throw new FormatError(
      "settings.no-shell",
      `Cannot set ${key} to ${
        JSON.stringify(value)
      }: stage0 has no shell; use smoo.acm=1 to see what it does`,
      { facts },
    );
  }
  return value;
}

/** Tells whether there is a setting of this name. */
export function isSettingKey(name: string): name is SettingKey {
  return Object.hasOwn(KINDS, name);
}
