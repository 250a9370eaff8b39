/**
 * The streams of the core: decoders fed in pieces, and what can be built on them.
 *
 * @module
 */
import {
  type Bytes,
  checkSize,
  codecCore,
  failure,
  type Format,
} from "./call.ts";
import { CoreError } from "./errors.ts";
import { Status, type StreamKind } from "./exports.ts";
import type { Core } from "./instance.ts";

// A zstd block makes at most 128 KiB; with input for several at hand few are cut in two and put together.
const INPUT_SIZE = 256 << 10;
const OUTPUT_SIZE = 128 << 10;
/** With room for a whole block of 4 MiB on both sides, LZ4 decodes without copies of its own. */
const LARGE_SIZE = 4 << 20;

/** Buffers that all decoders of an instance use in turn: each call is synchronous. */
interface Window {
  readonly input: number;
  readonly inputSize: number;
  readonly output: number;
  readonly outputSize: number;
  readonly progress: number;
}

const smallWindows = new WeakMap<Core, Window>();
const largeWindows = new WeakMap<Core, Window>();

function windowOf(core: Core, large: boolean): Window {
  const windows = large ? largeWindows : smallWindows;
  let window = windows.get(core);
  if (window === undefined) {
    const inputSize = large ? LARGE_SIZE : INPUT_SIZE;
    const outputSize = large ? LARGE_SIZE : OUTPUT_SIZE;
    const progress = core.alloc(16 + inputSize + outputSize);
    const input = progress + 16;
    const output = input + inputSize;
    window = { input, inputSize, output, outputSize, progress };
    windows.set(core, window);
  }
  return window;
}

/** What a decoder is to read, and how far it may go. */
export interface DecoderSpec {
  readonly kind: (typeof StreamKind)[keyof typeof StreamKind];
  readonly format: Format;
  /** The kind's own; see `enum fb_stream_kind`. */
  readonly option?: number;
  /** Bytes of output at which decoding fails. */
  readonly maxSize: number;
  /** Bytes for the dictionary or window. */
  readonly memoryLimit: number;
  /** What follows the end of the data is left alone; otherwise it is damage. */
  readonly trailing?: boolean;
  /** Work in pieces of 4 MiB, which takes 8 MiB once for all such decoders of an instance. */
  readonly large?: boolean;
}

// A decoder that was dropped without close() gives its memory back when it is collected.
const abandoned = new FinalizationRegistry<Held>((held) => held.close());

/** The part of a decoder that is outside the garbage collector's reach. */
class Held {
  readonly core: Core;
  pointer: number;

  constructor(core: Core, pointer: number) {
    this.core = core;
    this.pointer = pointer;
  }

  close(): void {
    if (this.pointer !== 0 && !this.core.crashed) {
      this.core.exports.fb_stream_close(this.pointer);
    }
    this.pointer = 0;
  }
}

type Take = (piece: Uint8Array) => void;

/** One decoder. It holds memory of the core until {@linkcode Decoder.close}. */
export class Decoder {
  readonly #core: Core;
  readonly #spec: DecoderSpec;
  readonly #held: Held;
  readonly #window: Window;
  /** True when more output may come without more input. */
  pending = false;
  #consumed = 0;
  #produced = 0;
  #ended = false;

