import { abortable } from "./abortable.ts";
import { fillExactly } from "./read_exactly.ts";
import { checkCount, clampRead } from "./range.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";

/** Windows of {@linkcode withReadAhead}. */
export interface ReadAheadOptions {
  /** Least bytes to fetch ahead at once; 64 KiB when absent. */
  readonly min?: number | undefined;
  /** Most bytes to hold ahead of one stream, at least `min`; 2 MiB when absent. */
  readonly max?: number | undefined;
  /** Streams followed at the same time, at least 1; 8 when absent. */
  readonly streams?: number | undefined;
}

/** Reads in a row, each from where the one before ended, that make a stream. */
const PROOF_READS = 3;

/** Places remembered at which a stream may turn out to begin. */
const CANDIDATES = 32;

/**
 * Of what a stream has read, the share that may be fetched ahead of it. It bounds what is fetched
 * in vain: never more than a quarter of what was asked for, whatever the pattern of reads.
 */
const SHARE = 4;

/**
 * Reads ahead of those who read in sequence, several of them interleaved, and of nobody else.
 *
 * A stream is proven by three reads in a row and by `4 × min` bytes. What is held ahead of it
 * grows with what it has read, up to `max`; what is fetched and never used is at most a quarter of
 * what it read. Scattered reads cost no byte more. Reads of `max` bytes or more go straight
 * through. An error ahead of a stream is dropped: who gets there reads again and sees for himself.
 *
 * Memory: `streams × max` at most.
 *
 * @throws {RangeError} when a bound is 0 or `max` is less than `min`.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { withReadAhead } from "./read_ahead.ts";
 *
 * const reader = withReadAhead(openMemory(new Uint8Array(65536)), { min: 4096, max: 16384 });
 * for (let offset = 0; offset < reader.size; offset += 512) {
 *   await reader.read(offset, new Uint8Array(512));
 * }
 * ```
 */
export function withReadAhead(
  reader: BlockReader,
  options: ReadAheadOptions = {},
): BlockReader {
  const min = checkCount("min", options.min ?? 64 << 10, 1);
  const max = checkCount("max", options.max ?? Math.max(2 << 20, min), min);
  const streams = checkCount("streams", options.streams ?? 8, 1);
  return new ReadAhead(reader, min, max, streams);
}

/** Bytes fetched ahead, or on their way. */
interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** True when the bytes are there, false when they could not be had. Never rejects. */
  readonly ready: Promise<boolean>;
}

interface Stream {
  /** Where the next read of the stream begins. */
  next: number;
  reads: number;
  /** Bytes that the stream asked for. */
  consumed: number;
  /** Bytes that are being read for it now. */
  underWay: number;
  /** Whether much was under way when more was asked for: who reads does it ahead of himself. */
  deep: boolean;
  /** Bytes fetched ahead that the stream has not asked for, ever. */
  surplus: number;
  /** In order, without gaps between them. */
  chunks: Chunk[];
  controller: AbortController;
}

