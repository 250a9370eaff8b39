/**
 * Talks to a phone over its serial console: waits for what it prints, types what it should do.
 *
 * @module
 */

import type { PhoneConsole } from "../../src/phone/console.ts";

const POLL_MS = 50;

/** A phone with a keyboard: a machine of `src/adapters/node/qemu.ts`. */
export interface Talker {
  readonly console: PhoneConsole;
  /** Types on the console. */
  write(text: string): void;
}

/** The test guest of `tests/support/guest`: its commands are said at the top of `main.c`. */
export class Guest {
  readonly #phone: Talker;

  /** @param phone Boots the guest's image. */
  constructor(phone: Talker) {
    this.#phone = phone;
  }

  /** Waits until the guest takes commands. */
  async ready(timeoutMs = 90_000): Promise<void> {
    await this.#phone.console.waitFor(/^guest: ready .*$/m, { timeoutMs });
  }

  /**
   * Runs a command.
   *
   * @returns What it said, a line each, without the marks in front.
   * @throws {Error} with the errno when it failed.
   */
  async run(command: string, timeoutMs = 60_000): Promise<string[]> {
    const start = this.start(command);
    return await this.ended(command.split(" ")[0]!, start, timeoutMs);
  }

  /**
   * Types a command; with "&" in front it runs beside the next ones.
   *
   * @returns Where in the console's text it begins.
   */
  start(command: string): number {
    const start = this.#phone.console.text.length;
    this.#phone.write(`${command}\n`);
    return start;
  }

  /** Waits for the end of a command that was started at a place of the console's text. */
  async ended(
    word: string,
    start: number,
    timeoutMs = 60_000,
  ): Promise<string[]> {
    const end = new RegExp(`^guest: (done|failed) ${word}\\b ?(\\w*)\\n`, "m");
    const match = await findBehind(this.#phone.console, start, end, timeoutMs);
    const lines = match.before.split("\n")
      .filter((line) => line.startsWith("guest: "))
      .map((line) => line.slice("guest: ".length).replace(/^\| /, ""));
    if (match.groups[0] === "done") return lines;
    throw new Error(
      `Cannot run "${word}" in the guest: ${match.groups[1]}; it said:\n${
        lines.join("\n")
      }`,
    );
  }

  /** `NAME=VALUE` words of the one line that begins with a word. */
  static facts(lines: readonly string[], word: string): Map<string, string> {
    const line = lines.find((line) => line.startsWith(`${word} `));
    if (line === undefined) {
      throw new Error(`No line "${word} …" in:\n${lines.join("\n")}`);
    }
    return new Map(
      [...line.matchAll(/(\w+)=(\S*)/g)].map(([, name, value]) => [
        name!,
        value!,
      ]),
    );
  }
}

/**
 * Waits for something behind a place of the console's text. Unlike the console's own `waitFor`, several
 * of these may wait for what comes in any order.
 */
async function findBehind(
  console: PhoneConsole,
  start: number,
  pattern: RegExp,
  timeoutMs: number,
): Promise<{ before: string; groups: string[] }> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const text = console.text.slice(start);
    const match = pattern.exec(text);
    if (match !== null) {
      return { before: text.slice(0, match.index), groups: match.slice(1) };
    }
    if (Date.now() > deadline) {
      throw new Error(
        `Cannot find ${pattern} on the console: it was not there after ${timeoutMs} ms; its last lines:\n  ${console.lastLines}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A shell of the distribution, on the console, logged in by `systemd.set_credential`. */
export class Shell {
  #count = 0;
  readonly #phone: Talker;

  /** @param phone Boots a distribution with {@linkcode AUTOLOGIN}. */
  constructor(phone: Talker) {
    this.#phone = phone;
  }

  /** Waits for the prompt of root. */
  async ready(timeoutMs = 480_000): Promise<void> {
    await this.#phone.console.waitFor(/root@\S*# /, { timeoutMs });
    // no echo, no colours, no lines cut: what is printed is what commands say
    await this.run("stty -echo cols 400; PS1=; TERM=dumb; dmesg -n 1");
  }

  /** Types a command whose end is not waited for. */
  type(command: string): void {
    this.#phone.write(`${command}\n`);
  }

  /**
   * Runs a command.
   *
   * @returns What it printed, and how it ended.
   */
  async run(
    command: string,
    timeoutMs = 120_000,
  ): Promise<{ code: number; output: string }> {
    const { console } = this.#phone;
    // The echo of what is typed must not look like what it prints.
    const id = ++this.#count;
    this.#phone.write(
      `echo @@b''egin ${id}; ${command}\necho @@e''nd ${id} $?\n`,
    );
    const begin = await console.waitFor(new RegExp(`@@begin ${id}\n`), {
      timeoutMs,
    });
    const end = await console.waitFor(new RegExp(`@@end ${id} (\\d+)\n`), {
      timeoutMs,
    });
    const output = console.text.slice(begin.index + begin[0].length, end.index);
    return { code: Number(end[1]), output: output.trim() };
  }
}

/** Logs root in on the console without touching the image: for the kernel's command line. */
export const AUTOLOGIN =
  "systemd.set_credential=agetty.autologin:root systemd.set_credential=login.noauth:yes";

/** Leaves out of the boot what takes long in an emulator and is not what is tested. */
export const QUICK = [
  "quiet systemd.show_status=error systemd.condition_needs_update=0",
  // an emulator on a busy machine is no reason to give up
  "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600",
  "systemd.mask=getty-static.service systemd.mask=getty@tty1.service",
].join(" ");