  constructor(core: Core, spec: DecoderSpec) {
    checkSize("maxSize", spec.maxSize);
    checkSize("memoryLimit", spec.memoryLimit);
    this.#window = windowOf(core, spec.large ?? false);
    const pointer = core.exports.fb_stream_open(
      spec.kind,
      spec.option ?? 0,
      Math.min(spec.memoryLimit, 0x7fffffff),
    );
    if (pointer === 0) {
      throw new CoreError(
        "wasm.no-memory",
        `Cannot open a ${spec.format} decoder: linear memory cannot grow as far as is needed`,
      );
    }
    this.#core = core;
    this.#spec = spec;
    this.#held = new Held(core, pointer);
    abandoned.register(this, this.#held, this);
  }

  /**
   * Decodes `data`, calling `take` with each piece of output. The piece is a view of the core's
   * memory: copy it before returning, and call no codec meanwhile.
   */
  push(data: Uint8Array, take: Take): void {
    const { inputSize } = this.#window;
    const over = () => this.#ended && this.#spec.trailing === true;
    for (let at = 0; at < data.length && !over(); at += inputSize) {
      const piece = data.subarray(at, at + inputSize);
      this.#load(piece);
      for (let done = 0; (done < piece.length || this.pending) && !over();) {
        done += this.#run(done, piece.length - done, false, take);
      }
    }
  }

  /** Ends the input. Throws when the data is not complete. */
  finish(take: Take): void {
    while (!this.#ended) this.#run(0, 0, true, take);
  }

  /** One call of the core, at most 256 KiB in and 128 KiB out. Returns the bytes consumed. */
  step(data: Uint8Array, finish: boolean, take: Take): number {
    const piece = data.subarray(0, this.#window.inputSize);
    this.#load(piece);
    return this.#run(0, piece.length, finish, take);
  }

  #load(piece: Uint8Array): void {
    this.#core.view(this.#window.input, piece.length).set(piece);
  }

  #run(at: number, size: number, finish: boolean, take: Take): number {
    const core = this.#core, { maxSize } = this.#spec;
    const { input, output, outputSize, progress } = this.#window;
    // One byte more than is allowed, to tell the limit reached from the limit passed.
    const space = Math.min(outputSize, maxSize - this.#produced + 1);
    const status = this.#ended
      ? Status.DAMAGED // more data after what ends for good
      : core.exports.fb_stream_run(
        this.#held.pointer,
        input + at,
        size,
        output,
        space,
        finish ? 1 : 0,
        progress,
      );
    if (status < 0) throw this.#failure(status, this.#consumed + size);
    const [consumed = 0, produced = 0] = new Uint32Array(
      core.memory.buffer,
      progress,
      2,
    );
    this.#consumed += consumed;
    this.#produced += produced;
    if (this.#produced > maxSize) throw this.#failure(Status.OUTPUT_LIMIT);
    if (produced > 0) take(core.view(output, produced));
    this.#ended = status > 0;
    this.pending = produced === space && !this.#ended;
    if (consumed === 0 && produced === 0 && !this.#ended) {
      if (finish) throw this.#failure(Status.TRUNCATED);
      if (size > 0) throw this.#failure(Status.DAMAGED);
    }
    return consumed;
  }

  #failure(status: number, offset = this.#consumed): Error {
    return failure({ ...this.#spec, status, offset });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Gives the memory back. Twice is fine. */
  close(): void {
    abandoned.unregister(this);
    this.#held.close();
  }
}

/**
 * Decodes a whole buffer. Linear memory: the decoder's own plus 384 KiB, however large the data.
 *
 * @param expected Size of the output as far as a header claims; believed up to 64 times the input.
 */
export async function decodeWhole(
  data: Uint8Array,
  spec: DecoderSpec,
  expected = 0,
): Promise<Bytes> {
  const decoder = new Decoder(await codecCore(), spec);
  try {
    const sink = new Sink(
      Math.min(spec.maxSize, expected, (data.length + 1024) * 64),
      spec.maxSize,
    );
    const take = (piece: Uint8Array) => sink.add(piece);
    decoder.push(data, take);
    decoder.finish(take);
    return sink.bytes();
  } finally {
    decoder.close();
  }
}

/** Collects pieces in a buffer that doubles, never beyond a limit: room not used is never touched. */
export class Sink {
  readonly #limit: number;
  #buffer: Bytes;
  #size = 0;

  constructor(expected: number, limit: number) {
    this.#limit = limit;
    this.#buffer = new Uint8Array(expected);
  }

  add(piece: Uint8Array): void {
    const size = this.#size + piece.length;
    if (size > this.#buffer.length) {
      const larger = Math.max(size, this.#buffer.length * 2, OUTPUT_SIZE);
      const grown = new Uint8Array(Math.min(larger, this.#limit));
      grown.set(this.#buffer.subarray(0, this.#size));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#size);
    this.#size = size;
  }

  /** What came. With little room left over it is a view of the buffer rather than a copy. */
  bytes(): Bytes {
    return this.#size >= this.#buffer.length * 0.75
      ? this.#buffer.subarray(0, this.#size)
      : this.#buffer.slice(0, this.#size);
  }
}

/**
 * A decoder as a pair of streams for `pipeThrough()`.
 *
 * Not a `TransformStream`: that tells its transformer nothing when a reader cancels in engines older
 * than 2024, and the decoder's memory would wait for the garbage collector. Output is made only as
 * fast as it is read, in pieces of at most 128 KiB.
 */
export function decoderStream(
  spec: DecoderSpec,
): TransformStream<Uint8Array, Bytes> {
  checkSize("maxSize", spec.maxSize);
  checkSize("memoryLimit", spec.memoryLimit);
  let decoder: Decoder | undefined;
  let output!: ReadableStreamDefaultController<Bytes>;
  let input!: WritableStreamDefaultController;
  let wanted: (() => void) | undefined;
  let done = false;

  const end = () => {
    done = true;
    decoder?.close();
    wanted?.();
  };
  const fail = (error: unknown) => {
    end();
    output.error(error);
    throw error;
  };
  const feed = async (data: Uint8Array, finish: boolean) => {
    decoder ??= new Decoder(await codecCore(), spec);
    if (done) return decoder.close();
    const take = (piece: Uint8Array) => output.enqueue(piece.slice());
    let at = 0;
    do {
      while (!done && (output.desiredSize ?? 0) <= 0) {
        await new Promise<void>((resolve) => wanted = resolve);
      }
      if (done) return;
      at += decoder.step(data.subarray(at), finish, take);
    } while (at < data.length || decoder.pending || finish && !decoder.ended);
  };

  const readable = new ReadableStream<Bytes>({
    start(controller) {
      output = controller;
    },
    pull() {
      wanted?.();
    },
    cancel(reason) {
      end();
      input.error(reason);
    },
  });
  const writable = new WritableStream<Uint8Array>({
    start(controller) {
      input = controller;
    },
    write: (data) => feed(data, false).catch(fail),
    async close() {
      await feed(new Uint8Array(0), true).catch(fail);
      if (!done) output.close();
      end();
    },
    abort(reason) {
      if (!done) output.error(reason);
      end();
    },
  });
  return { readable, writable };
}
