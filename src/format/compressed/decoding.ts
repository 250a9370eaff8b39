/**
 * Decoders at work on parts of an image, shared by all reads.
 *
 * @module
 */
import { onAbort } from "../../block/abortable.ts";
import { DecodedCache } from "../../block/decoded_cache.ts";
import { FormatError } from "../../errors.ts";
import type { PartDecoder } from "./part_decoder.ts";

/** Content that is kept, dropped and handed out together; every part begins with a new page. */
export const PAGE_SIZE = 128 << 10;
/** Decoders at work at a time; those who come later wait for their turn. */
const MAX_BUSY = 4;
/** Decoders that are kept at least, with up to 65 MiB of dictionary each for what `xz -9` made. */
const MIN_RUNS = 4;
/**
 * More are kept at rest as long as their parts have no more bytes together. With 4 for parts of 16 MiB,
 * a kernel and its modules cost a third more.
 */
const MAX_RUNS = 12;
const RUNS_BYTES = 128 << 20;
const NOTHING = new Uint8Array(0);

/** A page: the part it belongs to, and its first byte, counted from the start of the part. */
export interface PageAddress {
  readonly part: number;
  readonly at: number;
}

/** What is decoded, and how. */
export interface DecodingSource {
  /** A decoder at the start of a part. */
  open(part: number): PartDecoder;
  /** First byte of a part, counted from the start of the content. */
  start(part: number): number;
  /** Bytes of content of a part. */
  size(part: number): number;
  /** Whether nothing of a part is given before all of it has proved to be right. */
  whole(part: number): boolean;
  /** Told of every page; `start` is its first byte, counted from the start of the content. */
  decoded?(start: number, bytes: Uint8Array): void;
  /** Told of a part that was given in pages and proved to be damaged. */
  damaged?(): void;
}

interface Waiter extends PageAddress {
  done(bytes: Uint8Array): void;
  fail(error: unknown): void;
}

/**
 * Decodes pages. A page that was decoded lately comes from memory. Others wait for the decoder that is
 * nearest before them in their part, so what is read in sequence is decoded once; a new one is started
 * where there is none. At most 4 work at the same time and 12 are open; those that rest make room.
 *
 * Equal pages are decoded once. When the last one who waits for a decoder leaves, its read below is
 * cancelled, and the decoder rests where it is. A decoder that failed fails those who wait for it; one
 * that met damage is forgotten with what it gave.
 */
export class Decoding {
  readonly #source: DecodingSource;
  readonly #cache: DecodedCache;
  /** Used longest ago first. */
  readonly #runs: Run[] = [];
  /** In the order of asking: no decoder is free. */
  readonly #queue = new Set<Waiter>();

  constructor(source: DecodingSource, maxBytes: number) {
    this.#source = source;
    this.#cache = new DecodedCache(maxBytes);
  }

  /** The page when it is kept. Must not be written to. */
  kept({ part, at }: PageAddress): Uint8Array | undefined {
    return this.#cache.get(this.#source.start(part) + at, 1);
  }

  /** Decodes a page. Must not be written to. */
  decode(page: PageAddress, signal?: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      let forget = () => {};
      const waiter: Waiter = {
        ...page,
        done: (bytes) => {
          forget();
          resolve(bytes);
        },
        fail: (error) => {
          forget();
          reject(error);
        },
      };
      if (signal !== undefined) {
        forget = onAbort(signal, () => {
          this.#queue.delete(waiter);
          for (const run of this.#runs) run.leave(waiter, signal.reason);
          reject(signal.reason);
        });
      }
      if (!this.#assign(waiter)) this.#queue.add(waiter);
    });
  }

  /** Ends all decoders; who waits fails with `error`. */
  close(error: unknown): void {
    for (const waiter of this.#queue) waiter.fail(error);
    this.#queue.clear();
    for (const run of this.#runs.splice(0)) run.stop(error);
  }

  /** Gives the waiter to a decoder; `false` when all are busy elsewhere. */
  #assign(waiter: Waiter): boolean {
    let nearest: Run | undefined;
    for (const run of this.#runs) {
      if (run.part !== waiter.part || run.given > waiter.at) continue;
      if (nearest === undefined || run.given > nearest.given) nearest = run;
    }
    const busy = this.#runs.filter(({ busy }) => busy).length;
    if (nearest?.busy !== true && busy >= MAX_BUSY) return false;
    if (nearest === undefined) {
      if (this.#isFull(waiter.part)) {
        const resting = this.#runs.findIndex((run) => !run.busy);
        if (resting < 0) return false;
        this.#runs.splice(resting, 1)[0]!.stop(undefined);
      }
      nearest = new Run(waiter.part, this.#source, {
        page: (run, at, bytes) => this.#keep(run, at, bytes),
        rest: (run) => this.#rest(run),
        failed: (run, error) => this.#failed(run, error),
      });
    } else this.#runs.splice(this.#runs.indexOf(nearest), 1);
    this.#runs.push(nearest);
    nearest.wait(waiter);
    return true;
  }

