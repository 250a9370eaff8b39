import { onAbort } from "./abortable.ts";
import { checkCount, clampRead } from "./range.ts";
import { fillExactly } from "./read_exactly.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";

/** Bounds of {@linkcode withMerging}. */
export interface MergingOptions {
  /** Bytes between two reads that are read along so that one is enough; 16 KiB when absent. */
  readonly gap?: number | undefined;
  /** Most bytes that one merged read takes; 4 MiB when absent. A single read may be larger. */
  readonly maxBytes?: number | undefined;
  /** Reads of more bytes are left alone; as `maxBytes` when absent. */
  readonly maxRead?: number | undefined;
}

/**
 * Makes one read of those that are asked for at the same time and lie side by side, for a source
 * that is slow to answer and takes every read for itself.
 *
 * A read waits for others for 256 turns of the microtask queue, some 20 µs: until those who got
 * their bytes at the same time have all come to their next read. Whoever leaves rejects at once with
 * `signal.reason`; a merged read is stopped when the last one has left.
 * When it fails, it fails all of its reads.
 *
 * Keeps nothing. Memory: the merged reads under way; a read that stays alone goes into the caller's
 * buffer.
 *
 * @throws {RangeError} when a bound is negative
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { withMerging } from "./merge.ts";
 * import { withRecord } from "./record.ts";
 *
 * const below = withRecord(openMemory(new Uint8Array(4096)));
 * const reader = withMerging(below);
 * const read = (offset: number) => reader.read(offset, new Uint8Array(512));
 * await Promise.all([read(512), read(0), read(2048)]);
 * console.assert(below.report.requests === 1);
 * ```
 */
export function withMerging(
  reader: BlockReader,
  options: MergingOptions = {},
): BlockReader {
  const gap = checkCount("gap", options.gap ?? 16 << 10);
  const maxBytes = checkCount("maxBytes", options.maxBytes ?? 4 << 20);
  const maxRead = checkCount("maxRead", options.maxRead ?? maxBytes);
  const queue = new Queue(reader, gap, maxBytes, maxRead);
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: reader.identity,
    async read(
      offset: number,
      into: Uint8Array,
      { signal }: ReadOptions = {},
    ): Promise<number> {
      const count = clampRead(reader.size, offset, into.length);
      signal?.throwIfAborted();
      if (count === 0) return 0;
      await queue.add(offset, into.subarray(0, count), signal);
      return count;
    },
  };
}

/**
 * As good as one turn of the event loop, which takes a millisecond or more: kernel and modules of a
 * Debian in erofs took 50 requests either way, 51 with 64 turns, 52 with 16.
 */
const TURNS = 256;

/** One read of a caller. */
interface Member {
  readonly offset: number;
  readonly end: number;
  readonly into: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** Called when he leaves, by the read that he is part of. */
  left: (reason: unknown) => void;
  forget: () => void;
}

class Queue {
  readonly #reader: BlockReader;
  readonly #gap: number;
  readonly #maxBytes: number;
  readonly #maxRead: number;
  readonly #waiting = new Set<Member>();

  constructor(
    reader: BlockReader,
    gap: number,
    maxBytes: number,
    maxRead: number,
  ) {
    this.#reader = reader;
    this.#gap = gap;
    this.#maxBytes = maxBytes;
    this.#maxRead = maxRead;
  }

  add(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const member: Member = {
        offset,
        end: offset + into.length,
        into,
        signal,
        resolve,
        reject,
        left: () => this.#waiting.delete(member),
        forget: () => {},
      };
      if (signal !== undefined) {
        member.forget = onAbort(signal, () => {
          member.left(signal.reason);
          reject(signal.reason);
        });
      }
      if (this.#waiting.size === 0) this.#later(TURNS);
      this.#waiting.add(member);
    });
  }

  #later(turns: number): void {
    queueMicrotask(() => turns > 0 ? this.#later(turns - 1) : this.#depart());
  }

  /** Reads for those who wait, side by side ones together. */
  #depart(): void {
    const members: Member[] = [];
    for (const member of this.#waiting) {
      const { offset, end } = member;
      if (end - offset > this.#maxRead) this.#read([member], offset, end);
      else members.push(member);
    }
    this.#waiting.clear();
    members.sort((a, b) => a.offset - b.offset);
    let group: Member[] = [];
    let start = 0;
    let end = 0;
    for (const member of members) {
      const fits = member.offset <= end + this.#gap &&
        Math.max(end, member.end) - start <= this.#maxBytes;
      if (group.length > 0 && !fits) {
        this.#read(group, start, end);
        group = [];
      }
      if (group.length === 0) start = end = member.offset;
      group.push(member);
      end = Math.max(end, member.end);
    }
    if (group.length > 0) this.#read(group, start, end);
  }

  async #read(
    group: readonly Member[],
    start: number,
    end: number,
  ): Promise<void> {
    const [only, ...others] = group;
    if (only !== undefined && others.length === 0) {
      // As if it had come directly: its buffer is the reader's below until that has ended it.
      only.forget();
      const { into, signal, resolve, reject } = only;
      fillExactly(this.#reader, start, into, { signal }).then(resolve, reject);
      return;
    }
    const controller = new AbortController();
    const present = new Set(group);
    for (const member of group) {
      member.left = (reason) => {
        present.delete(member);
        if (present.size === 0) controller.abort(reason);
      };
    }
    const bytes = new Uint8Array(end - start);
    try {
      const { signal } = controller;
      await fillExactly(this.#reader, start, bytes, { signal });
    } catch (error) {
      for (const member of present) {
        member.forget();
        member.reject(error);
      }
      return;
    }
    for (const { offset, end, into, forget, resolve } of present) {
      into.set(bytes.subarray(offset - start, end - start));
      forget();
      resolve();
    }
  }
}