class ReadAhead implements BlockReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly #inner: BlockReader;
  readonly #min: number;
  readonly #max: number;
  readonly #limit: number;
  /** Proven streams and candidates, used last first. */
  #streams: Stream[] = [];

  constructor(inner: BlockReader, min: number, max: number, limit: number) {
    this.#inner = inner;
    this.blockSize = inner.blockSize;
    this.size = inner.size;
    this.name = inner.name;
    this.identity = inner.identity;
    this.#min = min;
    this.#max = max;
    this.#limit = limit;
  }

  async read(
    offset: number,
    into: Uint8Array,
    options: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    options.signal?.throwIfAborted();
    if (count === 0) return 0;
    const part = into.subarray(0, count);
    const stream = this.#follow(offset);
    if (stream.underWay >= this.#max / 4) stream.deep = true;
    const chunks = this.#take(stream, offset, offset + count);
    if (stream.reads >= PROOF_READS && count < this.#max && !stream.deep) {
      this.#ahead(stream);
    }
    stream.underWay += count;
    try {
      await this.#fill(offset, part, chunks, options);
    } finally {
      stream.underWay -= count;
    }
    return count;
  }

  /** Fills `part` from what was fetched ahead as far as it goes, then from below. */
  async #fill(
    offset: number,
    part: Uint8Array,
    chunks: readonly Chunk[],
    options: ReadOptions,
  ): Promise<void> {
    const count = part.length;
    let done = 0;
    for (const chunk of chunks) {
      if (!await abortable(chunk.ready, options.signal)) break;
      const from = offset + done - chunk.start;
      const bytes = chunk.bytes.subarray(from, from + count - done);
      part.set(bytes, done);
      done += bytes.length;
    }
    if (done < count) {
      const rest = done === 0 ? part : part.subarray(done);
      await fillExactly(this.#inner, offset + done, rest, options);
    }
  }

  /** The stream that a read at `offset` goes on with, now the one used last. */
  #follow(offset: number): Stream {
    const streams = this.#streams;
    let index = streams.findIndex((stream) =>
      offset >= stream.next && offset <= endOf(stream)
    );
    let stream = streams[index];
    if (stream === undefined) {
      stream = {
        next: offset,
        reads: 0,
        consumed: 0,
        underWay: 0,
        deep: false,
        surplus: 0,
        chunks: [],
        controller: new AbortController(),
      };
      index = streams.length;
      streams.push(stream);
    }
    if (index > 0) {
      streams.splice(index, 1);
      streams.unshift(stream);
    }
    return stream;
  }

  /** Moves the stream to `end`; gives the chunks that hold bytes from `offset` on. */
  #take(stream: Stream, offset: number, end: number): Chunk[] {
    const taken = stream.chunks.filter((chunk) =>
      chunk.end > offset && chunk.start < end
    );
    for (const chunk of taken) {
      stream.surplus -= Math.min(chunk.end, end) -
        Math.max(chunk.start, offset);
    }
    stream.chunks = stream.chunks.filter((chunk) => chunk.end > end);
    stream.reads++;
    stream.consumed += end - offset;
    stream.next = end;
    if (stream.reads <= PROOF_READS) this.#forget();
    return taken;
  }

  /** Fetches as much ahead as the stream has earned. */
  #ahead(stream: Stream): void {
    const allowed = Math.min(this.#max, stream.consumed / SHARE);
    for (;;) {
      const start = endOf(stream);
      const held = start - stream.next;
      // Windows of half of what is allowed: one is used while the other is on its way.
      let size = this.#min;
      while (size * 4 <= allowed) size *= 2;
      if (Math.max(held, stream.surplus) + size > allowed) return;
      const end = Math.min(start + size, this.size);
      if (end <= start) return;
      stream.surplus += end - start;
      stream.chunks.push(this.#fetch(stream, start, end));
    }
  }

  #fetch(stream: Stream, start: number, end: number): Chunk {
    const bytes = new Uint8Array(end - start);
    const { signal } = stream.controller;
    const ready = fillExactly(this.#inner, start, bytes, { signal }).then(
      () => true,
      () => {
        // The stream has to earn its windows anew.
        stream.chunks = stream.chunks.filter((chunk) => chunk.start < start);
        stream.reads = 0;
        stream.consumed = 0;
        return false;
      },
    );
    return { start, end, bytes, ready };
  }

  /** Drops the streams used longest ago, candidates and proven ones each within their number. */
  #forget(): void {
    let proven = 0;
    let candidates = 0;
    this.#streams = this.#streams.filter((stream) => {
      const keep = stream.reads >= PROOF_READS
        ? ++proven <= this.#limit
        : ++candidates <= CANDIDATES;
      if (!keep) stream.controller.abort();
      return keep;
    });
  }
}

function endOf(stream: Stream): number {
  return stream.chunks.at(-1)?.end ?? stream.next;
}