  #isFull(part: number): boolean {
    if (this.#runs.length < MIN_RUNS) return false;
    if (this.#runs.length >= MAX_RUNS) return true;
    let bytes = this.#source.size(part);
    for (const run of this.#runs) bytes += this.#source.size(run.part);
    return bytes > RUNS_BYTES;
  }

  #rest(run: Run): void {
    // one that is at the end of its part gives its memory back
    if (run.over) this.#runs.splice(this.#runs.indexOf(run), 1);
    this.#dispatch();
  }

  #dispatch(): void {
    for (const waiter of [...this.#queue]) {
      const bytes = this.kept(waiter);
      if (bytes !== undefined) waiter.done(bytes);
      else if (!this.#assign(waiter)) continue;
      this.#queue.delete(waiter);
    }
  }

  #keep(run: Run, at: number, bytes: Uint8Array): void {
    const start = this.#source.start(run.part) + at;
    this.#cache.set(start, bytes);
    this.#source.decoded?.(start, bytes);
  }

  /** Has a page kept that came from elsewhere. */
  put({ part, at }: PageAddress, bytes: Uint8Array): void {
    this.#cache.set(this.#source.start(part) + at, bytes);
  }

  #failed(run: Run, error: unknown): void {
    const at = this.#runs.indexOf(run);
    if (at >= 0) this.#runs.splice(at, 1);
    // a lost connection says nothing of what was decoded before
    if (error instanceof FormatError) this.#forget(run);
    this.#dispatch();
  }

  #forget(run: Run): void {
    const start = this.#source.start(run.part);
    for (let at = 0; at < run.given; at += PAGE_SIZE) {
      // empty: takes no room, and answers nobody
      this.#cache.set(start + at, NOTHING);
    }
    if (run.given > 0) this.#source.damaged?.();
  }
}

interface RunEvents {
  page(run: Run, at: number, bytes: Uint8Array): void;
  rest(run: Run): void;
  failed(run: Run, error: unknown): void;
}

/** A decoder, and who waits for it. */
class Run {
  readonly part: number;
  /** Pages before this byte of the part were given and do not come again. */
  given = 0;
  busy = false;
  readonly #size: number;
  readonly #decoder: PartDecoder;
  readonly #whole: boolean;
  readonly #events: RunEvents;
  readonly #waiters = new Set<Waiter>();
  /** Decoded and not given yet, from `given` on. */
  #pages: Uint8Array[] = [];
  /** Of the last page. */
  #filled = 0;
  #controller = new AbortController();
  #stopped = false;

  constructor(part: number, source: DecodingSource, events: RunEvents) {
    this.part = part;
    this.#size = source.size(part);
    this.#decoder = source.open(part);
    this.#whole = source.whole(part);
    this.#events = events;
  }

  /** All of the part was given. */
  get over(): boolean {
    return this.given === this.#size;
  }

  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
    if (!this.busy) void this.#work();
  }

  leave(waiter: Waiter, reason: unknown): void {
    if (this.#waiters.delete(waiter) && this.#waiters.size === 0) {
      this.#controller.abort(reason);
    }
  }

  stop(error: unknown): void {
    this.#stopped = true;
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
    this.#controller.abort(error);
    if (!this.busy) this.#decoder.close();
  }

  async #work(): Promise<void> {
    this.busy = true;
    while (this.#waiters.size > 0 && !this.#stopped) {
      const { signal } = this.#controller;
      try {
        this.#take(await this.#decoder.next(this.#target(), signal));
      } catch (error) {
        if (signal.aborted && error === signal.reason) {
          // nobody waited any more; by now somebody may
          this.#controller = new AbortController();
          continue;
        }
        this.#fail(error);
        return;
      }
      this.#give();
    }
    this.busy = false;
    if (this.#controller.signal.aborted) {
      this.#controller = new AbortController();
    }
    if (this.#stopped || this.over) this.#decoder.close();
    if (!this.#stopped) this.#events.rest(this);
  }

  /** Byte behind the last one that somebody waits for. */
  #target(): number {
    if (this.#whole) return this.#size;
    let target = 0;
    for (const { at } of this.#waiters) target = Math.max(target, at);
    return Math.min(target + PAGE_SIZE, this.#size);
  }

  #take(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      let page = this.#pages.at(-1);
      if (page === undefined || this.#filled === page.length) {
        const start = this.given + this.#pages.length * PAGE_SIZE;
        page = new Uint8Array(Math.min(PAGE_SIZE, this.#size - start));
        this.#pages.push(page);
        this.#filled = 0;
      }
      const part = bytes.subarray(done, done + page.length - this.#filled);
      page.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
    }
  }

  /** Hands out the pages that are complete; the last one when the part has proved to be right. */
  #give(): void {
    if (this.#whole && !this.#decoder.ended) return;
    while (this.#pages.length > 0) {
      const page = this.#pages[0]!;
      const at = this.given;
      if (this.#pages.length === 1 && this.#filled < page.length) return;
      if (at + page.length === this.#size && !this.#decoder.ended) return;
      this.#pages.shift();
      this.given += page.length;
      this.#events.page(this, at, page);
      for (const waiter of [...this.#waiters]) {
        if (waiter.at !== at) continue;
        this.#waiters.delete(waiter);
        waiter.done(page);
      }
    }
  }

  #fail(error: unknown): void {
    this.#stopped = true;
    this.busy = false;
    this.#decoder.close();
    this.#events.failed(this, error);
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
  }
}
