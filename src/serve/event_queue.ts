/** Events between who makes them and who takes them, in their order. */
export class EventQueue<T> {
  #events: T[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Events that nobody has taken. */
  get length(): number {
    return this.#events.length;
  }

  /** Puts an event behind the others. */
  push(event: T): void {
    this.#events.push(event);
    this.#stir();
  }

  /** Ends the queue: once it is empty, taking throws `error`. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stir();
  }

  /** The next event, as soon as there is one. One call at a time. */
  async take(): Promise<T> {
    for (;;) {
      if (this.#events.length > 0) return this.#events.shift()!;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #stir(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
