/**
 * The language, keyboard and time zone of this machine, for the first boot of another.
 *
 * @see systemd-firstboot(1), locale(7), vconsole.conf(5), keyboard(5)
 * @module
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Personalization } from "../../boot/settings.ts";

/** What a machine says of itself. */
export interface PersonalWorld {
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** A file; nothing where it cannot be read. */
  read(path: string): Promise<string | undefined>;
  /** As `Intl` has it; nothing where it does not know. */
  timeZone(): string | undefined;
}

/** In every image: what else may be there is not known. */
const LOCALE = "C.UTF-8", KEYMAP = "us", TIME_ZONE = "UTC";
const LOCALE_FILES = ["/etc/locale.conf", "/etc/default/locale"];
const KEYBOARDS = [
  ["/etc/vconsole.conf", "KEYMAP"],
  ["/etc/default/keyboard", "XKBLAYOUT"],
] as const;

/**
 * Tells what this machine is set to, so that a system that boots for the first time need not ask: it
 * would do so on a console that phones do not have.
 *
 * What cannot be known, or would mean nothing elsewhere, is `C.UTF-8`, `us` and `UTC`. Never rejects.
 */
export async function readPersonalization(
  world: PersonalWorld = THIS_MACHINE,
): Promise<Required<Personalization>> {
  const files = await Promise.all(LOCALE_FILES.map((path) => world.read(path)));
  /** The environment first, as a user may have set it for this call. */
  const find = (...names: string[]) => {
    for (const name of names) {
      const values = [
        world.env(name),
        ...files.map((text) => assignment(text, name)),
      ];
      const found = values.find((value) => value !== undefined && value !== "");
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const locale = localeOf(find("LC_ALL", "LANG"));
  return {
    locale,
    localeMessages: localeOf(find("LC_ALL", "LC_MESSAGES") ?? locale),
    keymap: await keymapOf(world),
    timezone: zoneOf(world.timeZone()),
  };
}

const THIS_MACHINE: PersonalWorld = {
  env: (name) => process.env[name],
  read: (path) => readFile(path, "utf8").catch(() => undefined),
  timeZone: () => new Intl.DateTimeFormat().resolvedOptions().timeZone,
};

/** `LANG="de_DE.UTF-8"` in a file of a shell's assignments. */
function assignment(text: string | undefined, name: string) {
  const line = text?.split("\n").find((line) =>
    line.trimStart().startsWith(`${name}=`)
  );
  const value = line?.slice(line.indexOf("=") + 1).trim();
  return value?.replace(/^(["'])(.*)\1$/, "$2");
}

function localeOf(text: string | undefined): string {
  // the oldest names, which have no characters beyond ASCII
  if (text === undefined || /^(C|POSIX)$/.test(text)) return LOCALE;
  return /^[A-Za-z][\w.@-]*$/.test(text) ? text : LOCALE;
}

async function keymapOf({ read }: PersonalWorld): Promise<string> {
  for (const [path, name] of KEYBOARDS) {
    // several layouts to change between: the first one is in use
    const found = assignment(await read(path), name)?.split(",")[0]?.trim();
    if (found && /^[\w.-]+$/.test(found)) return found;
  }
  return KEYMAP;
}

function zoneOf(text: string | undefined): string {
  return text && /^[A-Z][\w+-]*(\/[\w+-]+)*$/.test(text) ? text : TIME_ZONE;
}
