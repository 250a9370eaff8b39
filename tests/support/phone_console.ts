/**
 * Talks to a phone over its serial console: waits for what it prints, types what it should do.
 *
 * @module
 */

/** Characters of the console that an error repeats. */
const KEPT = 3000;

/** A console: everything that was printed so far, and a keyboard. */
export class PhoneConsole {
  /** Everything, without carriage returns. */
  text = "";
  /** Where the next `waitFor` begins to search. */
  #at = 0;
  #over: string | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #type: (text: string) => void;

  /** @param type Types on the console. */
  constructor(type: (text: string) => void) {
    this.#type = type;
  }

  /** Takes what the phone printed. */
  feed(text: string): void {
    this.text += text.replaceAll("\r", "");
    for (const look of [...this.#waiting]) look();
  }

  /** There will be no more: whoever waits fails. */
  end(reason: string): void {
    this.#over ??= reason;
    for (const look of [...this.#waiting]) look();
  }

  /** Types a line. */
  type(line: string): void {
    this.#type(`${line}\n`);
  }

  /**
   * Waits until something is printed behind what was waited for before.
   *
   * @returns What matched, and what was printed before it.
   */
  waitFor(
    pattern: RegExp,
    timeoutMs: number,
  ): Promise<{ match: RegExpExecArray; before: string }> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const fail = (found: string) => {
        done();
        reject(
          new Error(
            `Cannot find ${pattern} on the console: ${found}; its last lines:\n${
              this.text.slice(-KEPT)
            }`,
          ),
        );
      };
      const look = () => {
        const rest = this.text.slice(this.#at);
        const match = pattern.exec(rest);
        if (match === null) {
          if (this.#over !== undefined) fail(this.#over);
          return;
        }
        done();
        this.#at += match.index + match[0].length;
        resolve({ match, before: rest.slice(0, match.index) });
      };
      const timer = setTimeout(
        () => fail(`it was not there after ${timeoutMs} ms`),
        timeoutMs,
      );
      this.#waiting.add(look);
      look();
    });
  }
}

/** The test guest of `tests/support/guest`: its commands are said at the top of `main.c`. */
export class Guest {
  readonly console: PhoneConsole;

  /** @param console Of a phone that boots the guest's image. */
  constructor(console: PhoneConsole) {
    this.console = console;
  }

  /** Waits until the guest takes commands. */
  async ready(timeoutMs = 90_000): Promise<void> {
    await this.console.waitFor(/^guest: ready .*$/m, timeoutMs);
  }

  /**
   * Runs a command.
   *
   * @returns What it said, a line each, without the marks in front.
   * @throws {Error} with the errno when it failed.
   */
  async run(command: string, timeoutMs = 60_000): Promise<string[]> {
    const [word] = command.replace(/^& */, "").split(" ");
    this.console.type(command);
    if (command.startsWith("&")) return [];
    return await this.ended(word!, timeoutMs);
  }

  /** Waits for the end of a command that was started with "&" in front. */
  async ended(word: string, timeoutMs = 60_000): Promise<string[]> {
    const { match, before } = await this.console.waitFor(
      new RegExp(`^guest: (done|failed) ${word}\\b ?(\\w*)$`, "m"),
      timeoutMs,
    );
    const lines = before.split("\n").filter((line) =>
      line.startsWith("guest: ")
    ).map((line) => line.slice("guest: ".length).replace(/^\| /, ""));
    if (match[1] === "done") return lines;
    throw new Error(
      `Cannot run "${word}" in the guest: ${match[2]}; it said:\n${
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

/** A shell of the distribution, on the console, logged in by `systemd.set_credential`. */
export class Shell {
  #count = 0;
  readonly console: PhoneConsole;

  /** @param console Of a phone that boots a distribution with {@linkcode AUTOLOGIN}. */
  constructor(console: PhoneConsole) {
    this.console = console;
  }

  /** Waits for the prompt of root. */
  async ready(timeoutMs = 240_000): Promise<void> {
    await this.console.waitFor(/# $/, timeoutMs);
    // no echo, no colours, no lines cut: what is printed is what commands say
    await this.run(
      "stty -echo cols 400; bind 'set enable-bracketed-paste off'; PS1=; TERM=dumb",
    );
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
    // The echo of what is typed must not look like the end.
    const id = ++this.#count;
    this.console.type(
      `echo @@b''egin ${id}; ${command}\necho @@e''nd ${id} $?`,
    );
    await this.console.waitFor(new RegExp(`@@begin ${id}\n`), timeoutMs);
    const { match, before } = await this.console.waitFor(
      new RegExp(`@@end ${id} (\\d+)\n`),
      timeoutMs,
    );
    return { code: Number(match[1]), output: before.trim() };
  }
}

/** Logs root in on the console without touching the image: for the kernel's command line. */
export const AUTOLOGIN =
  "systemd.set_credential=agetty.autologin:root systemd.set_credential=login.noauth:yes";

/** Leaves out of the boot what takes long in an emulator and is not what is tested. */
export const QUICK = [
  "quiet systemd.show_status=1 systemd.condition_needs_update=0",
  "systemd.mask=getty-static.service systemd.mask=getty@tty1.service",
].join(" ");
