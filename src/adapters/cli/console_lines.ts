/** Cuts what a console shows into lines. */
export class ConsoleLines {
  readonly #tell: (line: string) => void;
  #rest = "";

  /** Calls `tell` with each line, without its end. */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  /** More of it came. */
  push(text: string): void {
    const lines = `${this.#rest}${text}`.split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#tell(plain(line));
  }

  /** No more will come: a prompt has no end of line. */
  end(): void {
    if (this.#rest.trim() !== "") this.#tell(plain(this.#rest));
    this.#rest = "";
  }
}

/** Sequences of ECMA-48: CSI, OSC, and those of two characters. */
const CONTROL =
  // deno-lint-ignore no-control-regex -- terminals are controlled by them
  /\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])/g;

/** Without what would move the cursor or change colours. */
function plain(line: string): string {
  return line.replaceAll(CONTROL, "").replaceAll("\r", "").trimEnd();
}

/** Longer ones are not waited for: they are no sequences. */
const MAX_CONTROL = 64;

/** Takes sequences of control characters out of text that comes in pieces. */
export class PlainText {
  #rest = "";

  /** More of it came; gives what is plain of it. */
  push(text: string): string {
    const all = (this.#rest + text).replaceAll(CONTROL, "");
    const start = all.lastIndexOf("\x1b");
    const cut = start >= 0 && all.length - start < MAX_CONTROL
      ? start
      : all.length;
    this.#rest = all.slice(cut);
    return all.slice(0, cut);
  }
}
