/**
 * The serial console of a virtual phone, to be read as it comes.
 *
 * @module
 */

/** Lines that an error repeats. */
const KEPT_LINES = 40;

/** Why a wait on a console ended without what was waited for: the console ended, or time was up. */
export class ConsoleError extends Error {
  override readonly name = "ConsoleError";
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (reason: unknown) => void;
}

/** What the console showed so far, without carriage returns, and waits for what it will show. */
export class PhoneConsole {
  #text = "";
  #at = 0;
  #ended = false;
  readonly #waiters = new Set<Waiter>();

  /** All of it. */
  get text(): string {
    return this.#text;
  }

  /** The last lines, for messages. */
  get lastLines(): string {
    return this.#text.split("\n").filter((line) => line.trim() !== "")
      .slice(-KEPT_LINES).join("\n  ");
  }

  /** More of it came. */
  push(text: string): void {
    this.#text += text.replaceAll("\r", "");
    this.#look();
  }

  /** No more will come: who waits is told. */
  end(): void {
    this.#ended = true;
    for (const waiter of this.#waiters) {
      waiter.reject(this.#error(waiter.pattern, "the console ended"));
    }
  }

  /**
   * Waits for `pattern` behind what the last wait found.
   *
   * @param options.timeoutMs For ever when absent.
   * @throws {ConsoleError} with the last lines, when the console ends or time is up
   */
  async waitFor(
    pattern: RegExp,
    { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<RegExpExecArray> {
    signal?.throwIfAborted();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let leave: (() => void) | undefined;
    let waiter!: Waiter;
    try {
      return await new Promise<RegExpExecArray>((resolve, reject) => {
        waiter = { pattern, resolve, reject };
        this.#waiters.add(waiter);
        leave = () => reject(signal!.reason);
        signal?.addEventListener("abort", leave, { once: true });
        if (timeoutMs !== undefined) {
          timer = setTimeout(
            () => reject(this.#error(pattern, `${timeoutMs} ms went by`)),
            timeoutMs,
          );
        }
        this.#look();
        if (this.#ended) reject(this.#error(pattern, "the console ended"));
      });
    } finally {
      this.#waiters.delete(waiter);
      clearTimeout(timer);
      if (leave) signal?.removeEventListener("abort", leave);
    }
  }

  #look(): void {
    for (const waiter of this.#waiters) {
      const { pattern } = waiter;
      const search = new RegExp(
        pattern,
        pattern.flags.replace(/[gy]/g, "") + "g",
      );
      search.lastIndex = this.#at;
      const match = search.exec(this.#text);
      if (match === null) continue;
      this.#at = match.index + match[0].length;
      this.#waiters.delete(waiter);
      waiter.resolve(match);
    }
  }

  #error(pattern: RegExp, found: string): ConsoleError {
    return new ConsoleError(
      `Cannot find ${pattern} on the console: ${found}; its last lines:\n  ${this.lastLines}`,
    );
  }
}
